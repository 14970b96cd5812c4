"""Zip and tar archives, folders of them, and mixtures with files: all images of them, the rest named."""

import gzip
import io
import json
import os
import tarfile
import zipfile

import numpy as np
import pyarrow as pa
import pytest

from eigenstep.images import ImagesConfig, find_source, load_images


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


@pytest.fixture
def zipped(folder, png):
    """`zipped("a.zip", "1.png", "b/2.png", first=3)`: an archive of images that tell their numbers."""

    def write(name, *members, first=0, **others):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(folder / name, "w") as archive:
            for row, member in enumerate(members, first):
                archive.writestr(member, png(row))
            for member, content in others.items():
                archive.writestr(member, content)
        return folder

    return write


@pytest.fixture
def tarred(folder, png):
    """`tarred("a.tar", "1.png", "b/2.png", first=3)`: the same as a tar archive."""

    def write(name, *members, first=0, mode="w", **others):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        contents = {member: png(row) for row, member in enumerate(members, first)} | others
        with tarfile.open(folder / name, mode) as archive:
            for member, content in contents.items():
                info = tarfile.TarInfo(member)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
        return folder

    return write


def rows(data, rows_of, **options):
    found = load_images(str(data), ImagesConfig(size=4, **options))
    assert found.broken == []
    return rows_of(found.images)


def names(data, **options):
    return [sample.name for sample in find_source(str(data)).open(ImagesConfig(**options)).samples()]


def passed(data, **options):
    opened = find_source(str(data)).open(ImagesConfig(**options))
    list(opened.samples())
    return {reason: found.names for reason, found in opened.passed_over.reasons.items()}


def test_zips_and_files_are_read_in_any_order(zipped, png, rows_of):
    data = zipped("a.zip", "1.png", "sub/2.png")
    zipped("deep/b [x]::y.zip", "3 %20.png", first=2)
    (data / "z.png").write_bytes(png(3))
    opened = find_source(str(data)).open(ImagesConfig())
    assert names(data) == ["a.zip/1.png", "a.zip/sub/2.png", "deep/b [x]::y.zip/3 %20.png", "z.png"]
    assert rows(data, rows_of) == [0, 1, 2, 3]
    assert [record.open().read() for record in opened.records([3, 0])] == [png(3), png(0)]
    assert rows(data / "a.zip", rows_of) == [0, 1]


def test_tars_zips_and_files_are_read_as_shards(zipped, tarred, png, rows_of):
    data = zipped("a.zip", "1.png", "2.png")
    tarred("b::c [1].tar", "3.png", "4 %20.png", first=2)
    (data / "z.png").write_bytes(png(4))
    (data / "notes.txt").write_text("text")
    opened = find_source(str(data)).open(ImagesConfig())
    assert sorted(rows(data, rows_of)) == [0, 1, 2, 3, 4]
    assert sorted(sample.name for sample in opened.shuffled(3, np.random.default_rng(0))) == sorted(
        names(data)
    )
    assert passed(data) == {"no image (.txt)": ["notes.txt"]}


def test_files_beside_tars_are_many_shards(tarred, png):
    data = tarred("a.tar", "1.png")
    for row in range(600):
        (data / f"{row:03d}.jpg").write_bytes(b"")
    assert len(find_source(str(data)).open(ImagesConfig()).shards) == 4
    assert len(names(data)) == 601


COMPRESSED = {
    ".tar": lambda content: content, ".tar.gz": gzip.compress, ".tgz": gzip.compress,
    ".tar.zst": lambda content: pa.compress(content, "zstd", asbytes=True),
    "": lambda content: content, ".backup": gzip.compress,
}  # fmt: skip


@pytest.mark.parametrize("suffix", COMPRESSED)
def test_tars_may_be_compressed_and_called_anything(suffix, tarred, rows_of):
    data = tarred("x.tar", "a/1.png", "b/2.png")
    (data / f"y{suffix}").write_bytes(COMPRESSED[suffix]((data / "x.tar").read_bytes()))
    (data / "x.tar").unlink(missing_ok=suffix == ".tar")
    target = data / f"y{suffix}"
    assert rows(target, rows_of) == rows(data, rows_of) == [0, 1]
    assert find_source(str(data)).labels(ImagesConfig()).names == ["a", "b"]


