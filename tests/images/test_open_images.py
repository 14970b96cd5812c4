from pathlib import Path

import datasets
import numpy as np
import pyarrow.parquet as parquet
import pytest
import torch
from PIL import Image

from eigenstep.images import ImagesConfig, load_images, open_images

# What is opened: decoded at once, or while training in random access or in order.
IN_MEMORY, ROWS, IN_ORDER = "ImagesInMemory", "StreamedRows", "StreamedShards"
SHARED = Path(__file__).parents[3] / "shared" / "data"


def open_folder(folder, size=4, batch_size=4, labels=False, progress=None, processes=1, **options):
    return open_images(
        str(folder),
        ImagesConfig(size=size, **({"workers": 0} | options)),
        seed=0,
        batch_size=batch_size,
        device=torch.device("cpu"),
        processes=processes,
        labels=labels,
        progress=progress,
    )


def kind_of(images):
    return type(images).__name__


@pytest.fixture
def memory(monkeypatch):
    """`memory(bytes)`: as much is available."""

    def have(available):
        monkeypatch.setattr("eigenstep.images._memory.available_memory", lambda: available)

    return have


@pytest.mark.slow
def test_what_fits_is_in_memory_and_what_does_not_is_streamed(data_of, memory):
    folder = data_of("table", 10)
    need = 10 * 3 * 4 * 4
    for available, processes, kind in [
        (need / 0.79, 1, IN_MEMORY),
        (need / 0.81, 1, ROWS),
        (need / 0.79, 2, ROWS),
        (2 * need / 0.79, 2, IN_MEMORY),
    ]:
        memory(available)
        assert kind_of(open_folder(folder, processes=processes)) == kind
        assert kind_of(open_folder(folder, processes=processes, stream="always")) == ROWS
    memory(need / 0.81)
    with pytest.raises(ValueError, match=r"10 images of 4×4 px take .* use --images\.stream auto"):
        open_folder(folder, stream="never")


@pytest.mark.slow
def test_tars_are_read_in_order_unless_that_is_not_wished(data_of, rows_of):
    folder = data_of("tars", 10)
    assert kind_of(open_folder(folder)) == IN_ORDER
    assert kind_of(open_folder(folder, stream="always")) == IN_ORDER
    whole = open_folder(folder, stream="never", labels=True)
    assert kind_of(whole) == IN_MEMORY
    assert rows_of(whole.probe(10)) == list(range(10))
    batch = next(whole.batches(0))
    assert batch.labels.tolist() == [row % 3 for row in rows_of(batch.images)]
    assert rows_of(load_images(str(folder), ImagesConfig(size=4)).images) == list(range(10))


def test_photographs_are_in_memory_and_have_no_labels():
    images = open_folder("photos", size=16, patches=30, stream="always")
    assert torch.equal(images.probe(30), load_images("photos", ImagesConfig(size=16, patches=30)).images)
    with pytest.raises(ValueError, match="photos have no labels; set --data"):
        open_folder("photos", labels=True)


def test_reading_into_memory_tells_how_far_it_is(data_of):
    told = []
    open_folder(data_of("table", 10), progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (10, 10)


@pytest.mark.slow
def test_in_memory_broken_images_are_left_out_and_counted(data_of, open_data, take, rows_of):
    images = open_data("memory", data_of("table", 22, broken={1, 20}, label=lambda row: row), labels=True)
    assert images.count == 20
    assert images.facts() == {
        "used": 20,
        "broken": 2,
        "broken_names": [
            "image 1 (its content is of no known format of images)",
            "image 20 (its content is of no known format of images)",
        ],
        "enlarged": 0,
        "with_gaps": 0,
        "damaged": 0,
        "damaged_names": [],
        "found": 22,
        "passed_over": {},
        "passed_over_names": [],
        "channels": 3,
        "dtype": "uint8",
        "range": None,
        "notes": [],
    }
    assert images.joint_facts([images.facts()] * 3) == images.facts()
    assert sorted(rows_of(take(images, 5).flatten(0, 1))) == sorted(set(range(22)) - {1, 20})
    batch = next(images.batches(3))
    assert batch.labels.tolist() == rows_of(batch.images)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["memory", "table", "hub"])
def test_a_column_of_labels_that_cannot_be_read_does_not_matter(kind, data_of, open_data, take, spoil):
    good = take(open_data(kind, data_of("table", 22)), 7)
    folder = spoil(data_of("table", 22, name="spoilt"), "y")
    with pytest.raises(datasets.exceptions.DatasetGenerationError):
        datasets.load_dataset(str(folder))
    assert torch.equal(take(open_data(kind, folder), 7), good)
    with pytest.raises((ValueError, OSError)):
        take(open_data(kind, folder, labels=True), 7)


