"""The checksums of a PNG file, of which Pillow skips those of the pixels."""

import zlib
from typing import BinaryIO

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PIECE = 1 << 20


def check_png(file: BinaryIO) -> None:
    """Raises ValueError if part of a PNG does not match its checksum; other files are left alone.

    The file is read from its beginning, to which it is set back. Whether it ends too early is left to the
    decoder.
    """
    if file.read(len(_SIGNATURE)) == _SIGNATURE:
        while len(head := file.read(8)) == 8 and head[4:] != b"IEND":
            length, checksum = int.from_bytes(head[:4], "big"), zlib.crc32(head[4:])
            while length > _PIECE and (piece := file.read(_PIECE)):
                checksum = zlib.crc32(piece, checksum)
                length -= len(piece)
            rest = file.read(length + 4)
            if len(rest) == length + 4 and zlib.crc32(rest[:-4], checksum) != int.from_bytes(
                rest[-4:], "big"
            ):
                raise ValueError(f"its part {head[4:]!r} does not match its checksum")
    file.seek(0)