def test_files_in_archives_are_known_by_their_content_too(zipped, tarred, png):
    zipped("a.zip", "bare", "wrong.dat", text="text", **{"notes.txt": "text"})
    tarred("b.tar", "bare", "00123", "wrong.dat", text=b"text", **{"notes.txt": b"text"})
    data = zipped("c.zip", "x.png")
    assert names(data) == [
        "a.zip/bare", "a.zip/wrong.dat", "c.zip/x.png", "b.tar/bare", "b.tar/00123", "b.tar/wrong.dat",
    ]  # fmt: skip
    assert passed(data) == {
        "no image (without a suffix)": ["a.zip/text", "b.tar/text"],
        "no image (.txt)": ["a.zip/notes.txt", "b.tar/notes.txt"],
    }


def test_archives_within_archives_and_hidden_files_are_named(zipped, tarred):
    zipped("a.zip", "x.png", ".hidden.png", "__MACOSX/._x.png", **{"in.zip": b"PK\3\4", "in.tar.gz": b"junk"})
    data = tarred("b.tar", "./y.png", "._y.png", **{"in.tar": b"junk", "in": b"PK\3\4"})
    zipped("c.zip", **{"in": b"PK\3\4"})
    zipped("d.zip", ".hidden.png")
    assert names(data) == ["a.zip/x.png", "b.tar/y.png"]
    assert passed(data) == {
        "hidden": ["a.zip/.hidden.png", "a.zip/__MACOSX/._x.png", "d.zip/.hidden.png", "b.tar/._y.png"],
        "an archive within an archive": [
            "a.zip/in.zip", "a.zip/in.tar.gz", "c.zip/in", "b.tar/in.tar", "b.tar/in",
        ],
    }  # fmt: skip


def test_members_that_cannot_be_read_are_named_with_the_reason(zipped):
    data = zipped("a.zip", "plain.png", "secret.png", "odd.png")
    content = bytearray((data / "a.zip").read_bytes())
    for name, place, value in (("secret.png", 8, 1), ("odd.png", 10, 98)):
        header = content.rindex(name.encode()) - 46
        content[header + place] = value
    (data / "a.zip").write_bytes(content)
    assert names(data) == ["a.zip/plain.png"]
    assert passed(data) == {
        "encrypted in a zip archive": ["a.zip/secret.png"],
        "compressed in a zip archive by method 98, which is not read": ["a.zip/odd.png"],
    }


def test_an_archive_without_images_is_named(zipped, png):
    data = zipped("a.zip", "x.png")
    zipped("document.zip", **{"word/document.xml": "<xml/>"})
    assert passed(data) == {"an archive without images": ["document.zip"]}
    with pytest.raises(ValueError, match=r"holds no images: 1 an archive without images: document\.zip"):
        names(data / "document.zip")


def test_links_in_tars_are_named_and_sparse_files_read(folder, png, tmp_path):
    import subprocess

    source = tmp_path / "source"
    source.mkdir()
    (source / "a.png").write_bytes(png(1))
    os.link(source / "a.png", source / "b.png")
    (source / "c.png").symlink_to("a.png")
    sparse = source / "d.npy"
    np.save(sparse, np.zeros((8, 8, 3), np.uint8))
    os.truncate(sparse, 3 * 2**20)
    subprocess.run(["tar", "-S", "--sort=name", "-cf", folder / "x.tar", "-C", source, "."], check=True)
    found = list(find_source(str(folder)).open(ImagesConfig()).samples())
    assert [sample.name for sample in found] == ["x.tar/a.png", "x.tar/d.npy"]
    assert found[1].record.content == sparse.read_bytes()
    assert passed(folder) == {
        "a second name in a tar archive of a file that is there": ["x.tar/b.png"],
        "a link in a tar archive": ["x.tar/c.png"],
    }


def test_files_that_take_more_than_the_memory_are_named_and_never_unpacked(folder, zipped, png, tmp_path):
    import subprocess

    zipped("a.zip", "0.png")
    with zipfile.ZipFile(folder / "a.zip", "a") as archive:
        archive.writestr("bomb.png", png(1))
        archive.getinfo("bomb.png").file_size = 2**50
    broken = load_images(str(folder), ImagesConfig(size=4)).broken
    assert broken == [
        "a.zip/bomb.png (it takes 1048576.0 GiB unpacked, more than this machine has of memory)"
    ]
    (tmp_path / "0.png").write_bytes(png(2))
    (tmp_path / "bomb.png").touch()
    os.truncate(tmp_path / "bomb.png", 2**40)
    subprocess.run(["tar", "-S", "-cf", folder / "b.tar", "-C", tmp_path, "0.png", "bomb.png"], check=True)
    assert passed(folder) == {
        "it takes 1024.0 GiB unpacked, more than this machine has of memory": ["b.tar/bomb.png"]
    }


