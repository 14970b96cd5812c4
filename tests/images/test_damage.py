"""Files of images that were cut short or changed somewhere: what is lost is told or refused, never silent."""

import bz2
import gzip
import io
import json
import lzma
import tarfile
import zipfile
from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
import torch

from eigenstep.images import ImagesConfig, load_images

COUNT, CUTS, FLIPS = 12, 200, 200
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
        return "refused" if re.fullmatch(f".*({name}|data).*", str(error)) else f"badly refused: {error}"
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
    kind, broken, images, load, record_property
):
    name, write = FILES[kind]
    content = write(images)
    whole = load(name, content)
    assert (len(whole), whole.broken, whole.damage) == (COUNT, [], [])
    outcomes = Counter()
    for what, damaged in changed(content, cuts=CUTS, flips=FLIPS):
        try:
            outcomes[outcome(load, name, damaged, whole.images, broken=broken)] += 1
        except Exception as error:
            raise AssertionError(f"{kind}, {what}: {error}") from error
    record_property("outcomes", dict(outcomes))
    print(kind, broken, dict(outcomes))
    assert outcomes.keys() <= {"same", "told", "refused"}
    assert outcomes["refused"] + outcomes["told"] > CUTS / 2
