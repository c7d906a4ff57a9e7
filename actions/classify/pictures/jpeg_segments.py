"""The marker segments of a JPEG up to its first scan, and what comes after it, without decoding any of it."""

from __future__ import annotations

import io
import re
import struct
from dataclasses import dataclass, field
from typing import BinaryIO

from actions.classify.pictures.metadata import LIMIT_METADATA_BLOCKS
from actions.classify.pictures.orientation import parse_exif, parse_xmp
from actions.errors import CorruptImage, TruncatedImage

LIMIT_SCANS = 200

_SCAN, _END, _QUANTISATION, _HUFFMAN, _ARITHMETIC, _RESTART, _LINES, _COMMENT = (
    0xDA, 0xD9, 0xDB, 0xC4, 0xCC, 0xDD, 0xDC, 0xFE,
)  # fmt: skip
# Start of frame, by coding: all of 0xC0 to 0xCF but the tables among them.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {_HUFFMAN, 0xC8, _ARITHMETIC}
_NEEDED = _FRAMES | {_QUANTISATION, _HUFFMAN, _ARITHMETIC, _RESTART, _SCAN}
_BETWEEN_SCANS = frozenset({_QUANTISATION, _HUFFMAN, _ARITHMETIC, _RESTART, _LINES, _COMMENT, *range(0xE0, 0xF0)})
_EXIF, _XMP, _PROFILE = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0", b"ICC_PROFILE\0"
_LIMIT_TABLES = 2**21

# Within a scan: 0 stands for a byte of 255, D0 to D7 are restarts, and 255 may be repeated.
_MARKER = re.compile(rb"\xff([^\x00\xd0-\xd7\xff])")
_PIECE = 2**18


@dataclass(slots=True)
class Header:
    """`head` is all that decoding needs before the first scan's data, which begin at `data`."""

    head: bytes = b"\xff\xd8"
    data: int = 0
    coding: int = 0
    precision: int = 8
    components: int = 0
    in_scan: int = 0
    profiles: dict[int, bytes] = field(default_factory=dict)
    exif: int | None = None
    xmp: int | None = None

    @property
    def orientation(self) -> int:
        return self.exif or self.xmp or 1

    @property
    def profile(self) -> bytes | None:
        """The profile put together from its parts, None unless all are there."""
        parts = sorted(self.profiles.items())
        total = parts[0][1][1] if parts else 0
        return b"".join(part[2:] for _, part in parts) if parts and len(parts) == total else None

    @property
    def has_single_scan(self) -> bool:
        """Whether the first scan holds all there is."""
        return self.coding not in (0xC2, 0xC6, 0xCA, 0xCE) and self.in_scan == self.components


def read_header(file: BinaryIO) -> Header:
    """Walk to the first scan. What programs add is passed over, unread but for orientation and profile.

    Raises `TruncatedImage` where there is no scan.
    """
    header, blocks = Header(), 0
    file.seek(2)
    while not header.data:
        marker, skipped = _next_marker(file)
        blocks += 1 + skipped
        if blocks > LIMIT_METADATA_BLOCKS or len(header.head) > _LIMIT_TABLES:
            raise CorruptImage("its metadata has more parts than any picture needs; save it again without metadata")
        if marker == _END:
            break
        if marker != 0x01 and not 0xD0 <= marker <= 0xD8:
            _take(header, file, marker)
    if not (header.data and header.coding):
        raise TruncatedImage("a JPEG that ends before its picture begins; upload it again from its source")
    return header


def _next_marker(file: BinaryIO) -> tuple[int, int]:
    """The second byte of the next marker, and how many bytes of fill and junk stood before it; at the end, that."""
    before, skipped = b"", -1
    while byte := file.read(1):
        if before == b"\xff" and byte not in b"\x00\xff":
            return byte[0], skipped
        before = byte
        skipped += 1
        if skipped > LIMIT_METADATA_BLOCKS:
            break
    return _END, max(0, skipped)


def _take(header: Header, file: BinaryIO, marker: int) -> None:
    at = file.tell()
    size = file.read(2)
    length = struct.unpack(">H", size)[0] if len(size) == 2 else 0
    if marker in _NEEDED:
        _take_needed(header, marker, size + file.read(max(0, length - 2)))
    elif marker == 0xE1:
        _take_metadata(header, file.read(max(0, length - 2)))
    elif marker == 0xE2 and file.read(len(_PROFILE)) == _PROFILE:
        part = file.read(max(0, length - 2 - len(_PROFILE)))
        if len(part) > 2:
            header.profiles.setdefault(part[0], part)
    elif (marker, length) in ((0xE0, 16), (0xEE, 14)) or (marker in (0xE0, 0xEE) and 14 <= length < 100):
        header.head += _known_application(marker, size + file.read(length - 2))
    if not header.data:
        file.seek(at + max(2, length))
    else:
        header.data = at + length


def _known_application(marker: int, segment: bytes) -> bytes:
    """JFIF's and Adobe's, which say what the colours are; any other name, or one that is too short, says nothing."""
    known = segment[2:7] == b"JFIF\0" and len(segment) >= 16, segment[2:7] == b"Adobe" and len(segment) >= 14
    return bytes((0xFF, marker)) + segment if any(known) else b""


def _take_needed(header: Header, marker: int, segment: bytes) -> None:
    header.head += bytes((0xFF, marker)) + segment
    if marker in _FRAMES and len(segment) >= 8 and not header.coding:
        header.coding, header.precision, header.components = marker, segment[2], segment[7]
    elif marker == _SCAN and len(segment) >= 3:
        header.data, header.in_scan = 1, segment[2]


def _take_metadata(header: Header, block: bytes) -> None:
    if block.startswith(_EXIF) and header.exif is None:
        header.exif = parse_exif(block)
    elif block.startswith(_XMP) and header.xmp is None:
        header.xmp = parse_xmp(block)


@dataclass(frozen=True, slots=True)
class Scans:
    """How many scans there are, where the last one's data end, and whether a proper end follows there."""

    count: int
    end: int
    ended: bool


def walk_scans(file: BinaryIO, header: Header) -> Scans:
    """Follow the scans to their end: a mark for it, or the first pair of bytes that no scan can hold.

    So a video behind a photo counts for nothing. Raises `CorruptImage` beyond all measure: each scan of a progressive
    JPEG is a pass over the whole picture, and takes a handful of bytes to ask for.
    """
    count, at = 1, header.data
    while (found := _find_marker(file, at)) is not None:
        at, marker = found
        if marker == _SCAN:
            count += 1
        elif marker not in _BETWEEN_SCANS:
            return Scans(count, at, ended=marker == _END)
        if count > LIMIT_SCANS:
            raise CorruptImage(f"more than {LIMIT_SCANS} scans, more than any encoder makes; save the image again")
        file.seek(at + 2)
        size = file.read(2)
        at += 2 + max(2, struct.unpack(">H", size)[0] if len(size) == 2 else 2)
    return Scans(count, file.seek(0, io.SEEK_END), ended=False)


def _find_marker(file: BinaryIO, at: int) -> tuple[int, int] | None:
    """Where the next marker stands from `at` on, and its second byte."""
    file.seek(at)
    before = b""
    while piece := file.read(_PIECE):
        searched = before + piece
        if found := _MARKER.search(searched):
            return at - len(before) + found.start(), found[1][0]
        at += len(piece)
        before = piece[-1:]
    return None
