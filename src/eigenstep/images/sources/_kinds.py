"""What kind of file a file is: its suffix is a hint, its content decides."""

import bz2
import gzip
import io
import lzma
import os
import zlib
from typing import Literal

# An image or an array of pixels; an archive; a table; a list of paths, which is text.
Kind = Literal["image", "zip", "tar", "table", "list"]

# What decoders are asked about without a look: whether they can read it they say.
IMAGE_SUFFIXES = frozenset((
    ".apng", ".avif", ".avifs", ".bmp", ".btf", ".dcm", ".dds", ".dib", ".dicom", ".fit", ".fits",
    ".gif", ".heic", ".heif", ".hif", ".ico", ".icb", ".j2c", ".j2k", ".jfif", ".jp2", ".jpc", ".jpe",
    ".jpeg", ".jpf", ".jpg", ".jpx", ".jxl", ".mpo", ".npy", ".npz", ".pbm", ".pcx", ".pfm", ".pgm",
    ".png", ".pnm", ".ppm", ".psd", ".qoi", ".ras", ".rgb", ".rgba", ".sgi", ".tf8", ".tga", ".tif",
    ".tiff", ".vda", ".vst", ".webp", ".xbm", ".xpm",
))  # fmt: skip
TABLE_SUFFIXES = (".parquet", ".geoparquet", ".gpq", ".arrow", ".arrows", ".feather", ".ipc")
LIST_SUFFIXES = (".csv", ".tsv", ".json", ".jsonl", ".ndjson")
TAR_SUFFIXES = (
    ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tbz", ".tar.xz", ".txz", ".tar.zst", ".tzst",
)  # fmt: skip
ARCHIVE_SUFFIXES = (".zip", *TAR_SUFFIXES)
# What may hold images, and is not unpacked: their reason says so.
PACKED_SUFFIXES = frozenset((
    ".7z", ".arj", ".br", ".bz2", ".cab", ".cbr", ".gz", ".iso", ".lz", ".lz4", ".lzh", ".lzma", ".rar",
    ".xz", ".z", ".zst",
))  # fmt: skip
# Arrays and, if they are asked for, pages: files that may hold more than one image.
ARRAY_SUFFIXES, PAGED_SUFFIXES = (".npy", ".npz"), (".tif", ".tiff", ".btf", ".tf8")
# So much of a file tells its kind.
HEAD = 1024

_AT_START = (
    b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+",
    b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51", b"qoif", b"8BPS", b"\0\0\x01\0", b"DDS ", b"\x93NUMPY",
    b"SIMPLE  =", b"\x01\xda\0\x01", b"\x01\xda\x01\x01", b"\0\0\0\x0cJXL ", b"\xff\x0a", b"PF\n", b"Pf\n",
)  # fmt: skip
_BRANDS = (b"avif", b"avis", b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_BMP_HEADERS = (12, 40, 52, 56, 64, 108, 124)


def suffix(name: str) -> str:
    """The end of a file's name from its last dot on, in small letters; of no suffix, nothing."""
    dot = name.rfind(".")
    return name[dot:].lower() if dot > name.rfind("/") + 1 else ""


def is_hidden(name: str) -> bool:
    """Whether a file or folder of this name is nobody's data: hidden, or what macOS leaves in archives."""
    return (name.startswith(".") and name != "..") or name == "__MACOSX"


def plain_path(path: str) -> str:
    """An archive's path as most programs write it, without what says nothing.

    Examples
    --------
    >>> plain_path("./cat/1.png"), plain_path("/cat//1.png"), plain_path("../1.png")
    ('cat/1.png', 'cat/1.png', '../1.png')
    """
    return "/".join(part for part in path.split("/") if part not in ("", "."))


def kind_by_name(name: str) -> Kind | None:
    """What the suffix alone says.

    Examples
    --------
    >>> kind_by_name("a.PNG"), kind_by_name("a.tar.gz"), kind_by_name("a.txt")
    ('image', 'tar', None)
    """
    end = suffix(name)
    if end in IMAGE_SUFFIXES:
        return "image"
    name = name.lower()
    if end == ".zip":
        return "zip"
    if name.endswith(TAR_SUFFIXES):
        return "tar"
    if end in TABLE_SUFFIXES:
        return "table"
    return "list" if end in LIST_SUFFIXES else None


def kind_of(name: str, head: bytes) -> Kind | None:
    r"""What the beginning of the content says and, where that says nothing, the suffix.

    Parameters
    ----------
    head : bytes
        At least the first 1024, or all.

    Examples
    --------
    >>> kind_of("scan", b"II*\x00" + bytes(100)), kind_of("a.tar", b"junk"), kind_of("a.txt", b"text")
    ('image', 'tar', None)
    """
    if os.path.basename(name) == "DICOMDIR":  # which lists images, and looks like one
        return None
    found = _kind_of_content(head)
    if found == "zip" and suffix(name) not in ARCHIVE_SUFFIXES and _first_member(head).endswith(b".npy"):
        return "image"
    return found or kind_by_name(name)


def _kind_of_content(head: bytes) -> Kind | None:
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")):
        return "zip"
    if head.startswith((b"PAR1", b"ARROW1\0\0")):
        return "table"
    if _is_image(head):
        return "image"
    return "tar" if head[257:262] == b"ustar" or _start(head)[257:262] == b"ustar" else None


def _is_image(head: bytes) -> bool:
    if head.startswith(_AT_START) or head[128:132] == b"DICM":
        return True
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return True
    if head[4:8] == b"ftyp":
        return head[8:12] in _BRANDS
    if head[:2] == b"BM":
        return int.from_bytes(head[14:18], "little") in _BMP_HEADERS
    return head[:1] == b"P" and head[1:2] in b"1234567" and head[2:3].isspace()


def _first_member(head: bytes) -> bytes:
    return head[30 : 30 + int.from_bytes(head[26:28], "little")]


def _start(head: bytes) -> bytes:
    """The first bytes of what is compressed; nothing of what is not."""
    try:
        if head.startswith(b"\x1f\x8b"):
            return zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(head, HEAD)
        if head.startswith(b"BZh"):
            return bz2.BZ2Decompressor().decompress(head, HEAD)
        if head.startswith(b"\xfd7zXZ\0"):
            return lzma.LZMADecompressor().decompress(head, HEAD)
        if head.startswith(b"\x28\xb5\x2f\xfd"):
            import pyarrow

            with pyarrow.CompressedInputStream(io.BytesIO(head), "zstd") as stream:
                return bytes(stream.read(512))
    except (OSError, EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile, ValueError):
        pass
    return b""
