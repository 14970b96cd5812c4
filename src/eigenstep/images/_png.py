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
        while len(head := file.read(8)) == 8:
            length, checksum = int.from_bytes(head[:4], "big"), zlib.crc32(head[4:])
            while length and (piece := file.read(min(length, _PIECE))):
                checksum = zlib.crc32(piece, checksum)
                length -= len(piece)
            said = file.read(4)
            if len(said) == 4 and int.from_bytes(said, "big") != checksum:
                raise ValueError(f"its part {head[4:]!r} does not match its checksum")
            if head[4:] == b"IEND":
                break
    file.seek(0)
