"""Files made of boxes (HEIC, AVIF, JPEG 2000): a walk through them, and whether one was cut off."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from actions.classify.pictures.parsers import PARSER_ERRORS
from actions.errors import TooManyBytes, TruncatedImage

_LIMIT_BOXES = 4096
_LIMIT_BYTES = 32 * 2**20
# Boxes with boxes in them, and how much stands before these.
_CONTAINERS = {
    b"moov": 0,
    b"trak": 0,
    b"mdia": 0,
    b"minf": 0,
    b"stbl": 0,
    b"stsd": 8,
    b"av01": 78,
    b"meta": 4,
    b"iprp": 0,
    b"ipco": 0,
}
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


def walk_boxes(file: BinaryIO) -> Iterator[tuple[bytes, int, int]]:
    """Kind, place and length of what each box holds, boxes within boxes too."""
    return _walk(file, 0, file.seek(0, io.SEEK_END), [_LIMIT_BOXES])


def _walk(file: BinaryIO, at: int, end: int, room: list[int]) -> Iterator[tuple[bytes, int, int]]:
    while at + 8 <= end and room[0] > 0:
        room[0] -= 1
        file.seek(at)
        head = file.read(16)
        (length, kind), header = struct.unpack_from(">I4s", head), 8
        if length == 1 and len(head) == 16:
            (length,), header = struct.unpack_from(">Q", head, 8), 16
        length = length or end - at
        if length < header:
            return
        yield kind, at + header, min(length, end - at) - header
        if kind in _CONTAINERS:
            yield from _walk(file, at + header + _CONTAINERS[kind], min(at + length, end), room)
        at += length


class Numbers:
    """Whole numbers of so many bytes, one after the other; zeros behind the end."""

    def __init__(self, data: bytes) -> None:
        self._file = io.BytesIO(data)

    def take(self, size: int) -> int:
        return int.from_bytes(self._file.read(size), "big")
