"""Rows of a table that name a file in place of holding an image."""

import json
import os

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
import torch

from eigenstep.images import ImagesConfig, load_images

DESCRIBED = {"huggingface": json.dumps({"info": {"features": {"img": {"_type": "Image"}}}})}


def write_arrow(table, path):
    with pa.ipc.new_stream(str(path), table.schema) as stream:
        stream.write_table(table)


def write_json(table, path):
    rows = [{"img": row["img"] | {"bytes": None}} for row in table.to_pylist()]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


WRITERS = {"parquet": parquet.write_table, "arrow": write_arrow, "jsonl": write_json}


@pytest.fixture
def folder(tmp_path, encoded, monkeypatch):
    """A data set's folder with images in it, one beside it, and links from here to there."""
    inside = tmp_path / "data" / "inside"
    inside.mkdir(parents=True)
    for seed, path in enumerate([inside / "a", inside / "b", tmp_path / "secret"]):
        path.write_bytes(encoded(seed))
    (tmp_path / "data" / "link").symlink_to(tmp_path / "secret")
    (tmp_path / "data" / "linked").symlink_to(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "data"


@pytest.fixture
def write(folder):
    """`write("arrow", "inside/a", "b")`: a table of these paths, in the folder; gives what names it."""

    def table_of(kind, *paths, content=None):
        rows = [{"bytes": content, "path": path} for path in paths]
        rows = pa.array(rows, pa.struct({"bytes": pa.binary(), "path": pa.string()}))
        WRITERS[kind](pa.table({"img": rows}).replace_schema_metadata(DESCRIBED), folder / f"train.{kind}")
        return folder / "train.jsonl" if kind == "jsonl" else folder

    return table_of


def load(folder, **options):
    return load_images(str(folder), ImagesConfig(size=16, **options))


OUTSIDE = ["{}/secret", "../secret", "inside/../../secret", "link", "linked/secret", "/dev/zero", "a\0b"]


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize("path", OUTSIDE)
def test_a_file_outside_of_the_data_sets_folder_is_not_opened(kind, path, folder, write):
    data = write(kind, "inside/a", path.format(folder.parent))
    with pytest.raises(ValueError, match=r"data.*: image 1 names .* outside .* --images\.root") as refused:
        load(data)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize("prefix", ["", "{}/", "inside/../"], ids=["relative", "absolute", "there and back"])
def test_a_file_within_the_folder_is_read_wherever_the_process_stands(kind, prefix, folder, write, encoded):
    prefix = prefix.format(folder)
    found = load(write(kind, f"{prefix}inside/b", f"{prefix}inside/a"))
    assert (len(found), found.broken) == (2, [])
    assert not torch.equal(found.images[0], found.images[1])


def test_another_folder_that_holds_the_files_can_be_named(folder, write):
    write("parquet", "secret", str(folder.parent / "secret"), "data/inside/a")
    with pytest.raises(ValueError, match="outside"):
        load(folder.parent, root=str(folder / "inside"))
    found = load(folder, root=str(folder.parent))
    assert (len(found), found.broken) == (3, [])


@pytest.mark.parametrize("stream", ["never", "always"])
def test_streamed_rows_are_refused_too(stream, folder, write, open_data, take):
    write("parquet", *["inside/a"] * 7, "../secret")
    kind = "table" if stream == "always" else "memory"
    with pytest.raises(ValueError, match=r"image 7 names .* outside"):
        take(open_data(kind, folder, size=16, workers=1), 2)


@pytest.mark.parametrize("path", ["{}/secret", "inside/a", "zip://a.png::{}/secret"])
def test_a_table_from_the_hub_names_no_file_of_this_machine(path, folder, write, open_data):
    write("parquet", *[path.format(folder.parent)] * 8)
    with pytest.raises(ValueError, match=r"image 0 of shard 0 names .*, a file of this machine"):
        next(open_data("hub", folder, size=16).batches(0))


def test_an_image_of_no_bytes_is_broken_and_its_name_is_not_opened(folder, write, write_tars, encoded):
    write("parquet", "inside/a", content=b"")
    with pytest.raises(ValueError, match="none of its 1 images can be decoded"):
        load(folder)
    secret = folder.parent / "secret.png"
    secret.write_bytes(encoded(2))
    archive = write_tars({"a.tar": [("b", {"png": encoded(0)}), (str(secret.with_suffix("")), {"png": b""})]})
    assert len(load(archive).broken) == 1


@pytest.mark.timeout(60)
def test_what_never_ends_is_no_image(folder, write):
    os.mkfifo(folder / "inside" / "pipe")
    write("arrow", "inside/pipe", "inside/a")
    assert load(folder).broken == ["image 0 (inside/pipe) (it is not a file)"]


@pytest.mark.parametrize("name", ["../secret.png", "{}/secret.png"])
def test_a_list_in_a_folder_of_images_is_not_read_unless_it_is_named(name, tmp_path, encoded):
    (tmp_path / "data").mkdir()
    for path in ("secret.png", "data/a.png"):
        (tmp_path / path).write_bytes(encoded(0))
    listed = json.dumps({"file_name": name.format(tmp_path)})
    (tmp_path / "data" / "metadata.jsonl").write_text(listed)
    assert len(load(tmp_path / "data")) == 1
    with pytest.raises(ValueError, match="outside"):
        load(tmp_path / "data" / "metadata.jsonl")


def test_links_in_a_folder_of_images_are_the_users_own(tmp_path, encoded):
    (tmp_path / "data").mkdir()
    (tmp_path / "elsewhere.png").write_bytes(encoded(0))
    (tmp_path / "data" / "a.png").symlink_to(tmp_path / "elsewhere.png")
    (tmp_path / "linked").symlink_to(tmp_path / "data")
    assert len(load(tmp_path / "data")) == len(load(tmp_path / "linked")) == 1


def test_paths_may_be_written_as_windows_does_and_lead_out_as_little(folder, write):
    data = write("jsonl", "inside\\a", "inside/b", "inside\\gone", "..\\secret", "C:\\secret")
    found = load(data)
    assert len(found) == 2
    assert [broken.split(" (")[0] for broken in found.broken] == ["image 2", "image 3", "image 4"]
