"""`explain_modes` of arrays, of a data set, of a file and of a run; what it refuses."""

import dataclasses
import io
import json

import numpy as np
import pyarrow as pa
import pytest
import torch
from PIL import Image
from pyarrow import parquet

from eigenstep.images import ImagesConfig, load_images
from eigenstep.modes import ClosedForm, explain_modes, usual_reading, write_modes

SMALL = ImagesConfig(size=16, patches=150)


@pytest.fixture(scope="module")
def squares():
    """A bright square on a dark ground that moves from left to right: its place and size are all there is."""
    rng = np.random.default_rng(0)
    images = np.zeros((600, 1, 16, 16), dtype=np.uint8)
    places, sides = rng.integers(0, 10, size=600), rng.integers(2, 7, size=600)
    for image, place, side in zip(images, places, sides, strict=True):
        image[0, 5 : 5 + side, place : place + side] = 200
    return images, places + sides / 2, sides


def test_embeddings_of_drawn_images_are_named_by_what_was_drawn(squares):
    images, places, sides = squares
    rng = np.random.default_rng(1)
    embeddings = np.column_stack([5 * places, 2 * sides**2, rng.normal(size=600)]) @ rng.normal(size=(3, 3))
    found = explain_modes(torch.from_numpy(embeddings), images=torch.from_numpy(images))
    words = {name for each in found.modes[:2] for name in each.statistics}
    assert words & {"horizontal place", "left-right brightness"}
    assert found.known["brightness"] is not None
    assert found.kind == "arrays"
    assert found.images == 200


def test_the_ends_of_a_gallery_are_the_ends_of_the_mode(squares):
    images, places, _ = squares
    found = explain_modes(places[:, None], images=images)
    gallery = found.galleries[0]
    centres = [np.argmax(found.pictured[row, 0].sum(axis=0)) for row in (*gallery.low, *gallery.high)]
    low, high = centres[: len(gallery.low)], centres[len(gallery.low) :]
    assert max(low) < min(high) or min(low) > max(high)
    looks = gallery.looks_at[0].sum(axis=0)
    left, right = looks[:5].sum(), looks[-5:].sum()
    assert np.sign(left) != np.sign(right)


def test_labels_of_arrays_have_a_worth(squares):
    images, places, sides = squares
    found = explain_modes(np.column_stack([places, sides]), images=images, labels=sides)
    # Of five classes in a row a line holds at most a quarter of the variance.
    assert 0.15 < sum(found.worth.alignments) <= 0.25
    assert "label: 3" in found.statistics
    assert "labels" in found.shares


@pytest.mark.slow
def test_a_data_set_is_explained_in_closed_form_and_the_same_twice():
    first, second = (
        explain_modes("photos", read=SMALL, closed_form=ClosedForm(components=8, n_views=2)) for _ in range(2)
    )
    assert first.to_dict() == second.to_dict()
    assert first.kind == "data"
    assert "another random network" in first.again_by
    assert first.shares["all statistics"][0] > 0.7
    assert json.loads(json.dumps(first.to_dict(), allow_nan=False))["images"] == 50
    other = explain_modes("photos", read=SMALL, closed_form=ClosedForm(components=8, n_views=2), seed=1)
    assert other.to_dict() != first.to_dict()


@pytest.mark.parametrize("kernel", ["rbf", "linear", "patches"])
@pytest.mark.slow
def test_other_kernels_and_orders_have_modes_too(kernel):
    form = ClosedForm(kernel, components=6, n_views=2, order="invariance")
    found = explain_modes("photos", read=SMALL, closed_form=form)
    assert len(found.strengths) == 6
    assert all(0 < rho < 0.999 for rho in found.strengths)  # not of as many directions as views
    few = explain_modes("photos", read=SMALL, closed_form=dataclasses.replace(form, components=64))
    assert 6 < len(few.strengths) <= 12  # a quarter of the 50 images that they are learned from
    assert ("no random network" in " ".join(found.notes)) == (kernel != "patches")


