import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_sample_images

from eigenstep.images import ImagesConfig, load_images, photo_patches


@pytest.fixture
def pictures(tmp_path, noise):
    """`pictures("a.png", "b/c.jpg", size=(16, 16))`: a folder with these pictures."""

    def write(*names: str, folder: str = "pictures", size: tuple[int, int] = (16, 16)) -> Path:
        for seed, name in enumerate(names):
            path = tmp_path / folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(noise(*size, 3, seed=seed)).save(path)
        return tmp_path / folder

    return write


def load(folder, size=16, **options):
    return load_images(str(folder), ImagesConfig(size=size, **options))


def channels_first(pixels):
    return torch.from_numpy(np.array(pixels)).permute(2, 0, 1)


@pytest.mark.slow
def test_patches_are_windows_of_the_photographs():
    windows = [
        np.lib.stride_tricks.sliding_window_view(photo, (5, 5), axis=(0, 1))
        for photo in load_sample_images().images
    ]
    for patch in photo_patches(6, 5, seed=3).numpy():
        assert any((window == patch).all(axis=(2, 3, 4)).any() for window in windows)


@pytest.mark.slow
def test_patches_come_from_both_photographs_and_from_all_over_them():
    patches = photo_patches(400, 213).float().mean(dim=(1, 2, 3))
    wholes = [photo.mean() for photo in load_sample_images().images]
    assert patches.min() < min(wholes)
    assert patches.max() > max(wholes)
    assert len(patches.unique()) > 390


def test_the_seed_alone_decides_the_patches():
    assert torch.equal(photo_patches(20, 16, seed=1), photo_patches(20, 16, seed=1))
    assert not torch.equal(photo_patches(20, 16, seed=1), photo_patches(20, 16, seed=2))
    config = ImagesConfig(size=16, patches=20)
    assert torch.equal(load_images("photos", config, seed=1).images, photo_patches(20, 16, seed=1))


@pytest.mark.parametrize(("size", "fits"), [(427, True), (428, False), (0, False)])
def test_patches_larger_than_the_photographs_are_refused(size, fits):
    if fits:
        assert photo_patches(1, size).shape == (1, 3, size, size)
    else:
        with pytest.raises(ValueError, match=rf"patches of {size} px do not fit .* 427×640 px"):
            photo_patches(1, size)


def test_no_patches_are_refused():
    with pytest.raises(ValueError, match="at least one patch"):
        photo_patches(0, 16)


@pytest.mark.slow
def test_images_are_read_as_they_are_in_the_order_of_their_names(pictures, noise):
    found = load(pictures("b.png", "a.png", "c/a.png", "UPPER.PNG", "ü [b] 1.png"))
    assert found.images.dtype == torch.uint8
    assert found.images.shape == (5, 3, 16, 16)
    assert (found.broken, found.enlarged) == ([], 0)
    expected = {noise(16, 16, 3, seed=seed).tobytes() for seed in range(5)}
    assert {image.permute(1, 2, 0).numpy().tobytes() for image in found.images} == expected
    assert torch.equal(
        found.images, load(pictures("b.png", "a.png", "c/a.png", "UPPER.PNG", "ü [b] 1.png")).images
    )


def test_jpegs_are_read_as_pillow_reads_them(pictures):
    folder = pictures("a.jpg")
    assert torch.equal(load(folder).images[0], channels_first(Image.open(folder / "a.jpg")))


@pytest.mark.slow
def test_of_an_oblong_image_the_middle_is_kept(pictures, noise):
    assert torch.equal(
        load(pictures("wide.png", size=(16, 30))).images[0], channels_first(noise(16, 30, 3))[:, :, 7:23]
    )
    assert torch.equal(
        load(pictures("high.png", folder="high", size=(32, 16))).images[0],
        channels_first(noise(32, 16, 3))[:, 8:24],
    )


@pytest.mark.slow
@pytest.mark.parametrize(("given_size", "enlarged"), [(9, 1), (16, 0), (50, 0)])
def test_images_are_resized_as_by_torch_and_counted_where_they_are_enlarged(
    pictures, noise, given_size, enlarged
):
    found = load(pictures("a.png", size=(given_size, given_size)))
    pixels = channels_first(noise(given_size, given_size, 3)).float()[None]
    expected = torch.nn.functional.interpolate(pixels, size=16, mode="bilinear", antialias=True)
    assert (found.images - expected).abs().max() <= 1
    assert found.enlarged == enlarged


def test_images_are_stored_at_the_stored_size(pictures):
    assert load(pictures("a.png"), size=8, stored_size=12).images.shape == (1, 3, 12, 12)


