"""Data sets of one's own, objects of Python, as sources."""

import random
from collections import namedtuple

import numpy as np
import pytest
import torch
from PIL import Image

from eigenstep.images import (
    ImagesConfig,
    find_source,
    find_test_split,
    load_images,
    load_labelled,
    load_spread,
    open_images,
    open_in_order,
    own_data,
    pictures,
)

CPU = {"seed": 0, "batch_size": 4, "device": torch.device("cpu")}


def stored(images, **options):
    return load_images(own_data(images), ImagesConfig(size=8, **options)).images


def test_a_source_stands_for_itself_and_a_name_of_an_object_for_nothing():
    source = own_data([0, 1])
    assert find_source(source) is source
    assert own_data(source) is source
    with pytest.raises(ValueError, match=r"python:list is a Python object .* name other images with --data"):
        find_source(source.data)


def test_pixels_are_the_same_in_whatever_form_they_come(noise, tmp_path):
    pixels = [noise(8, 8, 3, seed=row) for row in range(5)]
    Item = namedtuple("Item", "x y")
    for row, each in enumerate(pixels):
        Image.fromarray(each).save(tmp_path / f"{row}.png")
    forms = [
        np.stack(pixels),
        torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2),
        [torch.from_numpy(each).permute(2, 0, 1) for each in pixels],
        [{"image": each} for each in pixels],
        [{"x": each, "other": 1} for each in pixels],
        [Item(each, 3) for each in pixels],
        [Image.fromarray(each) for each in pixels],
        [str(tmp_path / f"{row}.png") for row in range(5)],
        [(tmp_path / f"{row}.png").read_bytes() for row in range(5)],
        {"train": pixels},
    ]
    expected = torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2)
    for form in forms:
        assert torch.equal(stored(form), expected)
    assert torch.equal(stored([{"pic": each} for each in pixels], column="pic"), expected)
    assert torch.equal(stored([np.float32(each / 255) for each in pixels]), (expected / 255).float())
    grey = [each[..., 0] for each in pixels]
    for form in (grey, [each[..., None] for each in grey], [torch.from_numpy(each)[None] for each in grey]):
        assert torch.equal(stored(form), expected[:, :1])
        assert torch.equal(stored(form, channels=3), expected[:, :1].expand(-1, 3, -1, -1))


@pytest.mark.parametrize(
    ("kind", "mode"),
    [(kind, mode) for kind in ("png", "tiff") for mode in ("L", "P", "RGBA", "LA", "I;16", "1")]
    + [("tiff", "CMYK")],
)
def test_an_image_of_pillow_is_what_its_file_is(noise, tmp_path, mode, kind):
    image = Image.fromarray(noise(8, 8, 3)).convert("RGB")
    image = Image.fromarray(noise(8, 8).astype(np.uint16) * 200) if mode == "I;16" else image.convert(mode)
    image.save(tmp_path / f"image.{kind}")
    assert torch.equal(stored([image]), load_images(str(tmp_path), ImagesConfig(size=8)).images)


@pytest.mark.parametrize(
    ("item", "layout"),
    [
        (torch.zeros(20, 30, 3), "HWC"),
        (np.zeros((3, 20, 30)), "CHW"),
        (np.zeros((20, 3, 4)), "HWC"),
        (torch.zeros(3, 20, 3), "CHW"),
        (torch.zeros(64, 20, 30), "CHW"),
    ],
)
def test_axes_that_do_not_tell_channels_are_asked_for(item, layout):
    source = own_data([item])
    with pytest.raises(ValueError, match=r"item 0: expected .* set images.layout to HWC or CHW") as refused:
        source.open(ImagesConfig())
    assert "\n" not in str(refused.value)
    source.open(ImagesConfig(layout=layout))


def test_many_channels_are_told():
    def notes(item, **how):
        return own_data([item]).open(ImagesConfig(**how)).notes

    (note,) = notes(torch.zeros(12, 20, 30))
    assert note.startswith(
        "items of shape (12, 20, 30) are taken as images of 12 channels; set images.layout"
    )
    opened = open_images(own_data([torch.zeros(12, 20, 30)] * 4), ImagesConfig(), **CPU)
    assert opened.facts()["notes"][0] == note
    assert not notes(torch.zeros(12, 20, 30), layout="CHW")
    assert not notes(torch.zeros(3, 20, 30))