@pytest.mark.slow
@pytest.mark.parametrize(("channels", "dtype"), [(1, np.uint8), (5, np.uint16), (2, np.float32)])
def test_images_of_any_channels_and_depth_have_the_statistics_that_exist_for_them(tmp_path, channels, dtype):
    rng = np.random.default_rng(0)
    top = {np.uint8: 255, np.uint16: 65535, np.float32: 1}[dtype]
    images = rng.random((300, 16, 16, channels)) * rng.random((300, 1, 1, 1)) * top
    np.save(tmp_path / "images.npy", images.astype(dtype))
    read = ImagesConfig(size=16, layout="NHWC", range=(0, 1) if dtype == np.float32 else None)
    form = ClosedForm(components=4, n_views=2)
    found = explain_modes(str(tmp_path / "images.npy"), read=read, closed_form=form)
    assert found.pictured.shape == (100, channels, 16, 16)
    assert "chroma" in found.left_out
    assert ("mean of channel 2" in found.statistics) == (channels > 1)
    assert found.shares["all statistics"][0] > 0.5
    write_modes(found, tmp_path / "out")


def test_a_files_rows_are_of_the_images_beside_it(tmp_path):
    images = load_images("photos", SMALL).images
    brightness = images.double().mean(dim=(1, 2, 3)).numpy()
    np.savez(tmp_path / "rows.npz", embedding=np.column_stack([brightness, np.arange(150) % 7]))
    found = explain_modes(tmp_path / "rows.npz", images="photos", read=SMALL)
    assert found.modes[0].statistics == ("brightness",)
    assert found.kind == "file"
    np.savez(tmp_path / "less.npz", embedding=np.ones((149, 2)))
    with pytest.raises(ValueError, match="149"):
        explain_modes(tmp_path / "less.npz", images="photos", read=SMALL)


def test_the_users_own_columns_are_statistics_too(tmp_path):
    rng = np.random.default_rng(0)
    age = rng.normal(size=150)
    np.save(tmp_path / "rows.npy", np.column_stack([10 * age, rng.normal(size=150)]))
    lines = ["name,age", *(f"image{row},{value:.6f}" for row, value in enumerate(age))]
    (tmp_path / "patients.csv").write_text("\n".join(lines) + "\n")
    found = explain_modes(tmp_path / "rows.npy", images="photos", read=SMALL, table=tmp_path / "patients.csv")
    assert found.modes[0].statistics == ("age",)
    (tmp_path / "patients.csv").write_text("\n".join(lines[:-1]) + "\n")
    with pytest.raises(ValueError, match="a row for each of the 150 images, got 149"):
        explain_modes(tmp_path / "rows.npy", images="photos", read=SMALL, table=tmp_path / "patients.csv")


def test_what_is_written_stands_alone(tmp_path, squares):
    images, places, sides = squares
    found = explain_modes(np.column_stack([places, sides]), images=images, labels=sides)
    kept, page = write_modes(found, tmp_path / "new" / "folder")
    told = json.loads(kept.read_text())
    assert [each["name"] for each in told["modes"]] == [each.name for each in found.modes]
    text = page.read_text()
    assert "http" not in text.replace("http-equiv", "")
    assert text.count("<article") == 2
    for each in found.modes:
        assert each.name in text
    assert found.worth.sentence.capitalize() in text


def refused(**options):
    rng = np.random.default_rng(0)
    rows = options.pop("rows", rng.normal(size=(120, 3)))
    images = options.pop("images", rng.integers(256, size=(120, 1, 8, 8), dtype=np.uint8))
    with pytest.raises(ValueError) as told:
        explain_modes(rows, images=images, **options)
    assert "\n" not in str(told.value)
    return str(told.value)


