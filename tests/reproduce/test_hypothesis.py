"""E7: the rule by which families go together, on matrices that are made up, and its agreements."""

import dataclasses

import numpy as np
import pytest

from eigenstep.comparison import debiased_cka
from eigenstep.reproduce import (
    Choices,
    Way,
    WaysAgreement,
    augmentations_sentence,
    course_sentence,
    hypothesis_images,
    pixels_sentence,
    together,
    way_configuration,
    ways_agreement,
    ways_for,
    why_unlabelled,
)

SEEDS, FAMILIES = 3, ("joint", "joint", "supervised")


def agreement(across=0.5, own=0.9, pixels=0.3, untrained=0.2, spread=0.0, same_start=0.99, families=FAMILIES):
    """Ways that agree so much with other ways; seed s is off by (s - 1) × spread."""
    ways = len(families)
    off = spread * (np.arange(SEEDS) - 1)
    values = np.full((SEEDS, SEEDS, ways, ways), across) + (off[:, None] + off)[..., None, None]
    values[:, :, range(ways), range(ways)] = own
    values[range(SEEDS), range(SEEDS)] = same_start
    references = {"untrained": np.full((SEEDS, ways), untrained), "pixels": np.full((SEEDS, ways), pixels)}
    return WaysAgreement(families, values, references)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"across": 0.5}, "go together"),
        ({"across": 0.9}, "are as one"),
        ({"across": 0.29}, "stay apart"),
        ({"across": 0.31, "spread": 0.1}, "are undecided"),
        ({"across": 0.29, "spread": 0.1}, "are undecided"),
        ({"across": 0.5, "pixels": 0.6}, "stay apart"),
        ({"across": 0.5, "untrained": 0.6}, "stay apart"),
        ({"across": 0.5, "spread": 0.1}, "go together"),
    ],
    ids=lambda value: " ".join(map(str, value.values())) if isinstance(value, dict) else value,
)
@pytest.mark.parametrize("pair", [("joint", "supervised"), ("joint", "joint")], ids="-".join)
def test_families_go_together_that_agree_beyond_what_nobody_trained_by_more_than_seeds_differ(
    pair, changes, word
):
    found = together(agreement(**changes), *pair)
    assert found.word == word
    assert f" {word}: they agree to {changes['across']:.2f}" in found.sentence


def test_a_start_in_common_decides_nothing():
    one, other = (together(agreement(same_start=value), "joint", "supervised") for value in (0.1, 1.0))
    assert one == other


def test_the_spread_is_that_of_the_difference_and_not_of_its_parts():
    found = agreement(across=0.35, spread=0.1)
    # Of seed s with both others: the mean of s and t, each off by a tenth for each seed from the middle.
    across = np.array([0.35 - 0.05, 0.35, 0.35 + 0.05])
    np.testing.assert_allclose(found.across("joint", "supervised"), across)
    assert together(found, "joint", "supervised").above_floor.spread == pytest.approx(0.05)
    moving = {name: np.repeat(across[:, None] - 0.1, 3, axis=1) for name in found.references}
    along = together(dataclasses.replace(found, references=moving), "joint", "supervised")
    assert along.above_floor.mean == pytest.approx(0.1)
    assert along.above_floor.spread == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"pixels": 0.8},
            "Joint stays with the pixels: it agrees with them to 0.80, and with the nearest family,",
        ),
        ({"pixels": 0.3}, "Joint has left the pixels"),
        ({"pixels": 0.5}, "Joint cannot be told from the pixels"),
    ],
    ids=["stays", "has left", "undecided"],
)
def test_a_family_stays_with_the_pixels_that_agrees_with_nothing_more(changes, words):
    assert pixels_sentence(agreement(**changes, spread=0.01), "joint", ["supervised"]).startswith(words)


@pytest.mark.parametrize(
    ("end", "spread", "words"),
    [
        (0.8, 0.0, "come closer: two different ones agree to 0.40 untrained, 0.60 at step 5 and 0.80"),
        (0.5, 0.0, "part: two different ones"),
        (0.61, 0.2, "neither come closer nor part"),
    ],
)
def test_ways_come_closer_whose_agreement_rises_from_the_first_snapshot_on(end, spread, words):
    course = [agreement(across=across) for across in (0.4, 0.6, 0.7)] + [agreement(end, spread=spread)]
    assert words in course_sentence(course, [0, 5, 10, 20])


@pytest.mark.parametrize(
    ("by_views", "words"),
    [(0.3, "matter more than"), (0.5, "cannot be told from"), (0.7, "matter less than")],
)
def test_augmentations_matter_more_where_another_set_takes_a_way_further_than_another_way_is(by_views, words):
    found = agreement(across=0.5, families=(*FAMILIES, "crops alone"), spread=0.01)
    found.values[..., 0, 3] = found.values[..., 3, 0] = by_views
    sentence = augmentations_sentence(found, {0: 3})
    assert sentence.startswith(f"Augmentations {words} the method")
    assert f"itself to {by_views:.2f}; with the same set, ways agree with other ways to 0.50" in sentence


def test_agreements_stand_where_their_networks_do():
    rng = np.random.default_rng(0)
    ways = [Way("simclr"), Way("cross_entropy"), Way("simclr", "crops alone")]
    features = rng.normal(size=(2, 3, 40, 5))
    untrained, pixels = rng.normal(size=(2, 40, 4)), rng.normal(size=(40, 9))
    measure = "cka_linear_debiased"
    found = ways_agreement(ways, [*features[0], *features[1]], list(untrained), {"pixels": pixels}, measure)
    assert found.families == ("joint embedding", "supervision", "crops alone")
    for seed, other, one, way in np.ndindex(2, 2, 3, 3):
        expected = debiased_cka(features[seed, one], features[other, way])
        assert found.values[seed, other, one, way] == pytest.approx(expected)
    assert found.references["pixels"][1, 2] == pytest.approx(debiased_cka(features[1, 2], pixels))
    # An untrained network is another seed's.
    assert found.references["untrained"][0, 1] == pytest.approx(debiased_cka(features[0, 1], untrained[1]))
    assert found.of_other_seeds()[0, 0, 1] == pytest.approx(
        (debiased_cka(features[0, 0], features[1, 1]) + debiased_cka(features[0, 1], features[1, 0])) / 2
    )


def test_ways_differ_in_loss_and_augmentations_alone():
    images = hypothesis_images(Choices())
    configs = [way_configuration(way, 1, Choices(), images) for way in ways_for(labelled=True)]
    assert len({config.loss for config in configs}) >= 9
    same = {
        (config.backbone, config.steps, config.batch_size, config.seed, config.images, config.projector)
        for config in configs
    }
    assert len(same) == 1
    assert len({config.views for config in configs}) == 2


def test_images_that_judge_are_none_that_are_trained_on():
    images = hypothesis_images(Choices())
    assert images.limit is not None
    assert images.limit + 512 == images.patches


def test_ways_that_need_labels_are_left_out_of_images_without():
    reason = why_unlabelled(Choices(), hypothesis_images(Choices()))
    assert reason == "photos have no labels"
    left = {way.loss for way in ways_for(labelled=True)} - {way.loss for way in ways_for(labelled=False)}
    assert left == {"cross_entropy", "supcon"}


def test_too_few_images_are_refused(tmp_path):
    from PIL import Image

    for index in range(3):
        Image.new("RGB", (32, 32), (80 * index, 0, 0)).save(tmp_path / f"{index}.png")
    with pytest.raises(ValueError, match="expected at least 640 images, 512 of them to judge by, got 3 from"):
        hypothesis_images(Choices(data=str(tmp_path)))
