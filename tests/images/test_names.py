"""Which files of a folder are images: whatever they and their folders are called, and wherever links lead."""

import io
import os

import numpy as np
import pytest
from PIL import Image

from eigenstep.images import ImagesConfig, find_source, load_images

ODD = [
    "a [b] (c).png", "a::b.png", "50%20off*.png", "#1?.png", "two\nlines.png", " .png", "ü/ß ∂.PNG",
    "a&b;$c'd\".png", "-rf.png", "train.png", "test/val.png", "__init__/__x__.png", "deep/er/st.png",
    "back\\slash.png",
    "zip:/a.png", "http:/b.png", "~/c.png", "_.png", "a.b.c.png", "CON.png",
]  # fmt: skip


def names(data, **options):
    opened = find_source(str(data)).open(ImagesConfig(**options))
    return [sample.name for sample in opened.samples()]


def passed(data, **options):
    """The names of what is passed over, by reason."""
    reasons = find_source(str(data)).open(ImagesConfig(**options)).passed_over.reasons
    return {reason: found.names for reason, found in reasons.items()}


@pytest.fixture
def place(tmp_path, png):
    """`place("a/b.png", "c.png")`: a folder of images that tell their place in this list."""

    def write(*paths, root="data"):
        for row, path in enumerate(paths):
            target = tmp_path / root / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(png(row))
        return tmp_path / root

    return write


def test_paths_may_hold_any_character(place, rows_of):
    found = load_images(str(place(*ODD)), ImagesConfig(size=4))
    assert sorted(rows_of(found.images)) == list(range(len(ODD)))
    assert found.broken == []


def test_names_that_are_no_text_are_read_and_can_be_printed(place, png):
    folder = place("a.png")
    (folder / os.fsdecode(b"\xff\xfe.png")).write_bytes(png(1))
    (folder / os.fsdecode(b"\xff\xfe.txt")).write_bytes(b"text")
    (folder / "two\nlines.png").write_bytes(b"junk")
    found = load_images(str(folder), ImagesConfig(size=4))
    assert (len(found), found.broken) == (
        2,
        [r"two\nlines.png (its content is of no known format of images)"],
    )
    assert names(folder) == ["a.png", r"two\nlines.png", r"\xff\xfe.png"]
    assert passed(folder) == {"no image (.txt)": [r"\xff\xfe.txt"]}
    for each in names(folder):
        each.encode()


def test_images_come_in_the_order_of_their_paths(place):
    folder = place("b/1.png", "a.png", "b.png", "b/0.png", "a/9.png", "B.png")
    assert names(folder) == sorted(["b/1.png", "a.png", "b.png", "b/0.png", "a/9.png", "B.png"])


def test_what_is_hidden_is_passed_over_and_named(place):
    folder = place("a.png", ".b.png", ".git/c.png", "__MACOSX/d.png", "sub/._a.png", "sub/e.png")
    assert names(folder) == ["a.png", "sub/e.png"]
    assert passed(folder) == {"hidden": [".b.png", ".git", "__MACOSX", "sub/._a.png"]}


def test_a_link_to_a_file_or_to_another_folder_is_followed(place, tmp_path):
    folder, elsewhere = place("a.png"), place("0/b.png", "0/c.png", root="elsewhere")
    (folder / "link.png").symlink_to(elsewhere / "0" / "b.png")
    (folder / "linked").symlink_to(elsewhere)
    (tmp_path / "whole").symlink_to(folder)
    assert names(tmp_path / "whole") == ["a.png", "link.png", "linked/0/b.png", "linked/0/c.png"]
    assert passed(folder) == {}


@pytest.mark.timeout(60)
def test_a_folder_is_read_once_whatever_circles_lead_to_it(place):
    folder = place("b/c/a.png", "d/e.png")
    (folder / "a").symlink_to(folder / "b")
    (folder / "b" / "c" / "up").symlink_to(folder)
    (folder / "self").symlink_to(folder / "self")
    (folder / "gone.png").symlink_to(folder / "nowhere.png")
    assert names(folder) == ["b/c/a.png", "d/e.png"]
    assert passed(folder) == {
        "a link to a folder that is read already": ["a/", "b/c/up/"],
        "a link that leads nowhere": ["gone.png", "self"],
    }


@pytest.mark.timeout(60)
def test_what_is_no_file_is_not_opened(place):
    folder = place("a.png")
    os.mkfifo(folder / "pipe.png")
    os.mkfifo(folder / "pipe")
    assert names(folder) == ["a.png"]
    assert passed(folder) == {"no file": ["pipe", "pipe.png"]}


