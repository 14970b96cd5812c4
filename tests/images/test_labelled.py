import datasets
import numpy as np
import pytest
import torch

from eigenstep.images import ImagesConfig, find_test_split, load_labelled

KINDS = ["table", "tars", "hub"]


@pytest.fixture
def load(as_on_hub):
    """`load("hub", folder, limit=5)`, without a network."""

    def read(kind, folder, limit=None, split="train", seed=0, **options):
        if kind == "hub":
            options |= {"stream": "always"}
            folder = as_on_hub(folder)
        config = ImagesConfig(size=4, **options)
        return load_labelled(str(folder), config, split, limit, seed)

    return read


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_all_images_are_there_with_their_labels(kind, load, data_of, rows_of):
    found = load(kind, data_of(kind, 20, label=lambda row: row * 3 % 7))
    rows = rows_of(found.images)
    assert sorted(rows) == list(range(20))
    assert found.labels.dtype == torch.int64
    assert found.labels.tolist() == [row * 3 % 7 for row in rows]
    assert found.class_names is None


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_limit_takes_a_random_subset_that_the_seed_decides(kind, load, data_of, rows_of):
    folder = data_of(kind, 20, label=lambda row: row)
    subsets = [load(kind, folder, limit=5, seed=seed, shuffle_buffer=20) for seed in (0, 0, 1, 2, 3)]
    rows = [tuple(rows_of(subset.images)) for subset in subsets]
    assert rows[0] == rows[1]
    assert len(set(rows)) == 4
    assert all(len(set(chosen)) == 5 for chosen in rows)
    assert len({row for chosen in rows for row in chosen}) > 10
    for subset, chosen in zip(subsets, rows, strict=True):
        assert subset.labels.tolist() == list(chosen)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_images_that_are_broken_or_have_no_label_are_left_out(kind, load, data_of, rows_of):
    folder = data_of(kind, 20, broken={3, 4}, label=lambda row: -1 if row < 2 else row)
    found = load(kind, folder)
    assert sorted(rows_of(found.images)) == sorted(set(range(20)) - {0, 1, 3, 4})
    assert found.labels.tolist() == rows_of(found.images)
    with pytest.raises(ValueError, match="cannot be decoded"):
        load(kind, folder, broken="refuse")


@pytest.mark.slow
def test_the_limit_of_the_training_does_not_hold_for_a_probe(load, data_of):
    assert len(load("table", data_of("table", 20), limit=15).labels) == 15
    config = ImagesConfig(size=4, limit=3)
    assert len(load_labelled(str(data_of("table", 20)), config, "train", 15).labels) == 15


@pytest.mark.slow
def test_class_folders_are_labels_and_mean_the_same_in_every_split(tmp_path, load, png, rows_of):
    for row, place in enumerate(["train/b/0", "train/a/1", "train/a/2", "test/b/3", "test/a/4", "test/b/5"]):
        path = tmp_path / "pictures" / f"{place}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(row))
    for split, expected in [("train", {0: 1, 1: 0, 2: 0}), ("test", {3: 1, 4: 0, 5: 1})]:
        found = load("images", tmp_path / "pictures", split=split)
        assert dict(zip(rows_of(found.images), found.labels.tolist(), strict=True)) == expected
        assert found.class_names == ["a", "b"]


@pytest.mark.slow
def test_described_classes_have_their_names(tmp_path, load, png):
    folder = tmp_path / "described"
    folder.mkdir()
    features = datasets.Features({"i": datasets.Image(), "y": datasets.ClassLabel(names=["cat", "dog"])})
    rows = {"i": [{"bytes": png(row), "path": None} for row in range(4)], "y": [1, 0, 0, 1]}
    datasets.Dataset.from_dict(rows, features=features).to_parquet(folder / "test.parquet")
    found = load("table", folder, split="test")
    assert (found.labels.tolist(), found.class_names) == ([1, 0, 0, 1], ["cat", "dog"])


@pytest.mark.slow
def test_data_without_labels_are_refused(tmp_path, load, png, write_tars):
    (tmp_path / "flat").mkdir()
    for row in range(3):
        (tmp_path / "flat" / f"{row}.png").write_bytes(png(row))
    with pytest.raises(ValueError, match="has no labels: expected each image in the folder of its class"):
        load("images", tmp_path / "flat")
    with pytest.raises(ValueError, match="none of the split's 2 images has a label"):
        load("tars", write_tars({"a.tar": [("a", {"png": png(0)}), ("b", {"png": png(1)})]}))
    with pytest.raises(ValueError, match="photos have no labels"):
        load("photos", "photos")


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_split_that_is_not_there_is_refused(kind, load, data_of):
    with pytest.raises(ValueError, match=r"no split 'test'; .* train$"):
        load(kind, data_of(kind, 5), split="test")


@pytest.mark.slow
def test_images_that_memory_cannot_hold_are_refused(load, data_of, monkeypatch):
    folder = data_of("table", 20)
    monkeypatch.setattr("eigenstep.images._memory.available_memory", lambda: 10 * 3 * 16 / 0.79)
    assert len(load("table", folder, limit=10).labels) == 10
    with pytest.raises(ValueError, match=r"11 images of 4×4 px take .* --probes"):
        load("table", folder, limit=11)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("splits", "expected"),
    [
        (("train", "test"), "test"),
        (("train", "validation"), "validation"),
        (("train", "validation", "test"), "test"),
    ],
)
def test_a_test_split_is_found(write_parquet, png, splits, expected):
    for split in splits:
        folder = write_parquet({"i": [{"bytes": png(0), "path": None}]}, images=["i"], split=split)
    assert find_test_split(str(folder), ImagesConfig()) == expected


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["table", "tars"])
def test_where_there_is_no_test_split_the_splits_are_named(kind, data_of):
    with pytest.raises(ValueError, match=r"neither a test nor a validation split .* --probes\.\S+ .* train$"):
        find_test_split(str(data_of(kind, 5)), ImagesConfig())
    with pytest.raises(ValueError, match="photos have no splits"):
        find_test_split("photos", ImagesConfig())


def test_a_split_that_is_trained_on_is_no_test_split(write_parquet, png):
    for split in ("test", "validation"):
        folder = write_parquet({"i": [{"bytes": png(0), "path": None}]}, images=["i"], split=split)
    assert find_test_split(str(folder), ImagesConfig(split="test")) == "validation"


@pytest.mark.slow
def test_a_subset_is_drawn_from_all_over_the_data(load, data_of, rows_of):
    rows = rows_of(load("table", data_of("table", 300), limit=100).images)
    thirds = np.bincount(np.array(rows) // 100, minlength=3)
    assert thirds.min() > 20