def test_what_is_no_image_is_refused_unless_it_goes_into_views():
    for item in (torch.zeros(5), 3.0, {"x": {"a": 1}}, [1, 2], torch.zeros(2, 3, 4, 5)):
        with pytest.raises(ValueError, match="item 0: expected") as refused:
            own_data([item]).open(ImagesConfig())
        assert "\n" not in str(refused.value)
    own_data([torch.zeros(5)], as_tensors=True).open(ImagesConfig())


class Failing:
    def __init__(self, rows, wrong):
        self.rows, self.wrong = rows, wrong

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, row):
        if row in self.wrong:
            raise KeyError(row)
        return self.rows[row], row % 2


@pytest.mark.parametrize("as_tensors", [False, True])
@pytest.mark.parametrize("stream", ["never", "always"])
def test_items_that_raise_are_named_by_place_and_reason(noise, as_tensors, stream):
    rows = [noise(8, 8, 3, seed=row) for row in range(12)]
    source = own_data(Failing(rows, {0, 7}), as_tensors=as_tensors)
    config = ImagesConfig(size=8, stream=stream, workers=0)
    opened = open_images(source, config, **CPU)
    batches = opened.batches(0)
    for _ in range(4):
        next(batches)
    facts = opened.facts()
    assert facts["broken"] == 2
    assert set(facts["broken_names"]) == {"item 0 (KeyError: 0)", "item 7 (KeyError: 7)"}
    labelled = load_labelled(source, config, "train", None)
    assert labelled.labels.tolist() == [row % 2 for row in range(12) if row not in (0, 7)]
    with pytest.raises(ValueError, match=r"python:Failing: none of its 2 (items|images) can be"):
        open_images(
            own_data(Failing(rows[:2], {0, 1}), as_tensors=as_tensors), config, **CPU | {"batch_size": 2}
        ).probe(1)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int64", "float16", "float64", "bool", ">f4"])
def test_tensors_keep_their_values_in_memory_and_streamed(dtype):
    rows = np.random.default_rng(0).integers(0, 2 if dtype == "bool" else 200, (10, 3, 4)).astype(dtype)
    for stream in ("never", "always"):
        config = ImagesConfig(stream=stream, workers=0)
        opened = open_images(own_data(rows, as_tensors=True), config, **CPU)
        probe = opened.probe(10)
        assert np.array_equal(probe.numpy(), rows.astype(probe.numpy().dtype))
        batch = next(opened.batches(0)).images
        order = np.random.default_rng([0, 0, 0]).permutation(10)[:4]
        assert torch.equal(batch, probe[torch.from_numpy(order)])
        assert not opened.has_pictures


@pytest.mark.parametrize(
    ("shape", "dtype", "shown"),
    [
        *(((3, 8, 8), "uint8", True), ((1, 8, 8), "uint8", True), ((6, 8, 9), "uint16", True)),
        *(((2, 8, 8), "float32", True), ((1, 8, 8), "int64", True)),
        *(((8, 8, 3), "uint8", False), ((8, 8), "uint8", False), ((3, 8, 8), "bool", False)),
        *(((5,), "float32", False), ((2, 3, 8, 8), "float32", False)),
    ],
)
def test_items_are_shown_as_images_if_they_are_channels_rows_and_columns(shape, dtype, shown):
    rows = [np.zeros(shape, dtype) for _ in range(8)]
    opened = open_images(own_data(rows, as_tensors=True), ImagesConfig(), **CPU)
    assert opened.has_pictures == shown
    if shown:
        assert pictures(opened.probe(8).permute(0, 2, 3, 1).numpy()).shape == (8, *shape[1:], 3)


def test_images_of_a_data_set_of_ones_own_are_shown(noise):
    rows = [torch.from_numpy(noise(3, 8, 8, seed=row)) for row in range(8)]
    assert open_images(own_data(rows), ImagesConfig(size=8), **CPU).has_pictures


