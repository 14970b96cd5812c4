"""What is in a data set, told without decoding an image; and files that hold several images."""

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from eigenstep.images import BytesImage, ImagesConfig, find_source, open_in_order, take_inventory


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


@pytest.fixture
def stacks(folder, monkeypatch):
    """A folder of arrays of 3, 0 and 1 images and an image, each file with what it holds."""

    def images_in(record, config):
        stack = np.load(record.open())
        return list(stack)

    for module in ("sources._files", "decoding._contents"):
        monkeypatch.setattr(f"eigenstep.images.{module}.images_in", images_in)
    for name, count in (("a/3.npy", 3), ("b/0.npy", 0), ("b/1.npy", 1)):
        (folder / name).parent.mkdir(exist_ok=True)
        np.save(folder / name, np.full((count, 4, 4, 3), count, np.uint8))
    return folder


def test_images_are_counted_by_split_and_class_and_none_is_decoded(folder, png, monkeypatch):
    monkeypatch.setattr(
        "eigenstep.images.stored._decode.decode_squares", lambda *_: pytest.fail("an image was decoded")
    )
    for row, name in enumerate(["train/a/1", "train/a/2", "train/b/3", "test/a/4", "test/b/5"]):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.png").write_bytes(png(row) if row else b"junk")
    (folder / "notes.txt").write_text("")
    found = take_inventory(str(folder))
    assert {split.name: (split.count, split.classes) for split in found.splits} == {
        "train": (3, {"a": 2, "b": 1}),
        "test": (2, {"a": 1, "b": 1}),
    }
    assert found.passed_over.lines() == ["1 no image (.txt): notes.txt"]
    assert len(found.notes) == 1
    names = [sample.name for split in found.splits for sample in split.images.samples()]
    assert names[0] == "train/a/1.png"


@pytest.mark.parametrize("kind", ["tars", "tables", "zips"])
def test_what_is_passed_over_in_all_splits_is_counted_once(kind, folder, png, write_tars):
    import zipfile

    for split in ("train", "test"):
        if kind == "tars":
            samples = [("1", {"png": png(0), "cls": b"1"}), ("2", {"txt": b""})]
            write_tars({f"{split}-0.tar": samples}, "data")
        elif kind == "tables":
            rows = {"i": [png(0), png(1)], "y": [1, None]}
            parquet.write_table(pa.table(rows), folder / f"{split}.parquet")
        else:
            with zipfile.ZipFile(folder / f"{split}.zip", "w") as archive:
                archive.writestr("a/1.png", png(0))
                archive.writestr("a/1.txt", "")
    (folder / "notes.txt").write_text("")
    found = take_inventory(str(folder), ImagesConfig(limit=None if kind == "tars" else 1))
    own = {"tars": 2 * 2, "tables": 2, "zips": 2}[kind]
    assert found.passed_over.count == 1 + own
    assert [split.count for split in found.splits] == [1, 1]
    classes = {"tars": {"1": 1}, "tables": {"1": 1, "unlabelled": 1}, "zips": {}}[kind]
    assert [split.classes for split in found.splits] == [classes] * 2


def test_damaged_files_are_told_unless_they_are_refused(folder, png):
    (folder / "a.png").write_bytes(png(0))
    (folder / "b.zip").write_bytes(b"PK\3\4 no more")
    assert [told.split(" (")[0] for told in take_inventory(str(folder)).damage] == ["b.zip"]
    with pytest.raises(ValueError, match=r"b\.zip is damaged"):
        take_inventory(str(folder), ImagesConfig(broken="refuse"))


def test_every_image_of_a_file_is_a_row(stacks):
    source = find_source(str(stacks))
    opened = source.open(ImagesConfig())
    assert [sample.name for sample in opened.samples()] == [
        "a/3.npy[0]",
        "a/3.npy[1]",
        "a/3.npy[2]",
        "b/1.npy",
    ]
    assert [int(record.mean()) for record in opened.records([3, 0])] == [1, 3]
    assert source.labels(ImagesConfig()).numbers.tolist() == [0, 0, 0, 1]
    assert opened.passed_over.reasons["an array that holds no images"].names == ["b/0.npy"]


