"""Which way up a picture is: EXIF's number, 1 to 8, and the turn that it asks for."""

from __future__ import annotations

from PIL import Image

from actions.classify.pictures.parsers import PARSER_ERRORS

_TAG = 0x0112

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def read_orientation(image: Image.Image) -> int:
    """What an opened picture says of itself; 1, as it lies, where that cannot be read or means nothing."""
    try:
        return _valid(image.getexif().get(_TAG))
    except PARSER_ERRORS:
        return 1


def parse_orientation(block: bytes | None) -> int:
    """What an EXIF block says; 1 where there is none."""
    if not block:
        return 1
    exif = Image.Exif()
    try:
        exif.load(block)
        return _valid(exif.get(_TAG))
    except PARSER_ERRORS:
        return 1


def _valid(value: object) -> int:
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def as_seen(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    """Width and height of a picture once it is upright."""
    width, height = size
    return (height, width) if orientation >= 5 else (width, height)


def turn_upright(image: Image.Image, orientation: int) -> Image.Image:
    """Turned as its orientation says: after the crop, whose centre stays the centre however it is turned."""
    turn = _TURNS.get(orientation)
    return image if turn is None else image.transpose(turn)
