"""Files made of boxes (HEIC, AVIF, JPEG 2000): whether one that cannot be read was cut off."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from actions.classify.pictures.parsers import PARSER_ERRORS
from actions.errors import TooManyBytes, TruncatedImage

_LIMIT_BOXES = 1024
_LIMIT_BYTES = 32 * 2**20
_CODESTREAM, _END = b"\xff\x4f", b"\xff\xd9"
_KNOWN = (
    b"ftyp",
    b"meta",
    b"mdat",
    b"moov",
    b"free",
    b"skip",
    b"wide",
    b"uuid",
    b"idat",
    b"jP  ",
    b"jp2h",
    b"jp2c",
    b"xml ",
)


@contextmanager
def telling_cut_off(file: BinaryIO) -> Iterator[None]:
    """While a file is parsed: what its parser raises is `TruncatedImage` where the last box is longer than the file."""
    try:
        yield
    except PARSER_ERRORS:
        check_end(file)
        raise


def check_size(file: BinaryIO) -> int:
    """Bytes of a file whose parser takes it whole, before anything of it is known. Raises `TooManyBytes`."""
    size = file.seek(0, io.SEEK_END)
    if size > _LIMIT_BYTES:
        raise TooManyBytes(f"{size} bytes, of such a file at most {_LIMIT_BYTES}; make it smaller or save it as a JPEG")
    return size


def check_end(file: BinaryIO) -> None:
    """Raises `TruncatedImage` where the last box is longer than the file: some parsers make up what is missing."""
    if _ends_early(file):
        raise TruncatedImage("the file is cut off: its end is missing; upload it again from its source")


def _ends_early(file: BinaryIO) -> bool:
    size, at = file.seek(0, io.SEEK_END), 0
    file.seek(0)
    if file.read(2) == _CODESTREAM:
        file.seek(max(0, size - 2))
        return file.read(2) != _END
    for _ in range(_LIMIT_BOXES):
        file.seek(at)
        head = file.read(16)
        if head[4:8] not in _KNOWN:
            # What a camera appends is no box, and says nothing of the picture's.
            return False
        (length,) = struct.unpack_from(">I", head)
        if length == 1 and len(head) == 16:
            (length,) = struct.unpack_from(">Q", head, 8)
        if length < 8:
            return False
        at += length
        if at > size:
            return True
    return False