@pytest.mark.slow
def test_broken_images_among_good_ones_are_skipped_named_and_counted(pictures):
    folder = pictures("a.png", "b/c.jpg", "d.png", "z.png")
    whole = (folder / "b" / "c.jpg").read_bytes()
    (folder / "b" / "truncated.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "text.png").write_text("this is no image")
    (folder / "empty.jpeg").touch()
    found = load(folder)
    assert len(found) == 4
    assert sorted(found.broken) == [
        "b/truncated.jpg (Truncated File Read)",
        "empty.jpeg (the file is empty)",
        "text.png (its content is of no known format of images)",
    ]
    good = load(pictures("a.png", "b/c.jpg", "d.png", "z.png", folder="good"))
    assert torch.equal(found.images, good.images)
    with pytest.raises(
        ValueError, match=r"(truncated\.jpg|text\.png|empty\.jpeg) cannot be decoded"
    ) as refused:
        load(folder, broken="refuse")
    assert "\n" not in str(refused.value)


def test_whatever_a_decoder_raises_the_image_counts_as_broken(pictures, monkeypatch):
    folder = pictures("a.png", "b.png")

    def fail(record, config, **options):
        raise RuntimeError("as the decoder of AVIF does")

    monkeypatch.setattr("eigenstep.images.stored._stored_format.read_image", fail)
    with pytest.raises(
        ValueError,
        match=r"none of its 2 images can be decoded, for example a\.png \(as the decoder of AVIF does\), b",
    ):
        load(folder)


def test_files_that_are_no_images_are_left_alone(pictures):
    folder = pictures("a.png", ".hidden.png")
    (folder / "notes.txt").write_text("not an image")
    (folder / "list.csv").write_text("name,label\na,1\n")
    found = load(folder)
    assert (len(found), found.broken) == (1, [])


def test_class_folders_are_read_as_one_set(pictures):
    assert len(load(pictures("cat/1.png", "cat/2.png", "dog/1.png"))) == 3


@pytest.mark.slow
@pytest.mark.parametrize(("split", "count"), [("train", 3), ("test", 1)])
def test_folders_named_after_splits_are_told_apart(pictures, split, count):
    folder = pictures("train/cat/1.png", "train/cat/2.png", "train/dog/1.png", "test/cat/1.png")
    assert len(load(folder, split=split)) == count


def test_a_split_that_is_not_there_is_refused_with_those_that_are(pictures):
    folder = pictures("train/1.png", "test/1.png")
    with pytest.raises(
        ValueError, match=r"has no split 'validation'; set --images.split to one of train, test"
    ):
        load(folder, split="validation")


def test_a_folder_that_has_changed_is_read_anew(pictures, noise):
    folder = pictures("a.png", "b.png")
    before = load(folder)
    Image.fromarray(noise(16, 16, 3, seed=9)).save(folder / "a.png")
    (folder / "b.png").unlink()
    assert torch.equal(load(folder).images[0], channels_first(noise(16, 16, 3, seed=9)))
    assert len(before) == 2


@pytest.mark.slow
def test_a_limit_takes_the_first_images_and_says_how_many_it_goes_through(pictures):
    folder, told = pictures("a.png", "b.png", "c.png"), []
    found = load_images(
        str(folder), ImagesConfig(size=16, limit=2), progress=lambda done, total: told.append((done, total))
    )
    assert torch.equal(found.images, load(folder).images[:2])
    assert told[-1] == (2, 2)
    assert len(load(folder, limit=100)) == 3
    assert len(load_images("photos", ImagesConfig(size=16, patches=30, limit=7))) == 7


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: (path / "deep" / "er").mkdir(parents=True), "it is empty; expected Parquet .* images"),
        (lambda path: (path / "notes.txt").write_text("x"), r"no images: 1 no image \(\.txt\): notes\.txt; "),
        (
            lambda path: (path / "notes").write_text("x"),
            r"no images: 1 no image \(without a suffix\): notes; ",
        ),
        (lambda path: (path / "a.png").write_text("x"), r"none of its 1 images can be decoded, .* a\.png"),
        (lambda path: (path / "loader.py").write_text("raise SystemExit"), r"no image \(\.py\): loader\.py"),
        (lambda path: (path / "train.parquet").write_bytes(b"PAR1 PAR1"), r": train\.parquet is damaged"),
    ],
)
def test_a_folder_without_images_is_refused_in_one_line_and_nothing_else_is_said(
    tmp_path, caplog, monkeypatch, make, message
):
    monkeypatch.setattr(logging.getLogger("datasets"), "propagate", True)
    make(tmp_path)
    with pytest.raises(ValueError, match=message) as refused:
        load(tmp_path)
    assert "\n" not in str(refused.value)
    assert caplog.records == []


def test_a_file_in_place_of_a_folder_is_read(pictures):
    folder = pictures("a.png", "b.png")
    assert torch.equal(load(folder / "b.png").images, load(folder).images[1:])


@pytest.mark.parametrize("name", ["./nowhere", "/nowhere/at/all", "../nowhere"])
def test_a_folder_that_is_not_there_is_named(name):
    with pytest.raises(FileNotFoundError, match=f"there is no folder {name}$"):
        load(name)


@pytest.mark.parametrize(("name", "nearest"), [("cifar-10", "cifar10"), ("photo", "photos")])
def test_an_unknown_name_is_refused_with_the_nearest(name, nearest):
    with pytest.raises(ValueError, match=rf"unknown data set '{name}': .* Did you mean {nearest}\?"):
        load(name)


@pytest.mark.slow
def test_images_that_memory_cannot_hold_are_refused_before_one_is_read(pictures, monkeypatch):
    folder = pictures("a.png", "b.png", "c.png")
    need = 3 * 3 * 16 * 16
    for memory, fits in [(need, False), (2 * need, True)]:
        monkeypatch.setattr("eigenstep.images._memory.available_memory", lambda memory=memory: memory)
        if fits:
            assert len(load(folder)) == 3
        else:
            with monkeypatch.context() as patch:
                patch.setattr(
                    "eigenstep.images.stored._stored_format.read_image",
                    lambda *_: pytest.fail("an image was read"),
                )
                with pytest.raises(
                    ValueError, match=r"3 images of 16×16 px take 0\.0 GiB .* --images\.limit"
                ):
                    load(folder)
            assert len(load(folder, limit=2)) == 2


def test_the_memory_that_patches_would_take_is_told_in_gib():
    config = ImagesConfig(size=256, patches=2**30)
    with pytest.raises(ValueError, match=r"photos: 1073741824 images of 256×256 px take 196608\.0 GiB"):
        load_images("photos", config)