def test_a_folder_that_cannot_be_read_is_named(place, monkeypatch):
    folder, scan = place("a.png", "secret/b.png"), os.scandir

    def refuse(path):
        if str(path).endswith("secret"):
            raise PermissionError(13, "Permission denied", path)
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert names(folder) == ["a.png"]
    assert passed(folder) == {"a folder that cannot be read (Permission denied)": ["secret/"]}


def encoded_as(kind, **options):
    content = io.BytesIO()
    Image.fromarray(np.arange(192, dtype=np.uint8).reshape(8, 8, 3)).save(content, kind, **options)
    return content.getvalue()


def array(save):
    content = io.BytesIO()
    save(content, np.zeros((8, 8, 3), np.uint8))
    return content.getvalue()


CONTENTS = {
    "png": encoded_as("png"), "jpeg": encoded_as("jpeg"), "gif": encoded_as("gif"), "bmp": encoded_as("bmp"),
    "tiff": encoded_as("tiff"), "big tiff": encoded_as("tiff", big_tiff=True), "webp": encoded_as("webp"),
    "avif": encoded_as("avif"), "jpeg 2000": encoded_as("jpeg2000"), "ppm": encoded_as("ppm"),
    "ico": encoded_as("ico"), "dds": encoded_as("dds"), "qoi": encoded_as("qoi"), "sgi": encoded_as("sgi"),
    "heic": b"\0\0\0\x18ftypheic" + bytes(12), "dicom": bytes(128) + b"DICM", "psd": b"8BPS\0\1" + bytes(20),
    "npy": array(np.save), "npz": array(np.savez), "compressed npz": array(np.savez_compressed),
}  # fmt: skip


@pytest.mark.parametrize("kind", CONTENTS)
def test_images_are_known_by_their_content_where_their_names_do_not_tell(kind, tmp_path):
    for name in ("bare", "wrong.txt", "wrong.dat", "wrong.parquet", "wrong.tar.gz", "00123"):
        (tmp_path / name).write_bytes(CONTENTS[kind])
    assert names(tmp_path) == ["00123", "bare", "wrong.dat", "wrong.parquet", "wrong.tar.gz", "wrong.txt"]


FOREIGN = {
    "notes.txt": b"text", "README": b"read me", "list.csv": b"path,label\na.png,1\n", "BMW": b"BM is none",
    "annotations.json": b'{"images": []}', "model.pt": None, "report.pdf": b"%PDF-1.4", "page.svg": b"<svg/>",
    "labels.jsonl": b"{}\n", "empty": b"", "data.csv.gz": b"\x1f\x8bjunk", "P.md": b"P# a heading",
    "Thumbs.db": b"\xd0\xcf\x11\xe0", "clip.mp4": b"\0\0\0\x18ftypmp42" + bytes(12),
}  # fmt: skip


def test_foreign_files_beside_images_mean_nothing_and_are_named(place):
    import torch

    folder = place("a.png", "b.jpg")
    for name, content in FOREIGN.items():
        (folder / name).write_bytes(content or b"")
    torch.save({"weights": torch.zeros(3)}, folder / "model.pt")
    assert names(folder) == ["a.png", "b.jpg"]
    told = [name for found in passed(folder).values() for name in found]
    assert sorted(told) == sorted(FOREIGN)


def test_of_millions_of_images_none_is_opened_to_list_them(place, monkeypatch):
    import builtins

    folder, opened, whole = place(*(f"{row}.jpg" for row in range(9)), "x.bin"), [], builtins.open
    monkeypatch.setattr(
        builtins, "open", lambda path, *rest, **kw: opened.append(path) or whole(path, *rest, **kw)
    )
    find_source(str(folder)).open(ImagesConfig())
    assert [os.path.basename(path) for path in opened] == ["x.bin"]


def test_reasons_are_counted_and_the_first_of_each_named(place):
    folder = place("a.png")
    for row in range(45):
        (folder / f"{row:02d}.txt").write_text("")
    found = find_source(str(folder)).open(ImagesConfig()).passed_over
    assert (found.count, found.reasons["no image (.txt)"].count) == (45, 45)
    assert found.reasons["no image (.txt)"].names == [f"{row:02d}.txt" for row in range(20)]
    assert found.lines() == ["45 no image (.txt): 00.txt, 01.txt, 02.txt, ..."]
    for row in range(300):
        (folder / f"a.{row}x").write_text("")
    found = find_source(str(folder)).open(ImagesConfig()).passed_over
    assert (found.count, len(found.reasons)) == (345, 101)
