"""TIFF, plain by Pillow itself, all else by libtiff."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import BinaryIO, cast

from PIL import Image, ImagePalette, TiffImagePlugin
from PIL.TiffImagePlugin import COMPRESSION_INFO, OPEN_INFO, TiffImageFile

from actions.classify.pictures import jpeg
from actions.classify.pictures.examined import Examined, Tone
from actions.classify.pictures.frame import Frame
from actions.classify.pictures.orientation import as_seen
from actions.classify.pictures.pixels import picture_bytes
from actions.classify.pictures.spliced import SplicedFile, Window
from actions.classify.pictures.tiff_directories import (
    BITS,
    COLOURS,
    COMPRESSION,
    ORIENTATION,
    PHOTOMETRIC,
    PLANES,
    ROWS,
    SAMPLE_KIND,
    SAMPLES,
    STRIP_BYTES,
    STRIPS,
    TILE_BYTES,
    TILE_HEIGHT,
    TILE_WIDTH,
    TILES,
    Directory,
    Entry,
    file_size,
    isolate,
)
from actions.classify.pictures.tiff_pages import choose, find_jpeg
from actions.errors import TruncatedImage, UnsupportedFormat

_WHITE_IS_ZERO, _BLACK_IS_ZERO, _PALETTE, _DIFFERENCES = 0, 1, 3, 6
_PLAIN, _JPEG, _SIGNED = 1, 7, 2

# Packed alike whatever the file's order is; Pillow knows it in the one only.
OPEN_INFO.setdefault((b"MM", 1, (1,), 1, (12,), ()), ("I;16", "I;12"))
# Four inks and a fifth channel: a selection, as a rule, which no printer would print.
for _order in (b"II", b"MM"):
    for _extra in (1, 2):
        OPEN_INFO.setdefault((_order, 5, (1,), 1, (8,) * 5, (_extra,)), ("CMYK", "CMYKX"))
# The libtiff that comes with Pillow is built without libwebp.
_UNREAD = (50001,)


class _Tiff(TiffImageFile):
    """One picture of a TIFF, as it lies: it is turned when it is small."""

    def _setup(self) -> None:
        with _libtiff_for_plain(wanted=_needs_libtiff(self)):
            super()._setup()

    def load_end(self) -> None:
        pass


@contextmanager
def _libtiff_for_plain(*, wanted: bool) -> Iterator[None]:
    """Have libtiff read what is not compressed, too. Pillow has one switch for all files."""
    TiffImagePlugin.READ_LIBTIFF = wanted
    try:
        yield
    finally:
        TiffImagePlugin.READ_LIBTIFF = False


def _needs_libtiff(image: TiffImageFile) -> bool:
    """Whether Pillow's own way would mistake planes, tiles or thinned-out colours for one another."""
    tags = image.tag_v2
    return tags.get(PLANES, 1) == 2 or TILES in tags or tags.get(PHOTOMETRIC) == _DIFFERENCES


def examine(file: BinaryIO, frame: Frame) -> Examined:
    directory = choose(file, frame)
    embedded = find_jpeg(directory)
    orientation = max(1, directory.number(ORIENTATION, 1)) if directory.number(ORIENTATION, 1) <= 8 else 1
    if embedded is not None and directory.number(PHOTOMETRIC, _DIFFERENCES) == _DIFFERENCES:
        return _examine_jpeg(directory, embedded, orientation, frame)
    _check_kind(directory)
    image = _open(directory)
    width, height = as_seen(image.size, orientation)
    return Examined(
        "TIFF",
        width,
        height,
        orientation,
        _memory(directory, image) + _metadata_cost(directory),
        lambda: _load(directory, image),
        profile=directory.profile,
        tone=_tone(directory),
    )


def _examine_jpeg(directory: Directory, window: Window, orientation: int, frame: Frame) -> Examined:
    """A JPEG within a TIFF is reduced like any other; which way up it is, the TIFF says."""
    examined = jpeg.examine(cast("BinaryIO", SplicedFile(directory.file, [window])), frame)
    size = as_seen((examined.width, examined.height), examined.orientation)
    width, height = as_seen(size, orientation)
    return replace(examined, format="TIFF", width=width, height=height, orientation=orientation)


