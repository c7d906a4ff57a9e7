"""A large PNG a band of rows at a time.

The rows of a band are inflated here, packed again without compression (which costs a copy), and unfiltered by Pillow's
own decoder. A row may be the difference to the one above it, so each band begins with the last row of the one before.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import BinaryIO

from PIL import Image
from PIL.PngImagePlugin import PngImageFile

from actions.classify.pictures.bands import BAND_BYTES, assemble, band_rows, factor
from actions.classify.pictures.frame import Frame
from actions.classify.pictures.pixels import picture_bytes
from actions.classify.pictures.png_chunks import Chunks, open_pixels
from actions.errors import TruncatedImage

_LIMIT_WHOLE = 24 * 2**20

# Bytes of a pixel in the file, by mode: those whose rows Pillow gives back as they were.
_CHANNELS = {"L": 1, "P": 1, "LA": 2, "RGB": 3, "RGBA": 4}


def are_worth_while(image: PngImageFile, chunks: Chunks, frame: Frame) -> bool:
    """Whether a picture is large, and of a kind whose rows can be taken one after the other."""
    plain = chunks.depth == 8 and not chunks.interlaced and image.mode in _CHANNELS
    return plain and picture_bytes(image) > _LIMIT_WHOLE and factor(image.size, frame) > 1


def load(file: BinaryIO, chunks: Chunks, image: PngImageFile, frame: Frame) -> Image.Image:
    """The whole picture, reduced."""
    scale = factor(image.size, frame)
    bands = (_with_meaning(band, image) for band in _bands(file, chunks, image, scale))
    return assemble(bands, _find_reduced_mode(image), image.size, scale)


def _find_reduced_mode(image: PngImageFile) -> str:
    if image.mode == "P" or "transparency" in image.info:
        return "RGBA" if image.has_transparency_data else "RGB"
    return image.mode


def _with_meaning(band: Image.Image, image: PngImageFile) -> Image.Image:
    """A band of numbers, with the palette and the transparent colour of the whole."""
    if image.palette is not None:
        band.putpalette(image.palette)
    if "transparency" in image.info:
        band.info["transparency"] = image.info["transparency"]
    return band


def _bands(file: BinaryIO, chunks: Chunks, image: PngImageFile, scale: int) -> Iterator[Image.Image]:
    width, height = image.size
    stride = width * _CHANNELS[image.mode] + 1
    rows = band_rows(stride, scale)
    # The numbers mean nothing to the decoder: one of a palette's is as good as one of grey.
    mode = "L" if image.mode == "P" else image.mode
    above, filtered = bytes(stride), _read_filtered(file, chunks, stride * rows)
    for upper in range(0, height, rows):
        count = min(rows, height - upper)
        body = next(filtered, b"")[: stride * count]
        if len(body) < stride * count:
            raise TruncatedImage("the file is cut off: its last rows are missing; upload it again from its source")
        band = Image.frombytes(mode, (width, count + 1), zlib.compress(above + body, 0), "zip", mode, 0)
        above = b"\0" + band.crop((0, count, width, count + 1)).tobytes()
        yield band.crop((0, 1, width, count + 1))


def _read_filtered(file: BinaryIO, chunks: Chunks, size: int) -> Iterator[bytes]:
    """Rows as they are in the file, `size` bytes of them at a time; the last of them may be fewer, or more."""
    inflater, held = zlib.decompressobj(), bytearray()
    for piece in open_pixels(file, chunks):
        waiting = piece
        while waiting and not inflater.eof:
            held += inflater.decompress(waiting, BAND_BYTES)
            waiting = inflater.unconsumed_tail
            if len(held) >= size:
                yield bytes(held[:size])
                del held[:size]
    yield bytes(held)
