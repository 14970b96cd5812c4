"""The whole comparison, on drawn images."""

import json

import numpy as np
import pytest
import torch

from eigenstep.modes.augmentations import (
    AugmentationSet,
    ShortTraining,
    rank_augmentations,
    score_set,
    sentence,
    tables,
    write_page,
)
from eigenstep.views import ViewsConfig

BRIEF = ShortTraining(steps=4, batch_size=32, width=4)
FEW = {"n_principal": 32, "n_views": 2, "workers": 1, "training": BRIEF}
SETS = [
    AugmentationSet("full", ViewsConfig(hue=0.5)),
    AugmentationSet("no colour jitter", ViewsConfig(jitter_probability=0.0)),
]


def test_a_seed_gives_the_same_outcome_again_and_others_another(hues):
    images, labels = hues
    first, again, other = (
        score_set(ViewsConfig(), images, labels, seed=seed, training=BRIEF) for seed in (0, 0, 1)
    )
    assert np.array_equal(first.right, again.right)
    assert not np.array_equal(first.right, other.right)


def test_images_without_a_label_are_trained_on_and_not_probed(hues):
    images, labels = hues
    some = labels.where(torch.arange(len(labels)) < 100, -1)
    assert score_set(ViewsConfig(), images, some, training=BRIEF).right.shape == (100,)


def test_a_killed_comparison_goes_on_from_its_folder(hues, tmp_path):
    images, labels = hues
    whole = rank_augmentations(images, labels, SETS, trainings=4, folder=tmp_path / "a", **FEW)

    def stop(what, done, total):
        if what == "short trainings" and done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rank_augmentations(images, labels, SETS, trainings=4, folder=tmp_path / "b", progress=stop, **FEW)
    path = tmp_path / "b" / "trainings.jsonl"
    path.write_bytes(path.read_bytes()[:-20])  # as if the last line had been cut
    gone_on = rank_augmentations(images, labels, SETS, trainings=4, folder=tmp_path / "b", **FEW)
    assert gone_on.short.done_now == 2
    assert np.array_equal(whole.short.standing.means, gone_on.short.standing.means)


def test_labels_that_nothing_tells_are_not_ranked_by(hues):
    images, _ = hues
    noise = torch.randint(4, (len(images),), generator=torch.Generator().manual_seed(1))
    found = rank_augmentations(images, noise, SETS, trainings=4, **FEW)
    assert found.closed.nothing
    assert found.short.nothing
    assert found.best is None
    assert sentence(found).startswith("not ranked")


@pytest.mark.parametrize("train", [False, True])
def test_a_set_that_leaves_nothing_is_named_and_not_ranked(tmp_path, train):
    """Of which half is bright a view of a few pixels tells nothing."""
    rng = np.random.default_rng(0)
    sides = rng.integers(2, size=600)
    images = np.where(np.arange(16) // 8 == sides[:, None], 200, 60)[:, None, None].repeat(16, 2).repeat(3, 1)
    images = (images + rng.integers(-30, 30, size=images.shape)).astype(np.uint8)
    off = {"flip_probability": 0.0, "jitter_probability": 0.0, "grayscale_probability": 0.0}
    sets = [
        AugmentationSet("a few pixels", ViewsConfig(crop_scale=(0.01, 0.02), **off)),
        AugmentationSet("whole", ViewsConfig(crop_scale=(0.8, 1.0), **off)),
    ]
    found = rank_augmentations(images, sides, sets, train=train, trainings=2, **FEW | {"n_views": 3})
    assert list(found.useless) == ["a few pixels"]
    ranked, standing = found.ranked[1], found.ranked[0]
    assert [each.name for each in ranked] == ["whole"]
    assert len(standing.means) == 1
    assert [row[0] for row in tables(found)[0].rows] == ["whole", "a few pixels"]
    assert list(found.as_json()["readable"]) == ["whole"]
    write_page(found, tmp_path / "page.html")


def test_without_labels_nothing_is_ranked_and_the_reason_is_told(hues, tmp_path):
    found = rank_augmentations(hues[0], None, SETS, **FEW)
    assert found.best is None
    assert "no labels" in sentence(found)
    assert json.loads(json.dumps(found.as_json(), allow_nan=False))["best"] is None
    page = write_page(found, tmp_path / "page.html").read_text()
    assert "http" not in page.replace("http-equiv", "")
    assert len(tables(found)[0].rows) == 2


def test_images_of_five_channels_have_what_exists_for_them(hues):
    images, labels = hues
    five = images[:, [0, 1, 2, 0, 1]]
    base = ViewsConfig(hue=0.2, crop_scale=(0.6, 1.0))
    found = rank_augmentations(five, labels, base=base, train=False, **FEW)
    assert set(found.left_out) == {"hue"}
    assert "chroma" in found.agreement.left_out
    assert "jitter by channel" in {each.name for each in found.sets}


def test_fewer_images_than_a_batch_are_refused_before_anything_is_computed(hues):
    told = []
    options = {
        **FEW,
        "training": ShortTraining(batch_size=161),
        "progress": lambda *words: told.append(words),
    }
    with pytest.raises(ValueError, match="at least 161 images, a batch, got 160; set a smaller --training"):
        rank_augmentations(*hues, SETS, **options)
    assert not told


def test_labels_of_one_class_are_refused(hues):
    with pytest.raises(ValueError, match="at least two classes"):
        rank_augmentations(hues[0], torch.zeros(len(hues[0]), dtype=torch.long), SETS, **FEW)


@pytest.mark.slow
def test_where_the_label_is_hue_the_set_without_colour_jitter_is_better(drawn):
    images, labels = drawn(600)
    options = {**FEW, "training": ShortTraining(steps=40, batch_size=64, width=8)}
    found = rank_augmentations(images, labels, SETS, trainings=8, **options)
    standing = found.short.standing
    assert found.best.name == "no colour jitter"
    assert standing.difference(1, 0).told_apart
