"""Files of images that were cut short or changed somewhere: what is lost is told or refused, never silent."""

import bz2
import gzip
import io
import json
import lzma
import os
import re
import tarfile
import tracemalloc
import zipfile
from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
import torch
from PIL import Image

from eigenstep.images import ImagesConfig, find_source, load_images, open_in_order
from eigenstep.training import load_config

COUNT = 12
# Places where a file is cut, and changed; all take minutes.
CUTS, FLIPS = (200, 200) if os.environ.get("EIGENSTEP_ALL_FAULTS") else (10, 20)
DESCRIBED = {"huggingface": json.dumps({"info": {"features": {"img": {"_type": "Image"}}}})}


def tar_of(images):
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for row, image in enumerate(images):
            # Every third has a name that takes blocks of its own.
            member = tarfile.TarInfo(f"{row:02d}{'é' * 60 if row % 3 == 0 else ''}.png")
            member.size = len(image)
            archive.addfile(member, io.BytesIO(image))
    return content.getvalue()


def zstd_of(content):
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(content)
    return sink.getvalue().to_pybytes()


def zip_of(images, compression=zipfile.ZIP_DEFLATED):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", compression) as archive:
        for row, image in enumerate(images):
            archive.writestr(f"{row:02d}.png", image)
    return content.getvalue()


def table_of(images):
    kind = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    rows = pa.array([{"bytes": image, "path": None} for image in images], kind)
    return pa.table({"img": rows}).replace_schema_metadata(DESCRIBED)


def parquet_of(images, checksums=True):
    content = io.BytesIO()
    parquet.write_table(table_of(images), content, row_group_size=4, write_page_checksum=checksums)
    return content.getvalue()


def arrow_of(images, new=pa.ipc.new_stream):
    table, sink = table_of(images), pa.BufferOutputStream()
    with new(sink, table.schema) as stream:
        stream.write_table(table, max_chunksize=4)
    return sink.getvalue().to_pybytes()


FILES = {
    "tar": ("a.tar", tar_of),
    "tar.gz": ("a.tar", lambda images: gzip.compress(tar_of(images), mtime=0)),
    "tar.bz2": ("a.tar", lambda images: bz2.compress(tar_of(images))),
    "tar.xz": ("a.tar", lambda images: lzma.compress(tar_of(images))),
    "tar.zst": ("a.tar", lambda images: zstd_of(tar_of(images))),
    "zip": ("a.zip", zip_of),
    "stored zip": ("a.zip", lambda images: zip_of(images, zipfile.ZIP_STORED)),
    "parquet": ("train.parquet", parquet_of),
    "parquet without checksums": ("train.parquet", lambda images: parquet_of(images, checksums=False)),
    "arrow stream": ("train.arrow", arrow_of),
    "arrow file": ("train.arrow", lambda images: arrow_of(images, pa.ipc.new_file)),
}


@pytest.fixture
def images(encoded):
    return [encoded(row) for row in range(COUNT)]


@pytest.fixture
def load(tmp_path):
    """`load("a.tar", content)`: what is read of a folder that holds this file."""

    def read(name, content, **options):
        (tmp_path / "data").mkdir(exist_ok=True)
        (tmp_path / "data" / name).write_bytes(content)
        return load_images(str(tmp_path / "data"), ImagesConfig(size=16, stream="never", **options))

    return read


def changed(content, cuts, flips):
    """The content cut short at places that are evenly spread, and with one byte changed at random places."""
    for place in np.linspace(0, len(content) - 1, cuts).astype(int).tolist():
        yield f"cut at {place}", content[:place]
    generator = np.random.default_rng(0)
    for place in generator.integers(len(content), size=flips).tolist():
        byte = content[place] ^ int(generator.integers(1, 256))
        yield f"byte {place} is {byte}", content[:place] + bytes([byte]) + content[place + 1 :]


def outcome(load, name, content, whole, **options):
    """What became of a changed file: the same images, fewer that are told, or a refusal that names it."""
    try:
        found = load(name, content, **options)
    except (ValueError, OSError) as error:
        names_it = re.fullmatch(rf".*\b{re.escape(name)}\b.*", str(error))
        return "refused" if names_it else f"refused without the file's name: {error}"
    places = [
        next((row for row in range(COUNT) if torch.equal(image, whole[row])), None) for image in found.images
    ]
    assert None not in places, "an image is none of those that were stored"
    assert places == sorted(set(places))
    if len(places) < COUNT:
        assert found.broken or found.damage, f"{COUNT - len(places)} images are gone in silence"
        return "told"
    return "same"


