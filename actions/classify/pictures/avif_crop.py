"""Which part of the picture in an AVIF is shown: libavif tells its caller of a crop and decodes all."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from typing import BinaryIO

from actions.classify.pictures.boxes import Numbers, walk_boxes
from actions.errors import UnsupportedFormat

Box = tuple[int, int, int, int]

_LIMIT_ITEMS = 4096
_LIMIT_BYTES = 2**20


def find_crop(file: BinaryIO, size: tuple[int, int]) -> Box | None:
    """Left, top, right and bottom of what is shown of a picture of `size`, before it is turned; None for all of it.

    Raises `UnsupportedFormat` for a crop that cannot be followed: all of the picture would be another one.
    """
    boxes = list(walk_boxes(file))
    crops = [(at, length) for kind, at, length in boxes if kind == b"clap"]
    if not crops:
        return None
    first = {kind: (at, length) for kind, at, length in reversed(boxes)}
    begin, held = first.get(b"ipco", (0, 0))
    if any(not begin <= at < begin + held for at, _ in crops):
        # In a sequence it is its track's.
        raise UnsupportedFormat("an AVIF sequence that is shown in part; save a frame of it as a JPEG")
    places = [at for kind, at, _ in boxes if begin <= at - 8 < begin + held]
    main = _read_main(_content(file, first, b"pitm"))
    wanted = [
        places[index - 1]
        for index in _read_properties(_content(file, first, b"ipma"), main)
        if 0 < index <= len(places)
    ]
    chosen = [(at, length) for at, length in crops if at in wanted]
    if not chosen:
        return None
    file.seek(chosen[0][0])
    return _read_crop(file.read(32), size)


def _content(file: BinaryIO, boxes: Mapping[bytes, tuple[int, int]], kind: bytes) -> bytes:
    at, length = boxes.get(kind, (0, 0))
    file.seek(at)
    return file.read(min(length, _LIMIT_BYTES))


def _read_main(data: bytes) -> int:
    """The number of the picture that the file is about."""
    numbers = Numbers(data)
    return numbers.take(4 if numbers.take(4) >> 24 else 2)


def _read_properties(data: bytes, item: int) -> Iterator[int]:
    """The places, from 1, of an item's properties among all."""
    numbers = Numbers(data)
    kind = numbers.take(4)
    wide, long = kind >> 24 > 0, bool(kind & 1)
    for _ in range(min(numbers.take(4), _LIMIT_ITEMS)):
        found = numbers.take(4 if wide else 2)
        for _ in range(numbers.take(1)):
            index = numbers.take(2) & 0x7FFF if long else numbers.take(1) & 0x7F
            if found == item:
                yield index


def _read_crop(data: bytes, size: tuple[int, int]) -> Box:
    """Its size and how far its centre is off the picture's, each as a fraction."""
    if len(data) == 32:
        numbers = struct.unpack(">IIIIiIiI", data)
        if all(numbers[1::2]):
            width, height, right, down = (
                above / below for above, below in zip(numbers[::2], numbers[1::2], strict=True)
            )
            left, top = round((size[0] - width) / 2 + right), round((size[1] - height) / 2 + down)
            box = left, top, left + round(width), top + round(height)
            if 0 <= left < box[2] <= size[0] and 0 <= top < box[3] <= size[1]:
                return box
    raise UnsupportedFormat("an AVIF picture with a crop beyond its edges; save it as a JPEG")
