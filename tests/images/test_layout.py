"""What folders and names mean: splits, where a data set is laid out as nothing else, and classes."""

import pytest

from eigenstep.images import ImagesConfig, find_source, open_in_order


@pytest.fixture
def place(tmp_path, png):
    """`place("a/b.png")`: a folder of these images."""

    def write(*paths):
        for row, path in enumerate(paths):
            target = tmp_path / "data" / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(png(row))
        return str(tmp_path / "data")

    return write


def names(data, split="train"):
    return [sample.name for sample in find_source(data).open(ImagesConfig(split=split)).samples()]


def classes(data, split="train"):
    labels = find_source(data).labels(ImagesConfig(split=split))
    return [labels.names[number] for number in labels.numbers]


MEANT = [
    (["train/1.png", "test/2.png"], {"train": ["train/1.png"], "test": ["test/2.png"]}),
    (["training/1.png", "val/2.png"], {"train": ["training/1.png"], "validation": ["val/2.png"]}),
    (["TRAIN/1.png", "dev/2.png", "Valid/3.png"], {"validation": ["Valid/3.png", "dev/2.png"]}),
    (["train/a/1.png", "evaluation/a/2.png"], {"test": ["evaluation/a/2.png"]}),
    (["images/train/1.png", "images/test/2.png"], {"test": ["images/test/2.png"]}),
]


@pytest.mark.parametrize(("paths", "splits"), MEANT)
def test_folders_of_splits_and_of_nothing_else_are_splits_which_is_told(paths, splits, place):
    data = place(*paths)
    for split, expected in splits.items():
        assert names(data, split) == expected
    opened = find_source(data).open(ImagesConfig())
    assert opened.notes[0].startswith("its folders are those of splits, and of nothing else: train, ")
    count = sum(len(names(data, split)) for split in find_source(data).splits())
    assert count == len(paths)
    assert opened.count() + opened.passed_over.count == len(paths)


NOT_MEANT = [
    ["bus/1.png", "car/2.png", "train/3.png"],
    ["train/1.png", "test/2.png", "3.png"],
    ["dev/1.png", "prod/2.png"],
    ["test/1.png", "val/2.png"],
    ["train.png", "test.png"],
    ["train station/1.png", "test-tube/2.png"],
    ["train/1.png", "test.png"],
    ["a/train/1.png", "b/test/2.png"],
    ["test/1.png"],
]


@pytest.mark.parametrize("paths", NOT_MEANT)
def test_otherwise_words_mean_nothing(paths, place):
    data = place(*paths)
    assert names(data) == sorted(paths)
    assert find_source(data).splits() == ["train"]
    assert find_source(data).open(ImagesConfig()).notes == []
    with pytest.raises(ValueError, match=r"has no split 'test'; set --images\.split to one of train$"):
        names(data, "test")


def test_the_first_folders_are_classes_whatever_words_they_are(place):
    assert classes(place("bus/1.png", "car/a/2.png", "train/3.png")) == ["bus", "car", "train"]
    labels = find_source(place()).labels(ImagesConfig())
    assert labels.numbers.tolist() == [0, 1, 2]


def test_folders_of_splits_and_folders_that_hold_all_are_no_classes(place):
    data = place("x/train/b/1.png", "x/train/a/2.png", "x/test/b/3.png")
    assert (classes(data), classes(data, "test")) == (["a", "b"], ["b"])
    assert find_source(data).labels(ImagesConfig(split="test")).numbers.tolist() == [1]


@pytest.mark.parametrize(
    "paths",
    [
        ["cat/1.png", "dog/2.png", "3.png"],
        ["cat/1.png", "cat/2.png"],
        ["1.png"],
        ["train/1.png", "test/2.png"],
    ],
)
def test_there_are_labels_only_where_all_images_are_in_one_of_several_classes(paths, place):
    data = place(*paths)
    with pytest.raises(ValueError, match="has no labels: expected each image in the folder of its class"):
        classes(data)
    assert open_in_order(data, ImagesConfig(size=4)).labels is None


def test_a_split_without_classes_leaves_the_others_theirs(place):
    data = place("train/a/1.png", "train/b/2.png", "test/3.png")
    assert classes(data) == ["a", "b"]
    with pytest.raises(ValueError, match="has no labels"):
        classes(data, "test")


ARCHIVES = [
    (["train-0.tar", "test-0.tar"], ["train", "test"]),
    (["train.tar", "val.tar"], ["train", "validation"]),
    (["data/train-0.tar", "data/train-1.tar"], ["train"]),
    (["default/train/0.tar", "default/test/0.tar"], ["train", "test"]),
    (["train.tar", "extra.tar"], ["train"]),
    (["test-tube.tar", "test-drive.tar"], ["train"]),
    (["train_a.tar", "test-tube.tar"], ["train", "test"]),
    (["testing.tar", "traintrack.tar"], ["train"]),
    (["validation-00000-of-00001.tar"], ["validation"]),
]


@pytest.mark.parametrize(("paths", "splits"), ARCHIVES)
def test_names_of_archives_tell_splits_where_all_of_them_do(paths, splits, write_tars, png):
    data = str(write_tars({path: [(str(row), {"png": png(row)})] for row, path in enumerate(paths)}))
    source = find_source(data)
    assert source.splits() == splits
    found = [name for split in splits for name in names(data, split)]
    assert sorted(found) == sorted(f"{path}/{row}.png" for row, path in enumerate(paths))


@pytest.mark.parametrize(("paths", "splits"), ARCHIVES)
def test_names_of_tables_tell_splits_alike(paths, splits, tmp_path, png):
    import pyarrow as pa
    import pyarrow.parquet as parquet

    for row, path in enumerate(paths):
        target = (tmp_path / path).with_suffix(".parquet")
        target.parent.mkdir(parents=True, exist_ok=True)
        parquet.write_table(pa.table({"i": [{"bytes": png(row), "path": None}]}), target)
    source = find_source(str(tmp_path))
    assert source.splits() == splits
    assert sum(source.open(ImagesConfig(split=split)).count() for split in splits) == len(paths)
    opened = source.open(ImagesConfig(split=splits[0]))
    assert opened.count() + opened.passed_over.count == len(paths)
