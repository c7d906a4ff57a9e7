"""AVIF, by the library in Pillow's wheel; loaded when the first such file comes."""

from __future__ import annotations

from typing import BinaryIO

from PIL import AvifImagePlugin, Image
from PIL.AvifImagePlugin import AvifImageFile

from actions.classify.pictures.av1 import largest_frame
from actions.classify.pictures.avif_crop import Box, find_crop
from actions.classify.pictures.boxes import check_end, check_size, telling_cut_off
from actions.classify.pictures.examined import Examined
from actions.classify.pictures.frame import Frame
from actions.classify.pictures.orientation import as_seen, parse_exif
from actions.errors import UnsupportedFormat

AvifImagePlugin.DEFAULT_MAX_THREADS = 1

# The decoder's planes, of ten bits and unthinned at most, its picture in RGB, Pillow's copy of that as bytes, and its
# own; and the same with a plane for alpha.
_COST_PIXEL, _COST_PIXEL_ALPHA = 13, 18


def examine(file: BinaryIO, _frame: Frame) -> Examined:
    if not AvifImagePlugin.SUPPORTED:
        raise UnsupportedFormat("an AVIF picture, which this deployment is built without; save it as a JPEG")
    size = check_size(file)
    with telling_cut_off(file):
        check_end(file)
        file.seek(0)
        image = AvifImageFile(file)
    orientation = parse_exif(image.info.get("exif")) or 1
    crop = find_crop(file, image.size)
    left, top, right, bottom = crop or (0, 0, *image.size)
    width, height = as_seen((right - left, bottom - top), orientation)
    pixels = max(image.width * image.height, largest_frame(file))
    memory = (
        (width * height * 4 if crop else 0)
        + pixels * (_COST_PIXEL_ALPHA if image.mode == "RGBA" else _COST_PIXEL)
        + 2 * size
    )
    return Examined(
        "AVIF",
        width,
        height,
        orientation,
        memory,
        lambda: _load(file, image, crop),
        profile=image.info.get("icc_profile"),
    )


def _load(file: BinaryIO, image: AvifImageFile, crop: Box | None) -> Image.Image:
    with telling_cut_off(file):
        image.load()
    return image if crop is None else image.crop(crop)