@pytest.mark.parametrize("kind", ["zip", "tar", "both", "files and tar", "two zips"])
def test_class_folders_in_archives_are_labels_and_archives_names_are_none(kind, zipped, tarred, folder, png):
    cats, dogs = ["images/cat/1.png", "images/cat/deep/2.png"], ["images/dog/3.png"]
    if kind == "zip":
        zipped("images.zip", *cats, *dogs)
    elif kind == "tar":
        tarred("images.tar", *cats, *dogs)
    elif kind == "two zips":
        zipped("cat.zip", *cats)
        zipped("b.zip", *dogs, first=2)
    elif kind == "both":
        zipped("a.zip", *cats)
        tarred("b.tar", *dogs, first=2)
    else:
        tarred("images/b.tar", "dog/3.png", first=2)
        for row, name in enumerate(cats):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(png(row))
    source = find_source(str(folder))
    labels = source.labels(ImagesConfig())
    found = dict(zip(names(folder), (labels.names[number] for number in labels.numbers), strict=True))
    assert len(found) == 3
    assert all(label == ("dog" if "dog" in name else "cat") for name, label in found.items())
    assert labels.names == ["cat", "dog"]


def test_samples_of_shards_come_with_the_labels_that_are_told_in_order(tarred, folder, png):
    tarred("a.tar", "x/1.png", "y/2.png")
    (folder / "x").mkdir()
    (folder / "x" / "0.png").write_bytes(png(5))
    source = find_source(str(folder))
    labels = source.labels(ImagesConfig())
    samples = list(source.open(ImagesConfig(), labels=True).samples())
    assert [labels.number(sample.label) for sample in samples] == labels.numbers.tolist() == [0, 0, 1]


def test_labels_in_files_go_before_folders(tarred):
    data = tarred("a.tar", "x/1.png", "y/2.png", **{"x/1.cls": b"7"})
    data = tarred("b.tar", **{"x/3.png": b"junk", "x/3.json": json.dumps({"label": 3.0}).encode()})
    assert find_source(str(data)).labels(ImagesConfig()).numbers.tolist() == [-1, -1, 3]


def test_a_dot_and_a_digit_end_no_samples_name(tarred):
    data = tarred("a.tar", "scan.001.png", "scan.002.png", "v1.5/3.5mm.png")
    assert names(data) == ["a.tar/scan.001.png", "a.tar/scan.002.png", "a.tar/v1.5/3.5mm.png"]
    data = tarred("b.tar", "s.0.png", "s.1.png", **{"s.cls": b"1"})
    assert names(data / "b.tar", column="1.png") == ["b.tar/s.1.png"]
    assert passed(data / "b.tar", column="1.png") == {
        "not what --images.column 1.png names": ["b.tar/s.0.png"], "no image (.cls)": ["b.tar/s.cls"],
    }  # fmt: skip


def test_splits_in_a_zip_are_splits(zipped):
    data = zipped("set.zip", "set/train/a/1.png", "set/train/b/2.png", "set/val/a/3.png")
    source = find_source(str(data / "set.zip"))
    assert source.splits() == ["train", "validation"]
    assert names(data, split="validation") == ["set.zip/val/a/3.png"]
    assert source.labels(ImagesConfig(split="validation")).names == ["a", "b"]
    zipped("set.zip", "1.png")
    (data / "set.zip").rename(data / "train.zip")
    zipped("val.zip", "2.png")
    assert (names(data), names(data, split="validation")) == (["train.zip/1.png"], ["val.zip/2.png"])


def test_a_zip_from_windows_has_folders(folder, png):
    with zipfile.ZipFile(folder / "a.zip", "w") as archive:
        for row, name in enumerate(["cat\\1.png", "dog\\2.png"]):
            info = zipfile.ZipInfo("x")
            info.filename, info.create_system = name, 0
            archive.writestr(info, png(row))
    assert find_source(str(folder)).labels(ImagesConfig()).names == ["cat", "dog"]
    opened = find_source(str(folder)).open(ImagesConfig())
    assert [record.open().read() for record in opened.records([0, 1])] == [png(0), png(1)]


