"""JPEG: reduced by libjpeg while it decodes."""

from __future__ import annotations

import io
from typing import BinaryIO, cast

from PIL import Image, ImageChops
from PIL.JpegImagePlugin import JpegImageFile

from actions.classify.pictures.examined import Examined
from actions.classify.pictures.frame import Frame, reduction
from actions.classify.pictures.jpeg_rows import decode_available
from actions.classify.pictures.jpeg_segments import Header, Scans, read_header, walk_scans
from actions.classify.pictures.orientation import as_seen
from actions.classify.pictures.pixels import pixel_bytes
from actions.classify.pictures.spliced import SplicedFile, Window, rest
from actions.errors import CorruptImage, TruncatedImage, UnsupportedFormat

_LOSSLESS = 0xC3
_END = b"\xff\xd9"
_BUFFER = 2**12
# No end of a JPEG has so many zeros; what was lost on its way may have been filled up with them.
_FILLED = bytes(32)


def examine(file: BinaryIO, frame: Frame) -> Examined:
    header = read_header(file)
    _check_coding(header)
    scans = None if header.has_single_scan else walk_scans(file, header)
    image = _open(file, header, scans)
    width, height = as_seen(image.size, header.orientation)
    return Examined(
        "JPEG",
        width,
        height,
        header.orientation,
        _memory(image, header, frame) + len(header.profile or b""),
        lambda: _load(file, header, image, scans, frame),
        profile=header.profile,
        scale=_scale(header, image.size, frame),
    )


def _check_coding(header: Header) -> None:
    """Raises `UnsupportedFormat` for what is JPEG, but not as cameras and browsers know it."""
    if header.precision in (12, 16):
        raise UnsupportedFormat(f"a {header.precision}-bit JPEG; save it with 8 bits a colour")
    if header.coding in (0xC5, 0xC6, 0xC7, 0xCB, 0xCD, 0xCE, 0xCF):
        raise UnsupportedFormat("a hierarchical or differential JPEG; save it as a baseline one")
    if header.components in (2, *range(5, 256)):
        raise UnsupportedFormat(f"a JPEG of {header.components} colour components; save it as RGB or grey")


def _open(file: BinaryIO, header: Header, scans: Scans | None) -> JpegImageFile:
    pixels: list[bytes | Window] = [rest(file, header.data)]
    if scans is not None and not scans.ended:
        pixels = [Window(header.data, scans.end - header.data), _END]
    # Pillow reads a header in three dozen pieces, each of which would be a call in Python.
    return JpegImageFile(io.BufferedReader(SplicedFile(file, [header.head, *pixels]), _BUFFER))


def _load(file: BinaryIO, header: Header, image: JpegImageFile, scans: Scans | None, frame: Frame) -> Image.Image:
    if scans is not None and not scans.ended and scans.end == file.seek(0, io.SEEK_END):
        raise TruncatedImage(_CUT_OFF)
    if scans is None and _is_filled_up(file) and not walk_scans(file, header).ended:
        return _honest(_load_unended(file, header, frame), header)
    _reduce(image, header, frame)
    try:
        image.load()
    except OSError:
        if scans is not None:
            raise
        return _honest(_load_unended(file, header, frame), header)
    return _honest(image, header)


_CUT_OFF = "the file is cut off: part of the picture is missing; upload it again from its source"


def _reduce(image: JpegImageFile, header: Header, frame: Frame) -> None:
    # libjpeg leaves out detail that would be thrown away: 12 megapixels decode in 15 ms instead of 120.
    if header.coding != _LOSSLESS:
        image.draft(None, (frame.short_side, frame.short_side))


def _load_unended(file: BinaryIO, header: Header, frame: Frame) -> Image.Image:
    """A picture that libjpeg does not find the end of, if all its rows are there nevertheless.

    Raises `TruncatedImage` where it was cut off, `CorruptImage` where it is damaged within.
    """
    scans = walk_scans(file, header)
    if scans.ended:
        raise CorruptImage("a JPEG that is damaged; upload it again from its source")
    cut = scans.end == file.seek(0, io.SEEK_END)
    end = _without_padding(file, scans.end) if cut else scans.end
    image = _open(file, header, None)
    _reduce(image, header, frame)
    window = SplicedFile(file, [header.head, Window(header.data, max(0, end - header.data))])
    picture = decode_available(image, cast("BinaryIO", window))
    if picture is not None:
        return picture
    if cut:
        raise TruncatedImage(_CUT_OFF)
    raise CorruptImage("a JPEG that is damaged; upload it again from its source")


def _is_filled_up(file: BinaryIO) -> bool:
    """Whether it ends in zeros, which libjpeg takes for more of the picture where no mark for an end is before them."""
    file.seek(-min(len(_FILLED), file.seek(0, io.SEEK_END)), io.SEEK_END)
    return file.read() == _FILLED


def _without_padding(file: BinaryIO, end: int) -> int:
    """Where the zeros begin with which a device filled up what did not arrive."""
    while end > 0:
        begin = max(0, end - 2**16)
        file.seek(begin)
        kept = len(file.read(end - begin).rstrip(b"\0"))
        if kept:
            return begin + kept
        end = begin
    return end


def _honest(image: Image.Image, header: Header) -> Image.Image:
    if image.mode == "CMYK" and b"\xff\xee\x00\x0eAdobe" not in header.head:
        # Pillow takes every CMYK JPEG for Adobe's, which are inverted; browsers go by the marker.
        return ImageChops.invert(image)
    return image


def _scale(header: Header, size: tuple[int, int], frame: Frame) -> int:
    return 1 if header.coding == _LOSSLESS else reduction(size, frame)


def _memory(image: JpegImageFile, header: Header, frame: Frame) -> int:
    """The reduced picture, some rows, and, if its scans come one after the other, every coefficient of the whole."""
    width, height = image.size
    scale = _scale(header, image.size, frame)
    memory = (width // scale + 1) * (height // scale + 1) * pixel_bytes(image) + width * 128
    if header.has_single_scan:
        return memory
    across = max([layer[1] for layer in image.layer], default=1) or 1
    down = max([layer[2] for layer in image.layer], default=1) or 1
    blocks = sum(layer[1] * layer[2] for layer in image.layer) or 1
    # One coefficient is two bytes, one block has 64 of them.
    return memory + -(-width // (8 * across)) * -(-height // (8 * down)) * blocks * 128
