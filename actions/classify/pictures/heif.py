"""HEIC and its like, by libheif: tile by tile, or whole and then handed on a band of rows at a time.

Left out of an image that is built without it; loaded when the first such file comes.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from math import gcd
from typing import Any, BinaryIO

from PIL import Image

from actions.classify.pictures.bands import assemble, band_memory, band_rows, factor, slices
from actions.classify.pictures.boxes import check_end, check_size, telling_cut_off
from actions.classify.pictures.examined import Examined
from actions.classify.pictures.frame import Frame, centre
from actions.classify.pictures.libheif import OpenedHeif, TiledPicture
from actions.errors import UnsupportedFormat

# libheif's planes and its picture in RGB, which is not copied as a whole; of a tile, our copies too.
_COST_PIXEL, _COST_TILE_PIXEL = 5, 12
# So far beyond the frame the pixels count that a kernel looks at, in parts of the frame.
_MARGIN = 0.03


def examine(file: BinaryIO, frame: Frame) -> Examined:
    check_size(file)
    with telling_cut_off(file):
        check_end(file)
        file.seek(0)
        body = file.read()
        main = _open_main(body)
        chosen = None if main is None or main.turns is None else _choose(main, frame)
        if main is None or chosen is None:
            return _examine_whole(file, len(body), main.size if main else (0, 0), frame)
        return _examine_tiles(main, chosen, len(body), frame)


def _open_main(body: bytes) -> TiledPicture | None:
    """The main picture; None where the library is not one that can be asked for tiles."""
    try:
        import pi_heif  # noqa: F401 (late: a library of its own, for those who send such files)
    except ImportError:
        raise UnsupportedFormat("a HEIC picture, which this deployment is built without; save it as a JPEG") from None
    try:
        return OpenedHeif(body).main_picture()
    except (OSError, AttributeError):
        return None


def _choose(main: TiledPicture, frame: Frame) -> TiledPicture | None:
    """A thumbnail that shows all that the frame would, else the picture itself if that comes in tiles."""
    for each in main.thumbnails():
        if _stands_for(each, main) and min(each.size) >= frame.short_side:
            return each
    return main if main.grid != (1, 1) else None


def _stands_for(small: TiledPicture, large: TiledPicture) -> bool:
    """Whether it is turned as the large one is, and of its shape: one that is not may be of another edit."""
    (width, height), (large_width, large_height) = small.size, large.size
    difference = abs(width * large_height - height * large_width)
    return small.turns == large.turns and difference <= max(large.size) and small.grid == (1, 1)


def _examine_tiles(main: TiledPicture, chosen: TiledPicture, size: int, frame: Frame) -> Examined:
    turned = [turn for turn in main.turns or () if turn in _SIDEWAYS]
    width, height = reversed(main.size) if len(turned) % 2 else main.size
    scale = _tile_factor(chosen, frame)
    reduced = (chosen.size[0] // scale + 1) * (chosen.size[1] // scale + 1) * 4
    tile = chosen.tile_size[0] * chosen.tile_size[1] * _COST_TILE_PIXEL
    return Examined(
        "HEIF",
        width,
        height,
        1,
        reduced + tile + 2 * size,
        lambda: _load_tiles(chosen, scale, frame),
        profile=chosen.profile or main.profile,
    )


_SIDEWAYS = (Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_270)


def _tile_factor(picture: TiledPicture, frame: Frame) -> int:
    """How many times smaller each tile becomes, so that none ends within a pixel of the result."""
    sides = picture.size if picture.grid == (1, 1) else picture.tile_size
    most = factor(picture.size, frame)
    return next(scale for scale in range(most, 0, -1) if gcd(*sides) % scale == 0)


def _load_tiles(picture: TiledPicture, scale: int, frame: Frame) -> Image.Image:
    """Only what the frame shows is decoded; the rest stays black."""
    width, height = picture.size
    reduced = Image.new("RGB", (-(-width // scale), -(-height // scale)))
    for column, row in _find_seen(picture, frame):
        left, top = column * picture.tile_size[0], row * picture.tile_size[1]
        tile = picture.tile(column, row)
        # The last ones are filled up beyond the picture.
        within = tile.crop((0, 0, min(tile.width, width - left), min(tile.height, height - top)))
        reduced.paste(within.reduce(scale), (left // scale, top // scale))
    for turn in picture.turns or ():
        reduced = reduced.transpose(turn)
    return reduced


def _find_seen(picture: TiledPicture, frame: Frame) -> Iterator[tuple[int, int]]:
    left, top, right, bottom = centre(picture.size, frame)
    margin = _MARGIN * (right - left)
    for row, column in product(range(picture.grid[1]), range(picture.grid[0])):
        across, down = column * picture.tile_size[0], row * picture.tile_size[1]
        if (
            across < right + margin
            and across + picture.tile_size[0] > left - margin
            and down < bottom + margin
            and down + picture.tile_size[1] > top - margin
        ):
            yield column, row


def _examine_whole(file: BinaryIO, size: int, uncropped: tuple[int, int], frame: Frame) -> Examined:
    picture = _open_whole(file)
    width, height = picture.size
    # What a crop leaves is decoded with all the rest.
    pixels = max(width * height, uncropped[0] * uncropped[1])
    memory = pixels * _COST_PIXEL + band_memory(picture.size, frame) // 2 + 2 * size
    # libheif turns it upright by the file's own boxes, beside which EXIF does not count.
    return Examined(
        "HEIF",
        width,
        height,
        1,
        memory,
        lambda: _load_whole(file, picture, frame),
        profile=picture.info.get("icc_profile"),
    )


def _open_whole(file: BinaryIO) -> Any:
    import pi_heif  # late, as above

    pi_heif.options.DECODE_THREADS = 1
    pi_heif.options.THUMBNAILS = pi_heif.options.DEPTH_IMAGES = pi_heif.options.AUX_IMAGES = False
    pictures = pi_heif.open_heif(file)
    if not len(pictures):
        # libheif passes over pictures in codings that it is built without.
        raise UnsupportedFormat("a HEIF file with pictures in a rare coding, none in HEVC; save it as a JPEG")
    return pictures[pictures.primary_index]


def _load_whole(file: BinaryIO, picture: Any, frame: Frame) -> Image.Image:
    width, height = picture.size
    with telling_cut_off(file):
        data = memoryview(picture.data)
    stride, mode = picture.stride, picture.mode
    scale = factor(picture.size, frame)

    def cut(first: int, count: int) -> Image.Image:
        rows = bytes(data[first * stride : (first + count) * stride])
        return Image.frombuffer(mode, (width, count), rows, "raw", mode, stride, 1)

    return assemble(slices(height, band_rows(stride, scale), cut), mode, picture.size, scale)