def test_labels_may_be_numbers_names_and_of_any_library():
    def numbers(labels):
        source = own_data([(np.zeros(3), each) for each in labels], as_tensors=True)
        return source.labels(ImagesConfig()).numbers.tolist()

    assert numbers([2, 0, 1]) == [2, 0, 1]
    assert numbers([torch.tensor(2), np.int64(0), 1.0]) == [2, 0, 1]
    assert numbers([True, False]) == [1, 0]
    assert numbers(["dog", "cat", None]) == [1, 0, -1]
    with pytest.raises(
        ValueError, match=r"label of item 0 to be the number of a class or its name.*0.5|float"
    ):
        numbers([0.5])
    with pytest.raises(ValueError, match=r"label of item 0 .* of shape \(2,\)"):
        numbers([torch.zeros(2)])
    with pytest.raises(ValueError, match="no item of its split 'train' has a label"):
        numbers([None, None])
    with pytest.raises(ValueError, match=r"no item .* has a label"):
        own_data(np.zeros((4, 3)), as_tensors=True).labels(ImagesConfig())


def test_names_of_classes_have_one_number_in_all_splits():
    splits = {"train": [(np.zeros(2), "b")], "test": [(np.zeros(2), "a"), (np.zeros(2), "b")]}
    source = own_data(splits, as_tensors=True)
    assert source.splits() == ["train", "test"]
    assert find_test_split(source, ImagesConfig()) == "test"
    train, test = (load_labelled(source, ImagesConfig(), split, None) for split in ("train", "test"))
    assert train.labels.tolist() == [1]
    assert test.labels.tolist() == [0, 1]
    assert train.class_names == ["a", "b"]


def test_a_split_that_there_is_not_is_named():
    with pytest.raises(ValueError, match="has no split 'val': expected train; give images= as a mapping"):
        own_data([0]).open(ImagesConfig(split="val"))
    with pytest.raises(ValueError, match=r"is one data set, .* images=\{'train': ..., 'test': ...\}"):
        find_test_split(own_data([0]), ImagesConfig())


def test_targets_of_torchvision_are_read_without_the_images(noise):
    class Counted:
        def __init__(self):
            self.targets, self.classes, self.reads = [0, 1, 1], ["ape", "bee"], 0

        def __len__(self):
            return 3

        def __getitem__(self, row):
            self.reads += 1
            return Image.fromarray(noise(8, 8, 3)), self.targets[row]

    dataset = Counted()
    labels = own_data(dataset).labels(ImagesConfig())
    assert labels.numbers.tolist() == [0, 1, 1]
    assert labels.names == ["ape", "bee"]
    assert dataset.reads == 1
    dataset.target_transform = lambda label: label
    assert own_data(dataset).labels(ImagesConfig()).numbers.tolist() == [0, 1, 1]
    assert dataset.reads == 1 + 3


def test_items_by_chance_are_the_same_whenever_they_are_read():
    class Drawn:
        def __len__(self):
            return 8

        def __getitem__(self, row):
            return torch.tensor([torch.rand(()).item(), np.random.rand(), random.random()])  # noqa: NPY002

    state = torch.random.get_rng_state(), random.getstate()
    found = []
    for stream in ("never", "always"):
        opened = open_images(
            own_data(Drawn(), as_tensors=True), ImagesConfig(stream=stream, workers=0), **CPU
        )
        batches = opened.batches(0)
        found.append(torch.stack([next(batches).images for _ in range(4)]))
    assert torch.equal(*found)
    assert len(found[0].unique()) == 8 * 3
    assert torch.equal(torch.random.get_rng_state(), state[0])
    assert random.getstate() == state[1]


def test_a_limit_takes_the_first_items():
    rows = np.arange(10.0)[:, None]
    opened = open_images(own_data(rows, as_tensors=True), ImagesConfig(limit=6), **CPU)
    assert opened.probe(10).flatten().tolist() == [0, 1, 2, 3, 4, 5]


def test_images_are_spread_and_read_in_order_as_of_any_source(noise, tmp_path):
    pixels = np.stack([noise(8, 8, 3, seed=row) for row in range(6)])
    expected = torch.from_numpy(pixels).permute(0, 3, 1, 2)
    spread = load_spread(own_data(pixels), ImagesConfig(size=8), 3)
    assert torch.equal(spread, expected[::2])
    files = [str(tmp_path / f"{row}.png") for row in range(6)]
    for file, each in zip(files, pixels, strict=True):
        Image.fromarray(each).save(file)
    labelled = own_data([(file, row % 2) for row, file in enumerate(files)])
    (block,) = open_in_order(labelled, ImagesConfig(size=8)).blocks
    assert torch.equal(block.images, expected)
    assert block.paths == files
    assert block.labels.tolist() == [0, 1] * 3