@pytest.mark.slow
@pytest.mark.parametrize("broken", [None, "pass"])
@pytest.mark.parametrize("kind", FILES)
def test_whatever_happens_to_a_file_its_images_are_the_same_or_what_is_missing_is_told(
    kind, broken, images, load, whole
):
    name, write = FILES[kind]
    content = write(images)
    undamaged = load(name, content)
    assert torch.equal(undamaged.images, whole)
    assert (undamaged.broken, undamaged.damage) == ([], [])
    outcomes = Counter()
    for what, damaged in changed(content, cuts=CUTS, flips=FLIPS):
        try:
            outcomes[outcome(load, name, damaged, whole, broken=broken)] += 1
        except Exception as error:
            error.add_note(what)
            raise
    assert outcomes.keys() <= {"same", "told", "refused"}
    assert outcomes["refused"] + outcomes["told"] > CUTS / 2


def blank(content, start, end, value=0):
    return content[:start] + bytes([value]) * (end - start) + content[end:]


def plain_tar(images):
    """An archive with a header of one block before every image, and its members."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for row, image in enumerate(images):
            member = tarfile.TarInfo(f"{row:02d}.png")
            member.size = len(image)
            archive.addfile(member, io.BytesIO(image))
    content.seek(0)
    return content.getvalue(), tarfile.open(fileobj=content).getmembers()


def rows_of(found, whole):
    return [next(row for row in range(COUNT) if torch.equal(image, whole[row])) for image in found.images]


@pytest.fixture
def whole(images):
    pixels = [np.asarray(Image.open(io.BytesIO(image))).transpose(2, 0, 1) for image in images]
    return torch.from_numpy(np.stack(pixels))


@pytest.mark.parametrize("value", [0, 255], ids=["empty", "garbage"])
@pytest.mark.parametrize("first", [0, 5, COUNT - 1])
def test_one_damaged_header_costs_one_image(first, value, images, load, whole):
    content, members = plain_tar(images)
    start = members[first].offset
    damaged = blank(content, start, start + 512, value)
    with pytest.raises(ValueError, match=r"a\.tar is damaged \(.* byte.*\); .* --images\.broken pass"):
        load("a.tar", damaged)
    found = load("a.tar", damaged, broken="pass")
    assert rows_of(found, whole) == [row for row in range(COUNT) if row != first]
    (told,) = found.damage
    assert re.search(rf"a\.tar \(.*byte.* {start:,}\b", told)


def test_a_place_that_is_empty_where_a_whole_image_was_is_told(images, load, whole):
    content, members = plain_tar(images)
    found = load("a.tar", blank(content, members[4].offset, members[5].offset), broken="pass")
    assert rows_of(found, whole) == [0, 1, 2, 3, *range(5, COUNT)]
    assert found.damage == [f"a.tar (bytes {members[4].offset:,} to {members[5].offset:,} hold no file)"]


def test_an_archive_without_its_end_is_refused_even_between_two_files(images, load, whole):
    content, members = plain_tar(images)
    for cut in (members[4].offset, members[-1].offset_data + -(-members[-1].size // 512) * 512):
        with pytest.raises(ValueError, match=rf"ends at byte {cut:,} without the mark of an archive's end"):
            load("a.tar", content[:cut])
        assert len(load("a.tar", content[:cut], broken="pass").damage) == 1
    one_empty_block = content[: cut + 512]  # of the two that a whole archive ends with
    assert rows_of(load("a.tar", one_empty_block), whole) == list(range(COUNT))


def test_an_end_that_was_never_written_is_no_padding(images, load, whole):
    content, members = plain_tar(images)
    never_written = blank(content, members[3].offset, len(content)) + bytes(10_240)
    with pytest.raises(ValueError, match=r"it is empty, for longer than an archive's end is"):
        load("a.tar", never_written)


def test_archives_that_were_joined_are_all_read_where_that_is_asked_for(images, load, whole):
    content = plain_tar(images[:5])[0] + plain_tar(images[5:])[0]
    with pytest.raises(ValueError, match="hold no file"):
        load("a.tar", content)
    assert rows_of(load("a.tar", content, broken="pass"), whole) == list(range(COUNT))


def test_a_zip_that_has_a_name_twice_is_refused(images, load):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("a.png", images[0])
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("a.png", images[1])
    with pytest.raises(ValueError, match=r"a\.zip is damaged \(it holds a\.png 2 times\)"):
        load("a.zip", content.getvalue())


def test_of_several_archives_the_damaged_one_is_left_out(images, load, whole):
    load("a.zip", zip_of(images[:5]))
    load("c.zip", zip_of(images[5:]))
    broken = zip_of(images)[:-30]
    with pytest.raises(ValueError, match=r"b\.zip is damaged"):
        load("b.zip", broken)
    found = load("b.zip", broken, broken="pass")
    assert rows_of(found, whole) == list(range(COUNT))
    assert [told.split(" (")[0] for told in found.damage] == ["b.zip"]
    assert found.passed_over.reasons["a damaged archive"].names == ["b.zip"]


@pytest.mark.parametrize("end", ["png", "jpg"])
def test_an_image_of_which_a_byte_was_changed_is_told_if_its_format_has_checksums(end, encoded, tmp_path):
    content = encoded(0, {"png": "png", "jpg": "jpeg"}[end])
    place = content.index(b"IDAT") + 100 if end == "png" else len(content) - 100
    (tmp_path / f"b.{end}").write_bytes(blank(content, place, place + 1, content[place] ^ 1))
    (tmp_path / f"a.{end}").write_bytes(content)
    found = load_images(str(tmp_path), ImagesConfig(size=16))
    told = ["b.png (its part b'IDAT' does not match its checksum)"]
    assert found.broken == (told if end == "png" else [])


def spoilt_parquet(images, path, groups):
    """A table of which the images of some row groups do not match their checksums; labels are the rows."""
    table = table_of(images).append_column("y", pa.array(range(COUNT)))
    table = table.replace_schema_metadata(None)
    parquet.write_table(
        table, path, row_group_size=4, write_page_checksum=True, compression="none", use_dictionary=False
    )
    content, described = bytearray(path.read_bytes()), parquet.read_metadata(path)
    for group in groups:
        column = described.row_group(group).column(0)
        content[column.data_page_offset + column.total_compressed_size // 2] ^= 1
    path.write_bytes(content)
    return path.parent


@pytest.mark.parametrize("stream", ["never", "always"])
def test_rows_that_a_damaged_table_has_lost_leave_the_others_their_labels(
    stream, images, tmp_path, open_images_of, whole
):
    (tmp_path / "data").mkdir()
    folder = spoilt_parquet(images, tmp_path / "data" / "train.parquet", [1])
    with pytest.raises(ValueError, match=r"train\.parquet is damaged \(4 of its 12 rows cannot be read\)"):
        next(open_images_of(folder, stream=stream, batch_size=12).batches(0))
    opened = open_images_of(folder, stream=stream, broken="pass")
    batches = opened.batches(0)
    for _ in range(7):
        batch = next(batches)
        assert [int(label) for label in batch.labels] == rows_of(batch, whole)
    facts = opened.facts()
    assert (facts["used"], facts["broken"], facts["damaged"]) == (8, 4, 1)
    assert facts["damaged_names"] == ["train.parquet (4 of its 12 rows cannot be read)"]


@pytest.fixture
def open_images_of(open_data):
    """`open_images_of(folder, stream="always")`: with labels, images of 16 pixels, batches of 4."""
    return lambda folder, stream, **options: open_data(
        "memory", folder, **({"size": 16, "stream": stream, "labels": True} | options)
    )


@pytest.mark.parametrize("processes", [1, 2])
def test_damage_is_counted_and_named_once_by_all_processes_and_runs_that_go_on(
    processes, images, tmp_path, open_images_of, whole
):
    content, members = plain_tar(images)
    (tmp_path / "data").mkdir()
    for name, first in (("a", 2), ("b", 7)):
        start = members[first].offset
        (tmp_path / "data" / f"{name}.tar").write_bytes(blank(content, start, start + 512, 9))

    def begin():
        return [
            open_images_of(
                tmp_path / "data",
                stream="always",
                labels=False,
                broken="pass",
                rank=rank,
                processes=processes,
            )
            for rank in range(processes)
        ]

    def go(parts, steps, start=0):
        for part in parts:
            batches = part.batches(start)
            for _ in range(steps):
                next(batches)
            batches.close()
        return parts[0].joint_facts([json.loads(json.dumps(part.facts())) for part in parts])

    facts = go(begin(), 9)
    assert (facts["used"], facts["damaged"]) == (20, 2)
    assert sorted(told.split(" ")[0] for told in facts["damaged_names"]) == ["a.tar", "b.tar"]
    before, after = begin(), begin()
    go(before, 3)
    for part, resumed in zip(before, after, strict=True):
        resumed.restore(json.loads(json.dumps(part.state())))
    assert go(after, 6, start=3) == facts


def test_reading_in_order_tells_what_damaged_files_have_lost(images, tmp_path, whole):
    content, members = plain_tar(images)
    start = members[3].offset
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.tar").write_bytes(blank(content, start, start + 512, 9))
    found = open_in_order(str(tmp_path / "data"), ImagesConfig(size=16, broken="pass"))
    blocks = list(found.blocks)
    assert (found.count, sum(len(block.images) for block in blocks)) == (COUNT - 1, COUNT - 1)
    assert [told.split(" (")[0] for block in blocks for told in block.broken] == ["a.tar"]


def test_a_disk_that_fails_is_damage_and_a_network_that_fails_is_not(
    images, tmp_path, as_on_hub, monkeypatch
):
    class Failing(io.BytesIO):
        def read(self, *size):
            if self.tell() > 4096:
                raise error
            return super().read(*size)

    content = plain_tar(images)[0]
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.tar").write_bytes(content)
    source = find_source(as_on_hub(tmp_path / "data"))
    source.splits()
    monkeypatch.setattr("datasets.utils.file_utils.xopen", lambda *_, **__: Failing(content))
    error = OSError(5, "Input/output error")
    with pytest.raises(ValueError, match=r"a\.tar is damaged .*Input/output error"):
        list(source.open(ImagesConfig(stream="always")).samples())
    error = ConnectionError("the host does not answer")
    with pytest.raises(ConnectionError):
        list(source.open(ImagesConfig(stream="always", broken="pass")).samples())


def test_an_archive_is_read_a_piece_at_a_time(tmp_path, encoded):
    large = tmp_path / "data" / "a.tar"
    large.parent.mkdir()
    with tarfile.open(large, "w") as archive:
        for row in range(20):
            member = tarfile.TarInfo(f"{row}.txt")
            member.size = 10**6
            archive.addfile(member, io.BytesIO(bytes(10**6)))
        member = tarfile.TarInfo("a.png")
        member.size = len(encoded(0))
        archive.addfile(member, io.BytesIO(encoded(0)))
    opened = find_source(str(large.parent)).open(ImagesConfig())
    next(opened.samples())  # modules are imported
    tracemalloc.start()
    samples = sum(1 for _ in opened.samples())
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (samples, opened.passed_over.count, most < 4 * 10**6) == (1, 20, True)


@pytest.mark.slow
@pytest.mark.parametrize("broken", [None, "pass"])
def test_a_table_that_is_read_in_order_is_not_read_past_damage(broken, images, tmp_path, open_data):
    (tmp_path / "data").mkdir()
    folder = spoilt_parquet(images, tmp_path / "data" / "train.parquet", [2])
    with pytest.raises(ValueError, match=r"hub-data: shard 0 is damaged .*CRC.*; mend it"):
        take_all(open_data("hub", folder, size=16, broken=broken))


def take_all(opened):
    batches = opened.batches(0)
    for _ in range(5):
        next(batches)


@pytest.mark.parametrize(("old", "new"), [("skip", None), ("refuse", "refuse")])
def test_configurations_of_older_runs_are_read(old, new, tmp_path):
    (tmp_path / "config.yaml").write_text(f"images:\n  on_broken: {old}\n")
    assert load_config(tmp_path / "config.yaml").images == ImagesConfig(broken=new)