def test_labels_of_shards_that_cannot_be_read_do_not_matter(write_tars, png, open_data, take):
    def folder(name, label):
        samples = [(str(row), {"png": png(row)} | label) for row in range(9)]
        return write_tars({"train-0.tar": samples}, name)

    good = take(open_data("tars", folder("good", {"cls": b"1"})), 4)
    spoilt = folder("spoilt", {"json": b"{no json", "cls": b""})
    assert torch.equal(take(open_data("tars", spoilt), 4), good)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["memory", "table", "tars"])
def test_images_without_a_label_are_refused_where_labels_are_needed(kind, data_of, open_data):
    folder = data_of(kind, 12, label=lambda row: -1 if row % 5 == 0 else 1)
    with pytest.raises(ValueError, match="3 of 12 images have no label, and this loss needs them"):
        open_data(kind, folder, labels=True)
    open_data(kind, folder)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["memory", "table", "tars", "hub"])
def test_labels_may_be_text(kind, data_of, open_data, rows_of, write_parquet, png):
    names = ["dog", "ape", "cat"]
    if kind == "tars":
        folder = data_of(kind, 12, label=lambda row: names[row % 3])
    else:
        folder = write_parquet({"img": [{"bytes": png(row), "path": None} for row in range(12)]}, ["img"])
        path = next(folder.iterdir())
        table = parquet.read_table(path).replace_schema_metadata(None)
        parquet.write_table(table.append_column("kind", [[names[row % 3] for row in range(12)]]), path)
    images = open_data(kind, folder, labels=True)
    assert images.classes == 3
    batch = next(images.batches(1))
    assert batch.labels.tolist() == [(2, 0, 1)[row % 3] for row in rows_of(batch.images)]


@pytest.mark.slow
@pytest.mark.parametrize("stream", ["never", "always"])
def test_folders_of_images_are_streamed_as_they_are_read(tmp_path, stream, png, rows_of):
    for row in range(12):
        path = tmp_path / "pictures" / ("even" if row % 2 == 0 else "odd") / f"{row:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(row) if row != 4 else b"junk")
    images = open_folder(tmp_path / "pictures", stream=stream, labels=True, batch_size=11)
    batch = next(images.batches(0))
    assert batch.labels.tolist() == [row % 2 for row in rows_of(batch.images)]
    rest = images.batches(0)
    for _ in range(3):
        next(rest)
    assert images.facts()["broken_names"] in (
        ["even/04.png (its content is of no known format of images)"],
        [],
    )
    assert images.classes == 2


@pytest.mark.slow
@pytest.mark.parametrize(("name", "size"), [("cifar10", 32), ("imagenette96", 96)])
def test_real_data_sets_give_the_same_batches_streamed_as_from_memory(name, size, take):
    if not (SHARED / name).is_dir():
        pytest.skip(f"{name} is not there: expected its Parquet files in ../shared/data/{name}")
    options = {"size": size, "limit": 200, "batch_size": 64, "labels": True}
    streamed = open_folder(SHARED / name, stream="always", workers=2, **options)
    whole = open_folder(SHARED / name, stream="never", **options)
    assert torch.equal(take(streamed, 7, start=1), take(whole, 7, start=1))
    assert torch.equal(streamed.probe(9), whole.probe(9))
    reference = datasets.load_dataset(str(SHARED / name), split="train[:200]")
    rows = np.random.default_rng([0, 0, 0]).permutation(200)[:64]
    batch = next(streamed.batches(0))
    assert batch.labels.tolist() == [reference[int(row)]["label"] for row in rows]
    column = "img" if name == "cifar10" else "image"
    first = np.asarray(reference[int(rows[0])][column].convert("RGB"))
    assert np.array_equal(batch.images[0].permute(1, 2, 0).numpy(), first)
    streamed.close()


@pytest.mark.slow
def test_images_are_resized_alike_however_they_are_read(tmp_path, take, write_tars, noise):
    import io

    def picture(seed):
        content = io.BytesIO()
        Image.fromarray(noise(9 + seed, 14, 3, seed=seed)).save(content, "png")
        return content.getvalue()

    folder = tmp_path / "pictures"
    folder.mkdir()
    for seed in range(6):
        (folder / f"{seed}.png").write_bytes(picture(seed))
    tars = write_tars({"train.tar": [(str(seed), {"png": picture(seed)}) for seed in range(6)]})
    whole = open_folder(folder, size=11, stream="never").probe(6)
    assert torch.equal(open_folder(folder, size=11, stream="always").probe(6), whole)
    assert torch.equal(open_folder(tars, size=11).probe(6), whole)