def test_bad_input_is_told_in_one_line():
    rng = np.random.default_rng(0)
    few = rng.integers(256, size=(90, 1, 8, 8), dtype=np.uint8)
    assert "at least 96 images" in refused(rows=np.ones((90, 2)), images=few)
    assert "same n" in refused(rows=np.ones((90, 2)))
    assert "images that differ" in refused(images=np.ones((120, 1, 8, 8), dtype=np.uint8))
    assert "two classes" in refused(labels=np.zeros(120, dtype=int))
    assert "several classes in either half of the 40" in refused(labels=np.arange(120) // 119)
    assert "an integer for each" in refused(labels=np.arange(100) % 3)
    assert "NaN or infinity" in refused(rows=np.full((120, 2), np.nan))
    assert "all are the same" in refused(rows=np.ones((120, 2)))


def test_a_file_of_embeddings_without_its_images_is_told_what_is_missing(tmp_path):
    np.savez(tmp_path / "rows.npz", embedding=np.random.default_rng(0).normal(size=(120, 8)))
    with pytest.raises(ValueError, match="name the images that its rows are of with --data DATA"):
        explain_modes(tmp_path / "rows.npz")
    with pytest.raises(FileNotFoundError, match="there is no file of embeddings"):
        explain_modes(tmp_path / "gone.npz", images="photos")


def test_rows_of_one_split_are_not_taken_for_those_of_another(tmp_path):
    told = json.dumps({"data": "photos", "split": "train"})
    np.savez(tmp_path / "rows.npz", embedding=np.ones((150, 2)), index=np.arange(150), description=told)
    assert usual_reading(tmp_path / "rows.npz").split == "train"
    with pytest.raises(ValueError, match="expected train, which the rows"):
        explain_modes(tmp_path / "rows.npz", read=dataclasses.replace(SMALL, split="test"))


def test_images_for_a_data_set_are_refused():
    with pytest.raises(ValueError, match="--data names the images"):
        explain_modes("photos", images="photos", read=SMALL)
    with pytest.raises(ValueError, match="no labels"):
        explain_modes("photos", labels=True, read=SMALL)


def test_what_could_not_be_decoded_is_counted_in_words_that_fit(tmp_path):
    rng = np.random.default_rng(0)
    for number in range(120):
        Image.fromarray(rng.integers(256, size=(8, 8, 3), dtype=np.uint8)).save(tmp_path / f"{number}.png")
    read, form = ImagesConfig(size=8), ClosedForm("linear", components=3, n_views=2)
    for broken, words in ((["1.png"], "1 image,"), (["1.png", "2.png"], "2 images,")):
        for name in broken:
            (tmp_path / name).write_bytes(b"no picture")
        notes = explain_modes(str(tmp_path), read=read, closed_form=form).notes
        (note,) = [each for each in notes if each.startswith("could not decode ")]
        assert note.startswith(f"could not decode {words} left out: ")
        assert all(name in note for name in broken)


@pytest.mark.slow
def test_labels_of_some_images_only_are_left_alone_and_that_is_told(tmp_path):
    rng = np.random.default_rng(0)
    images = rng.integers(256, size=(120, 8, 8, 3), dtype=np.uint8)
    labels = [None if place % 3 == 0 else place % 2 for place in range(120)]
    content = []
    for image in images:
        file = io.BytesIO()
        Image.fromarray(image).save(file, "PNG")
        content.append({"bytes": file.getvalue(), "path": None})
    parquet.write_table(pa.table({"image": content, "label": labels}), tmp_path / "some.parquet")
    options = {"read": ImagesConfig(size=8), "closed_form": ClosedForm("linear", components=3, n_views=2)}
    found = explain_modes(str(tmp_path / "some.parquet"), **options)
    assert found.worth is None
    assert "40 have none" in " ".join(found.notes)
    with pytest.raises(ValueError, match="of each of the 120 images, 40 have none"):
        explain_modes(str(tmp_path / "some.parquet"), labels=True, **options)
