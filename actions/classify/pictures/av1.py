"""How large the pictures in an AVIF are by their own words, whatever the boxes around them say.

The decoder goes by these, and would make a picture of any size of a few hundred bytes.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator, Sequence
from typing import BinaryIO, cast

from actions.classify.pictures.boxes import Numbers, walk_boxes
from actions.classify.pictures.spliced import SplicedFile, Window, rest

_SEQUENCE_HEADER, _HAS_EXTENSION, _HAS_SIZE = 1, 4, 2
_LIMIT_ITEMS, _LIMIT_UNITS = 4096, 256


def largest_frame(file: BinaryIO) -> int:
    """Pixels of the largest picture that any of a file's items, or the first of its frames, is coded with."""
    boxes = list(walk_boxes(file))
    inner = next((at for kind, at, _ in boxes if kind == b"idat"), 0)
    sizes = [0]
    for kind, at, length in boxes:
        file.seek(at)
        if kind == b"iloc":
            for windows in _read_places(file.read(length), inner):
                sizes += _frame_sizes(SplicedFile(file, windows))
        elif kind in {b"stco", b"co64"}:
            first = file.read(16)
            (place,) = struct.unpack_from(">I" if kind == b"stco" else ">Q", first.ljust(16, b"\0"), 8)
            sizes += _frame_sizes(SplicedFile(file, [rest(file, place)]))
    return max(sizes)


def _read_places(data: bytes, inner: int) -> Iterator[Sequence[Window]]:
    """Where each item lies, by the box that says so; `inner` is where the box with items within it begins."""
    numbers = Numbers(data)
    version, sizes = numbers.take(4) >> 24, numbers.take(2)
    place, length, base, index = (sizes >> shift & 15 for shift in (12, 8, 4, 0))
    for _ in range(min(numbers.take(4 if version == 2 else 2), _LIMIT_ITEMS)):
        numbers.take(4 if version == 2 else 2)
        method = numbers.take(2) & 15 if version else 0
        numbers.take(2)
        begin = numbers.take(base) + (inner if method == 1 else 0)
        windows = []
        for _ in range(min(numbers.take(2), _LIMIT_ITEMS)):
            numbers.take(index if version else 0)
            windows.append(Window(begin + numbers.take(place), numbers.take(length)))
        yield windows


def _frame_sizes(file: io.RawIOBase) -> Iterator[int]:
    """What each sequence header of an item says; none where it holds no AV1."""
    stream = cast("BinaryIO", file)
    for _ in range(_LIMIT_UNITS):
        head = stream.read(1)
        if not head or head[0] & 0x81:
            return
        if head[0] & _HAS_EXTENSION:
            stream.read(1)
        length = _read_variable(stream) if head[0] & _HAS_SIZE else 2**32
        if head[0] >> 3 == _SEQUENCE_HEADER:
            yield _read_frame_size(stream.read(min(length, 512)))
            length -= min(length, 512)
        stream.seek(length, io.SEEK_CUR)


def _read_variable(stream: BinaryIO) -> int:
    value = 0
    for place in range(8):
        byte = (stream.read(1) or b"\0")[0]
        value |= (byte & 0x7F) << 7 * place
        if not byte & 0x80:
            break
    return value


class _Bits:
    def __init__(self, data: bytes) -> None:
        self._value, self._left = int.from_bytes(data, "big"), len(data) * 8

    def take(self, count: int) -> int:
        """Zeros behind the end."""
        self._left -= count
        shifted = self._value >> self._left if self._left >= 0 else self._value << -self._left
        return shifted & (1 << count) - 1


def _read_frame_size(data: bytes) -> int:
    """Pixels of a frame by a sequence header (section 5.5 of AV1's specification), or 0."""
    bits = _Bits(data)
    bits.take(4)
    if bits.take(1):
        bits.take(5)
    else:
        _pass_over_timing(bits)
    across, down = bits.take(4) + 1, bits.take(4) + 1
    return (bits.take(across) + 1) * (bits.take(down) + 1)


def _pass_over_timing(bits: _Bits) -> None:
    delay = 0
    if bits.take(1):
        bits.take(64)
        if bits.take(1):
            _pass_over_exponential(bits)
        if bits.take(1):
            delay = bits.take(5) + 1
            bits.take(42)
    with_display_delay = bits.take(1)
    for _ in range(bits.take(5) + 1):
        bits.take(12)
        if bits.take(5) > 7:
            bits.take(1)
        if delay and bits.take(1):
            bits.take(2 * delay + 1)
        if with_display_delay and bits.take(1):
            bits.take(4)


def _pass_over_exponential(bits: _Bits) -> None:
    zeros = 0
    while zeros < 32 and not bits.take(1):
        zeros += 1
    bits.take(zeros)