def _check_kind(directory: Directory) -> None:
    if directory.layout.big and directory.layout.order == ">":
        raise UnsupportedFormat("a BigTIFF with the higher byte first; save it as an ordinary TIFF")
    if directory.number(SAMPLE_KIND, 1) == _SIGNED and directory.number(BITS, 1) <= 8:
        raise UnsupportedFormat("a TIFF of signed numbers; save it with 8 or 16 bits a channel, without a sign")
    method = directory.number(COMPRESSION, _PLAIN)
    if method not in COMPRESSION_INFO or method in _UNREAD:
        raise UnsupportedFormat(f"a TIFF compressed by method {method}; save it with LZW, Deflate or none")


def _open(directory: Directory) -> TiffImageFile:
    try:
        image = _Tiff(cast("BinaryIO", isolate(directory, _change_entries(directory))))
    except SyntaxError as error:
        if str(error) == "unknown pixel mode":
            raise _name_unsupported(directory) from None
        raise
    # The directory stands where it stood, so both libraries find all they want in the real file.
    image.fp = image._fp = directory.file  # noqa: SLF001
    if directory.number(PHOTOMETRIC) == _PALETTE and max(directory.numbers(COLOURS), default=256) < 256:
        # Written by programs that took the sixteen bits of a colour for eight.
        image.palette = ImagePalette.raw("RGB;L", bytes(directory.numbers(COLOURS)))
    return image


def _change_entries(directory: Directory) -> dict[int, Entry]:
    """White is zero in more kinds of pictures than Pillow can invert: those are inverted when they are small."""
    if not _is_inverted(directory):
        return {}
    value = (1).to_bytes(2, "little" if directory.layout.order == "<" else "big")
    return {PHOTOMETRIC: Entry(3, 1, value.ljust(directory.layout.place.size, b"\0"))}


def _is_inverted(directory: Directory) -> bool:
    return directory.number(PHOTOMETRIC, _WHITE_IS_ZERO) == _WHITE_IS_ZERO and directory.number(BITS, 1) > 8


def _tone(directory: Directory) -> Tone:
    bits, kind = directory.number(BITS, 1), directory.number(SAMPLE_KIND, 1)
    whole = {12: 4095, 16: 65535}.get(bits) if kind == 1 else None
    return Tone(white=whole, inverted=_is_inverted(directory))


def _name_unsupported(directory: Directory) -> UnsupportedFormat | TruncatedImage:
    if BITS in directory.entries and not directory.numbers(BITS):
        return TruncatedImage("a TIFF that is cut off: what says how its pixels are stored is missing; upload it again")
    bits = "+".join(map(str, directory.numbers(BITS)[:8])) or "1"
    kind = {2: " signed", 3: " floating point", 5: " complex"}.get(directory.number(SAMPLE_KIND, 1), "")
    return UnsupportedFormat(
        f"a TIFF of{kind} {bits} bits a pixel, colours of kind {directory.number(PHOTOMETRIC)};"
        " save it as RGB or grey with 8 or 16 bits a channel"
    )


def _load(directory: Directory, image: TiffImageFile) -> Image.Image:
    try:
        image.load()
    except OSError:
        if _is_cut_off(directory):
            raise TruncatedImage("the file is cut off: part of the picture is missing; upload it again") from None
        raise
    return image


def _is_cut_off(directory: Directory) -> bool:
    end, places, lengths = file_size(directory), (STRIPS, TILES), (STRIP_BYTES, TILE_BYTES)
    return any(
        at + length > end
        for places_tag, lengths_tag in zip(places, lengths, strict=True)
        for at, length in zip(directory.numbers(places_tag), directory.numbers(lengths_tag), strict=False)
    )


def _metadata_cost(directory: Directory) -> int:
    """A number of a tag becomes a Python object in a tuple, twice."""
    counts = [
        directory.entries[tag].count for tag in (STRIPS, STRIP_BYTES, TILES, TILE_BYTES) if tag in directory.entries
    ]
    return sum(counts) * 80 + len(directory.profile or b"")


def _memory(directory: Directory, image: TiffImageFile) -> int:
    """Beside the picture, libtiff maps the file and holds one strip or tile, of whatever size the file says."""
    memory = picture_bytes(image)
    if not image.use_load_libtiff:
        return memory
    width, height = directory.size
    across = max(directory.number(TILE_WIDTH), width)
    down = max(directory.number(TILE_HEIGHT), min(directory.number(ROWS, height), height))
    planes = directory.number(PLANES, 1)
    samples = 1 if planes == 2 else max(1, directory.number(SAMPLES, 1))
    bits = max(directory.numbers(BITS), default=1)
    # Brightness and two differences are turned into four bytes a pixel by libtiff itself.
    row = across * 4 if directory.number(PHOTOMETRIC) == _DIFFERENCES else -(-across * samples * bits // 8)
    return memory + down * row + file_size(directory)
