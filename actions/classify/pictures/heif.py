"""HEIC and its like, by libheif: decoded whole, then handed on a band of rows at a time.

Left out of an image that is built without it; loaded when the first such file comes.
"""

from __future__ import annotations

from typing import Any, BinaryIO

from PIL import Image

from actions.classify.pictures.bands import assemble, band_memory, band_rows, factor, slices
from actions.classify.pictures.boxes import telling_cut_off
from actions.classify.pictures.examined import Examined
from actions.classify.pictures.frame import Frame
from actions.errors import UnsupportedFormat

# libheif's planes and its picture in RGB, which is not copied as a whole.
_COST_PIXEL = 5


def examine(file: BinaryIO, frame: Frame) -> Examined:
    with telling_cut_off(file):
        picture = _open(file)
    width, height = picture.size
    size = len(file.read()) if file.seek(0) == 0 else 0
    memory = width * height * _COST_PIXEL + band_memory(picture.size, frame) // 2 + 2 * size
    # libheif turns it upright by the file's own boxes, beside which EXIF does not count.
    return Examined(
        "HEIF", width, height, 1, memory, lambda: _load(file, picture, frame), profile=picture.info.get("icc_profile")
    )


def _open(file: BinaryIO) -> Any:
    try:
        import pi_heif  # late: a library of its own, for those who send such files
    except ImportError:
        raise UnsupportedFormat("a HEIC picture, which this deployment is built without; save it as a JPEG") from None
    pi_heif.options.DECODE_THREADS = 1
    pi_heif.options.THUMBNAILS = pi_heif.options.DEPTH_IMAGES = pi_heif.options.AUX_IMAGES = False
    pictures = pi_heif.open_heif(file)
    if not len(pictures):
        # libheif passes over pictures in codings that it is built without.
        raise UnsupportedFormat("a HEIF file with pictures in a rare coding, none in HEVC; save it as a JPEG")
    return pictures[0]


def _load(file: BinaryIO, picture: Any, frame: Frame) -> Image.Image:
    width, height = picture.size
    with telling_cut_off(file):
        data = memoryview(picture.data)
    stride, mode = picture.stride, picture.mode
    scale = factor(picture.size, frame)

    def cut(first: int, count: int) -> Image.Image:
        rows = bytes(data[first * stride : (first + count) * stride])
        return Image.frombuffer(mode, (width, count), rows, "raw", mode, stride, 1)

    return assemble(slices(height, band_rows(stride, scale), cut), mode, picture.size, scale)
