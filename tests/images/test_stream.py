import numpy as np
import pytest

from eigenstep.images import ImagesConfig, Sample, Shards, find_source

IN_ORDER = ImagesConfig(stream="always")


class Numbers:
    """A shard of numbered samples, which counts how many were read."""

    def __init__(self, *numbers):
        self.name = f"numbers from {numbers[0]} on"
        self.numbers = numbers
        self.read = 0

    def samples(self):
        for number in self.numbers:
            self.read += 1
            yield Sample(str(number), None, number)


def numbered(shards, each, limit=None):
    return Shards("numbers", [Numbers(*range(s * each, (s + 1) * each)) for s in range(shards)], limit)


def order(stream, buffer, seed=0):
    return [sample.label for sample in stream.shuffled(buffer, np.random.default_rng(seed))]


@pytest.mark.parametrize("buffer", [1, 2, 7, 30, 1000])
def test_every_sample_comes_once_whatever_the_buffer(buffer):
    assert sorted(order(numbered(5, 6), buffer)) == list(range(30))
    assert order(numbered(5, 6), buffer) == order(numbered(5, 6), buffer)
    assert order(numbered(5, 6), buffer) != order(numbered(5, 6), buffer, seed=1)


def test_a_sample_waits_for_no_more_than_the_buffer_holds():
    stream = numbered(1, 1000)
    drawn = stream.shuffled(50, np.random.default_rng(0))
    for place in range(800):
        assert next(drawn).label <= place + 50
        assert stream.shards[0].read <= place + 51


@pytest.mark.slow
def test_a_buffer_that_holds_all_gives_every_order_alike():
    counts = np.zeros((6, 6))
    for seed in range(3000):
        for place, number in enumerate(order(numbered(2, 3), 100, seed)):
            counts[place, number] += 1
    assert np.abs(counts / 3000 - 1 / 6).max() < 0.035


def test_within_the_buffer_samples_travel_far():
    places = np.array([order(numbered(1, 400), 100, seed) for seed in range(20)])
    assert np.abs(places - np.arange(400)).mean() > 50


def test_shards_come_in_another_order_every_time():
    firsts = {order(numbered(5, 6), 1, seed)[0] for seed in range(60)}
    assert firsts == {0, 6, 12, 18, 24}


def test_with_a_limit_always_the_same_samples_are_read():
    for seed in range(10):
        assert sorted(order(numbered(5, 6, limit=8), 3, seed)) == list(range(8))
    assert numbered(5, 6, limit=8).count() == 8
    assert numbered(5, 6, limit=80).count() == 30


@pytest.mark.slow
def test_a_table_is_streamed_with_no_other_column_than_what_is_asked_for(data_of, png, as_on_hub):
    source = find_source(as_on_hub(data_of("table", 9, label=lambda row: row + 40)))
    images = list(source.open(IN_ORDER).samples())
    assert [sample.record.content for sample in images] == [png(row) for row in range(9)]
    assert {sample.label for sample in images} == {None}
    both = list(source.open(IN_ORDER, labels=True).samples())
    assert [sample.record.content for sample in both] == [png(row) for row in range(9)]
    assert [sample.label for sample in both] == list(range(40, 49))
    assert source.labels(IN_ORDER).numbers.tolist() == list(range(40, 49))
    assert source.count(IN_ORDER) == 9


@pytest.mark.slow
def test_labels_are_read_without_the_images(data_of, spoil, as_on_hub):
    source = find_source(as_on_hub(spoil(data_of("table", 9), "img.bytes")))
    assert source.labels(IN_ORDER).numbers.tolist() == [0, 1, 2] * 3
    with pytest.raises(Exception, match=r"\w"):
        list(source.open(IN_ORDER).samples())


def test_files_of_a_table_are_shards(write_parquet, png, as_on_hub):
    for part in range(3):
        folder = write_parquet({"img": [{"bytes": png(part), "path": None}]}, images=["img"])
        (folder / "train-00000-of-00001.parquet").rename(folder / f"train-{part}.parquet")
    opened = find_source(as_on_hub(folder)).open(IN_ORDER)
    assert len(opened.shards) == 3
    assert [sample.record.content for sample in opened.samples()] == [png(part) for part in range(3)]
    assert [sample.name for sample in opened.samples()] == [f"image 0 of shard {part}" for part in range(3)]


def test_splits_are_told_apart(write_tars, png):
    folder = write_tars(
        {"train/0.tar": [("a", {"png": png(0)})], "validation/0.tar": [("b", {"png": png(1)})]}
    )
    (folder / "README.md").write_text("about these shards")
    source = find_source(str(folder))
    assert source.splits() == ["train", "validation"]
    for split, row in [("train", 0), ("validation", 1)]:
        samples = list(source.open(ImagesConfig(split=split)).samples())
        assert [sample.record.content for sample in samples] == [png(row)]
    with pytest.raises(ValueError, match=r"no split 'test'; set --images.split to one of train, validation"):
        source.open(ImagesConfig(split="test"))


def test_names_of_classes_have_one_number_in_all_splits(write_tars, png):
    folder = write_tars(
        {
            "train-0.tar": [(name, {"png": png(0), "cls": name.encode()}) for name in ("dog", "ape")],
            "test-0.tar": [(name, {"png": png(0), "cls": name.encode()}) for name in ("dog", "cat")],
        }
    )
    source = find_source(str(folder))
    for split, numbers in [("train", [2, 0]), ("test", [2, 1])]:
        labels = source.labels(ImagesConfig(split=split))
        assert (labels.numbers.tolist(), labels.names) == (numbers, ["ape", "cat", "dog"])
