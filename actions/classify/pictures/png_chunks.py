"""The chunks of a PNG: what its pixels need is read, what tells of it is picked out, all else is passed over unread.

So neither a wrong checksum nor the size of what nobody needs stands in a picture's way.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from actions.classify.pictures.metadata import LIMIT_METADATA_BLOCKS
from actions.classify.pictures.orientation import parse_exif, parse_raw_profile, parse_xmp
from actions.errors import TruncatedImage, UnsupportedFormat

SIGNATURE = b"\x89PNG\r\n\x1a\n"
# What is picked out may be this large, packed and unpacked.
_LIMIT_PICKED = 4 * 2**20
_NEEDED = (b"IHDR", b"PLTE", b"tRNS")


@dataclass(slots=True)
class Chunks:
    """`head` is all that decoding needs before the pixels, which begin at `pixels`."""

    head: bytes = SIGNATURE
    pixels: int = 0
    depth: int = 8
    interlaced: bool = False
    profile: bytes | None = None
    orientations: dict[str, int] = field(default_factory=dict)

    @property
    def orientation(self) -> int:
        """EXIF's own word counts most, then the copies that other programs made of it."""
        return next((self.orientations[place] for place in ("exif", "raw", "xmp") if place in self.orientations), 1)


def read_chunks(file: BinaryIO) -> Chunks:
    """Walk a PNG from its beginning. Behind its pixels, where some editors write, only what tells of it counts."""
    chunks = Chunks()
    for kind, at, length in _walk(file):
        if kind == b"CgBI":
            raise UnsupportedFormat("a PNG in Apple's own variety for iPhones (CgBI); save it as an ordinary PNG")
        if kind == b"IDAT" and not chunks.pixels:
            chunks.pixels = at - 8
        elif kind in _NEEDED and not chunks.pixels:
            chunks.head += _read_whole(file, at, length)
        elif kind in _PICKED and length <= _LIMIT_PICKED:
            file.seek(at)
            _PICKED[kind](chunks, file.read(length))
    if not chunks.pixels or len(chunks.head) < 33:
        raise TruncatedImage("a PNG that ends before its pixels begin; upload it again from its source")
    chunks.depth, chunks.interlaced = chunks.head[24], chunks.head[28] == 1
    return chunks


def _walk(file: BinaryIO) -> Iterator[tuple[bytes, int, int]]:
    """Each chunk's kind, where its data begin, and their length. Chunks of pixels in a row are one."""
    at, pixels = len(SIGNATURE), False
    # Pixels come in as many chunks as an encoder likes.
    for _ in range(LIMIT_METADATA_BLOCKS * 64):
        file.seek(at)
        head = file.read(8)
        if len(head) < 8 or head[4:] == b"IEND":
            return
        length, kind = struct.unpack(">I4s", head)
        if kind != b"IDAT" or not pixels:
            yield kind, at + 8, length
        pixels = kind == b"IDAT"
        at += length + 12


def _read_whole(file: BinaryIO, at: int, length: int) -> bytes:
    """A chunk with its length, kind and checksum; what is longer than any of these may be is left to the decoder."""
    file.seek(at - 8)
    return file.read(min(length, 2**16) + 12)


def _pick_profile(chunks: Chunks, data: bytes) -> None:
    _, _, packed = data.partition(b"\0")
    chunks.profile = chunks.profile or _unpack(packed[1:])


def _pick_exif(chunks: Chunks, data: bytes) -> None:
    _note(chunks, "exif", parse_exif(data))


def _pick_text(chunks: Chunks, data: bytes) -> None:
    name, _, text = data.partition(b"\0")
    if name.startswith(b"Raw profile type "):
        _note(chunks, "raw", parse_raw_profile(text))


def _pick_packed_text(chunks: Chunks, data: bytes) -> None:
    name, _, packed = data.partition(b"\0")
    if name.startswith(b"Raw profile type "):
        _note(chunks, "raw", parse_raw_profile(_unpack(packed[1:]) or b""))


def _pick_international_text(chunks: Chunks, data: bytes) -> None:
    name, _, rest = data.partition(b"\0")
    if name == b"XML:com.adobe.xmp" and len(rest) > 2:
        text = rest[2:].partition(b"\0")[2].partition(b"\0")[2]
        _note(chunks, "xmp", parse_xmp(_unpack(text) if rest[0] else text))


_PICKED = {
    b"iCCP": _pick_profile,
    b"eXIf": _pick_exif,
    b"tEXt": _pick_text,
    b"zTXt": _pick_packed_text,
    b"iTXt": _pick_international_text,
}


def _note(chunks: Chunks, place: str, orientation: int | None) -> None:
    if orientation is not None:
        chunks.orientations.setdefault(place, orientation)


def _unpack(packed: bytes) -> bytes | None:
    """Inflated, never beyond the limit; None where it is broken or larger."""
    inflater = zlib.decompressobj()
    try:
        data = inflater.decompress(packed, _LIMIT_PICKED)
    except zlib.error:
        return None
    return None if inflater.unconsumed_tail else data


def open_pixels(file: BinaryIO, chunks: Chunks) -> Iterator[bytes]:
    """The compressed pixels, piece by piece."""
    at = chunks.pixels
    while True:
        file.seek(at)
        head = file.read(8)
        if len(head) < 8 or head[4:] != b"IDAT":
            return
        (length,) = struct.unpack_from(">I", head)
        left = length
        while left and (piece := file.read(min(left, io.DEFAULT_BUFFER_SIZE * 8))):
            left -= len(piece)
            yield piece
        if left:
            return
        at += length + 12