@pytest.mark.parametrize(("limit", "beyond"), [(2, 3), (3, 2), (4, 0)])
def test_a_limit_may_end_within_a_file(stacks, limit, beyond):
    opened = find_source(str(stacks)).open(ImagesConfig(limit=limit))
    assert opened.count() == limit
    passed = opened.passed_over.reasons.get(f"beyond --images.limit {limit}")
    assert (passed.count if passed else 0) == beyond


def test_a_file_that_cannot_be_read_is_left_to_its_decoder(stacks):
    (stacks / "b" / "2.npy").write_bytes(b"junk")
    opened = find_source(str(stacks)).open(ImagesConfig())
    assert opened.count() == 5
    assert opened.name(4, None) == "b/2.npy"


def test_every_image_of_a_file_in_an_archive_is_a_sample(stacks, write_tars, tmp_path):
    content = io.BytesIO()
    np.save(content, np.zeros((2, 4, 4, 3), np.uint8))
    shard = write_tars({"a.tar": [("x", {"npy": content.getvalue(), "cls": b"3"})]})
    source = find_source(str(shard))
    samples = list(source.open(ImagesConfig(), labels=True).samples())
    assert [(sample.name, sample.label) for sample in samples] == [
        ("a.tar/x.npy[0]", 3),
        ("a.tar/x.npy[1]", 3),
    ]
    assert source.labels(ImagesConfig()).numbers.tolist() == [3, 3]
    assert source.count(ImagesConfig()) == 2


def test_files_that_hold_one_image_are_not_opened(folder, png, monkeypatch):
    monkeypatch.setattr(
        "eigenstep.images.sources._files.images_in", lambda *_: pytest.fail("a file was opened")
    )
    for name in ("a.png", "b.tif"):
        (folder / name).write_bytes(png(0))
    assert find_source(str(folder)).open(ImagesConfig()).count() == 2


def test_pages_are_asked_for_where_they_are_images(folder, png, monkeypatch):
    asked = []
    monkeypatch.setattr(
        "eigenstep.images.sources._files.images_in", lambda record, _: asked.append(record) or [record] * 2
    )
    for name in ("a.png", "b.tif"):
        (folder / name).write_bytes(png(0))
    assert find_source(str(folder)).open(ImagesConfig(pages="images")).count() == 3
    assert [record.path for record in asked] == [str(folder / "b.tif")]


@pytest.mark.parametrize("name", ["a.zip", "b.tar", "c.parquet", "d.csv", "e.png", "f"])
def test_a_single_file_is_data_and_its_images_have_names(name, folder, png, write_tars):
    import zipfile

    with zipfile.ZipFile(folder / "a.zip", "w") as archive:
        archive.writestr("x.png", png(0))
    write_tars({"b.tar": [("x", {"png": png(0)})]}, "data")
    parquet.write_table(pa.table({"i": [png(0)]}), folder / "c.parquet")
    (folder / "d.csv").write_text("image,y\nx.png,1\n")
    for path in ("e.png", "f", "x.png"):
        (folder / path).write_bytes(png(0))
    found = open_in_order(str(folder / name), ImagesConfig(size=4))
    (block,) = found.blocks
    assert (found.count, len(block.images), block.broken) == (1, 1, [])
    (sample,) = find_source(str(folder / name)).open(ImagesConfig()).samples()
    assert isinstance(sample.record, BytesImage) == (name in ("b.tar", "c.parquet"))
    assert sample.name == {"a.zip": "a.zip/x.png", "b.tar": "b.tar/x.png", "c.parquet": "image 0"}.get(
        name, "image 0 (x.png)" if name == "d.csv" else name
    )
