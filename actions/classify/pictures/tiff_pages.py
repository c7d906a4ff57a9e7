"""Which of the pictures in a TIFF is the picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import BinaryIO

from actions.classify.pictures.frame import Frame
from actions.classify.pictures.spliced import Window
from actions.classify.pictures.tiff_directories import (
    COMPRESSION,
    DNG_VERSION,
    JPEG_LENGTH,
    JPEG_OFFSET,
    JPEG_TABLES,
    PHOTOMETRIC,
    STRIP_BYTES,
    STRIPS,
    Directory,
    read_directories,
)
from actions.errors import CorruptImage, UnsupportedFormat

# Photometric interpretations of a sensor's own values: mosaics, and what became of them half-way.
_SENSOR = (32803, 34892)
_OLD_JPEG, _JPEG = 6, 7


def choose(file: BinaryIO, frame: Frame) -> Directory:
    """The first page, unless it is a smaller copy of another or a camera's raw data.

    Then it is the largest that can be shown: never a thumbnail in a large picture's stead. Raises `UnsupportedFormat`
    where there is none, `CorruptImage` where no directory can be read.
    """
    found: list[Directory] = []
    for directory in read_directories(file):
        found.append(directory)
        if len(found) == 1 and not directory.is_reduced and is_shown(directory):
            return directory
    if not found:
        raise CorruptImage("a TIFF without a picture; upload it again from its source")
    return _largest_shown(found, frame)


def _largest_shown(found: Sequence[Directory], frame: Frame) -> Directory:
    shown = [each for each in found if is_shown(each) and each.area]
    raw = any(not is_shown(each) or DNG_VERSION in each.entries for each in found)
    if not shown and raw:
        raise UnsupportedFormat("a camera RAW without a preview; export it as a JPEG")
    full = [each for each in shown if not each.is_reduced]
    best = max(full or shown or found, key=lambda each: each.area)
    if raw and min(best.size) < frame.side:
        width, height = best.size
        raise UnsupportedFormat(
            f"a camera RAW whose largest preview, {width} x {height} pixels, is too small; export it as a JPEG"
        )
    return best


def is_shown(directory: Directory) -> bool:
    """Whether this is a picture for people, not a sensor's data."""
    if directory.number(PHOTOMETRIC) in _SENSOR:
        return False
    if directory.number(COMPRESSION) == _OLD_JPEG and directory.numbers(STRIPS):
        # Canon's raw data go by the same number.
        window = find_jpeg(directory)
        return window is None or not _is_lossless(directory, window)
    return True


def find_jpeg(directory: Directory) -> Window | None:
    """Where a whole JPEG file lies within a TIFF, as cameras write their previews; None in any other TIFF."""
    if directory.number(COMPRESSION) not in (_OLD_JPEG, _JPEG) or JPEG_TABLES in directory.entries:
        return None
    places, lengths = directory.numbers(STRIPS), directory.numbers(STRIP_BYTES)
    if directory.numbers(JPEG_OFFSET) and not places:
        places, lengths = directory.numbers(JPEG_OFFSET), directory.numbers(JPEG_LENGTH)
    if not len(places) == len(lengths) == 1:
        return None
    directory.file.seek(min(places[0], 2**62))
    return Window(places[0], lengths[0]) if directory.file.read(3) == b"\xff\xd8\xff" else None


def _is_lossless(directory: Directory, window: Window) -> bool:
    """Whether the JPEG is of the lossless kind, which in a TIFF holds a sensor's data. The frame comes early."""
    directory.file.seek(window.offset + 2)
    for _ in range(32):
        head = directory.file.read(4)
        if len(head) < 4 or head[0] != 0xFF or head[1] == 0xDA:
            return False
        if head[1] == 0xC3:
            return True
        directory.file.seek(int.from_bytes(head[2:], "big") - 2, 1)
    return False
