"""A lossless JPEG (the kind without cosines) of a grey picture: nothing in Python writes one."""

from __future__ import annotations

import struct

from PIL import Image

# Differences need up to eight bits; each length has a code of four.
_LENGTHS = range(9)


def encode(grey: Image.Image) -> bytes:
    """Every value as its difference to the one on its left; in the first column, to the one above."""
    width, height = grey.size
    frame = struct.pack(">BHHBBBB", 8, height, width, 1, 1, 0x11, 0)
    table = b"\0" + bytes((0, 0, 0, len(_LENGTHS), *[0] * 12)) + bytes(_LENGTHS)
    scan = struct.pack(">BBBBBB", 1, 1, 0, 1, 0, 0)
    head = b"\xff\xd8" + _segment(0xC3, frame) + _segment(0xC4, table) + _segment(0xDA, scan)
    bits = "".join(_code(each) for each in _differences(grey.tobytes(), width))
    bits += "1" * (-len(bits) % 8)
    data = int(bits, 2).to_bytes(len(bits) // 8, "big")
    return head + data.replace(b"\xff", b"\xff\0") + b"\xff\xd9"


def _segment(marker: int, data: bytes) -> bytes:
    return bytes((0xFF, marker)) + struct.pack(">H", len(data) + 2) + data


def _differences(values: bytes, width: int) -> list[int]:
    before = [
        128 if at == 0 else values[at - width] if at % width == 0 else values[at - 1] for at in range(len(values))
    ]
    return [value - predicted for value, predicted in zip(values, before, strict=True)]


def _code(difference: int) -> str:
    length = abs(difference).bit_length()
    value = difference if difference >= 0 else difference + (1 << length) - 1
    return format(length, "04b") + (format(value, f"0{length}b") if length else "")