@pytest.mark.parametrize("limit", [0, 1, 3, 4, 9])
def test_found_is_used_and_passed_over_whatever_the_limit(limit, zipped, png):
    data = zipped("a.zip", "1.png", "2.png", text="x")
    for name in ("b.png", "c.png", "d.txt"):
        (data / name).write_bytes(png(0) if name != "d.txt" else b"x")
    opened = find_source(str(data)).open(ImagesConfig(limit=limit))
    assert opened.count() == min(limit, 4)
    assert opened.count() + opened.passed_over.count == 6
    beyond = opened.passed_over.reasons.get(f"beyond --images.limit {limit}")
    assert (beyond.count if beyond else 0) == max(4 - limit, 0)


def test_what_is_passed_over_in_tars_is_counted_once_however_often_they_are_read(tarred):
    data = tarred("a.tar", "1.png", **{"2.txt": b"x", "3.cls": b"1"})
    opened = find_source(str(data)).open(ImagesConfig())
    for _ in range(3):
        list(opened.samples())
        assert opened.passed_over.count == 2


def test_archives_beside_tars_that_give_no_image_are_named(zipped, tarred):
    data = tarred("a.tar", "1.png")
    zipped("text.zip", **{"1.txt": "x"})
    zipped("secret.zip", "2.png")
    content = bytearray((data / "secret.zip").read_bytes())
    content[content.rindex(b"2.png") - 46 + 8] = 1
    (data / "secret.zip").write_bytes(content)
    (data / "cut.zip").write_bytes(b"PK\3\4 no more")
    tarred("empty.tar")
    (data / "packed.7z").write_bytes(b"7z\xbc\xaf\x27\x1c")
    assert names(data, broken="pass") == ["a.tar/1.png"]
    assert passed(data, broken="pass") == {
        "an archive without images": ["text.zip"],
        "encrypted in a zip archive": ["secret.zip/2.png"],
        "a damaged archive": ["cut.zip"],
        "an archive in which no files are found": ["empty.tar"],
        "packed in a way that is not read (.7z)": ["packed.7z"],
    }


def test_links_in_zips_are_named(zipped):
    data = zipped("a.zip", "1.png")
    link = zipfile.ZipInfo("2.png")
    link.create_system, link.external_attr = 3, 0o120777 << 16
    with zipfile.ZipFile(data / "a.zip", "a") as archive:
        archive.writestr(link, "1.png")
    assert names(data) == ["a.zip/1.png"]
    assert passed(data) == {"a link in a zip archive": ["a.zip/2.png"]}


def test_of_a_name_that_a_zip_has_twice_the_later_image_is_read_if_damage_is_passed(zipped, png):
    data = zipped("a.zip", "1.png", "2.png")
    with zipfile.ZipFile(data / "a.zip", "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("1.png", png(7))
    opened = find_source(str(data)).open(ImagesConfig(broken="pass"))
    contents = {sample.name: sample.record.open().read() for sample in opened.samples()}
    assert contents == {"a.zip/2.png": png(1), "a.zip/1.png": png(7)}
    assert passed(data, broken="pass") == {"written again later in its archive": ["a.zip/1.png"]}


def test_an_image_called_a_text_is_one_in_a_tar_and_a_text_that_begins_like_one_is_none(tarred, png):
    data = tarred("a.tar", **{"1.txt": png(0), "2.txt": b"P5 a caption", "3.cls": b"BM", "4.csv": png(1)})
    assert names(data) == ["a.tar/1.txt", "a.tar/4.csv"]
    assert sum(map(len, passed(data).values())) == 2


@pytest.mark.parametrize(
    ("limit", "unread"), [(1, ["a.tar", "b.tar"]), (2, ["b.tar"]), (3, ["b.tar"]), (4, [])]
)
def test_archives_that_have_more_than_the_limit_are_named(limit, unread, tarred):
    tarred("a.tar", "1.png", "2.png")
    data = tarred("b.tar", "3.png", "4.png")
    reason = f"read no further than --images.limit {limit}"
    assert len(names(data, limit=limit)) == limit
    assert passed(data, limit=limit) == ({reason: unread} if unread else {})
