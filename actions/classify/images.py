"""A file of any picture format → the model's input, in honest RGB, within a bounded amount of memory.

`examine` reads headers only; `check` holds what they promise against the limits; `decode` and
`pixels` do the rest. Formats are told by
content, never by name. Memory is the scarce thing: a decoded picture is held once, in Pillow's own layout (1, 2 or 4
bytes a pixel), and turned into RGB strip by strip while it shrinks.
"""

from __future__ import annotations

import io
import math
import struct
import warnings
import zlib
from dataclasses import dataclass
from typing import BinaryIO, cast

from PIL import Image, ImageChops, ImageFile, PngImagePlugin
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from actions.classify import headers, webp
from actions.classify.colours import converter
from actions.errors import CorruptImage, EmptyObject, TooManyPixels, UnsupportedFormat

# Ours are checked before anything is decoded; Pillow's own limit warns first and only refuses at twice its value.
Image.MAX_IMAGE_PIXELS = None
PngImagePlugin.MAX_TEXT_MEMORY = headers.LIMIT_METADATA_BYTES

# What a decoder raises on hostile input is whatever its parser happened to trip over. Each of these has been seen.
_DECODER_ERRORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)

# What a JPEG or a GIF can have at most. Beyond it the rows themselves cost more than the picture: eight bytes for the
# place of each, and several copies of a long one.
_LIMIT_SIDE = 2**16 - 1
_STRIP_PIXELS = 2**17
_ORIENTATION = 0x0112


@dataclass(frozen=True, slots=True)
class Frame:
    """What the model wants to see: `side` pixels square, the centre `crop` (0..1] of the picture's short side."""

    side: int = 224
    crop: float = 0.875

    @property
    def short_side(self) -> int:
        """The least short side a picture may be decoded at without losing detail."""
        return round(self.side / self.crop)


@dataclass(frozen=True, slots=True)
class Limits:
    """`pixels` as the header has them; `memory` in bytes, for decoding alone."""

    pixels: int
    memory: int


@dataclass(frozen=True, slots=True)
class Examined:
    """What the headers say. `width` and `height` are as seen, EXIF orientation applied; `memory` is an estimate.

    `image` is None for WebP, whose decoder allocates the whole canvas as soon as it is opened.
    """

    format: str
    width: int
    height: int
    orientation: int
    memory: int
    file: BinaryIO
    image: ImageFile.ImageFile | None


class _Png(PngImageFile):
    """A PNG whose file is left alone once its pixels are there: what follows may be anything, of any size."""

    def load_end(self) -> None:
        self.png = None


_READERS: dict[str, type[ImageFile.ImageFile]] = {
    "JPEG": JpegImageFile,
    "PNG": _Png,
    "GIF": GifImageFile,
    "BMP": BmpImageFile,
    "TIFF": TiffImageFile,
}


def sniff(head: bytes) -> str:
    """Pillow's name of the format that the first 32 bytes of a file claim. Raises `UnsupportedFormat`."""
    if not head:
        raise EmptyObject("it has no bytes")
    for name in (*_READERS, "WEBP"):
        accepts = Image.OPEN[name][1]
        if (accepts is None or accepts(head) is True) and (name != "BMP" or _is_bitmap(head)):
            return name
    raise UnsupportedFormat("not a JPEG, PNG, WebP, GIF, BMP or TIFF file, whatever its name says")


def _is_bitmap(head: bytes) -> bool:
    """Two letters are not enough: many a text begins with BM."""
    return int.from_bytes(head[14:18], "little") in (12, 40, 52, 56, 64, 108, 124)


def examine(file: BinaryIO, frame: Frame) -> Examined:
    """Read the headers of a seekable file. Raises `EmptyObject`, `UnsupportedFormat` or `CorruptImage`."""
    file.seek(0)
    name = sniff(file.read(32))
    metadata = headers.metadata_cost(name, file)
    try:
        with warnings.catch_warnings(action="ignore"):
            return _examine_webp(file, frame) if name == "WEBP" else _examine(name, file, frame, metadata)
    except _DECODER_ERRORS as error:
        raise _corrupt(name, error) from None


def check(examined: Examined, limits: Limits) -> None:
    """Hold what the headers promise against the limits. Raises `TooManyPixels`."""
    width, height = examined.width, examined.height
    if max(width, height) > _LIMIT_SIDE:
        raise TooManyPixels(f"{width} x {height} pixels, at most {_LIMIT_SIDE} along a side; make it smaller")
    if width * height > limits.pixels:
        raise TooManyPixels(f"{width} x {height} pixels, at most {limits.pixels} in all; make it smaller")
    if examined.memory > limits.memory:
        raise TooManyPixels(
            f"{width} x {height} pixels of this kind of {examined.format} take about {examined.memory >> 20} MiB"
            f" to decode, at most {limits.memory >> 20}; make it smaller or save it as a baseline JPEG"
        )


def decode(examined: Examined, frame: Frame) -> Image.Image:
    """The picture in Pillow's own layout, not below the detail that `frame` needs. Raises `CorruptImage`."""
    try:
        with warnings.catch_warnings(action="ignore"):
            return _load(examined, frame)
    except _DECODER_ERRORS as error:
        raise _corrupt(examined.format, error) from None
    except MemoryError:
        raise TooManyPixels("decoding it takes more memory than there is; make it smaller") from None


def pixels(examined: Examined, image: Image.Image, frame: Frame) -> bytes:
    """A decoded picture as the model wants it: rows of red, green and blue bytes, `frame.side` squared."""
    try:
        return _upright(_fit(image, frame), examined.orientation).tobytes()
    except _DECODER_ERRORS as error:
        raise _corrupt(examined.format, error) from None


def _corrupt(name: str, error: Exception) -> CorruptImage:
    # The parser's own words may quote the file, so only their beginning is kept, and only what can be printed.
    words = "".join(character if character.isprintable() else "?" for character in str(error))[:200]
    return CorruptImage(f"it begins like a {name} file, but cannot be read: {words or type(error).__name__}")


# What the headers say


def _examine(name: str, file: BinaryIO, frame: Frame, metadata: int) -> Examined:
    image = _READERS[name](file)
    orientation = _orientation(image)
    width, height = image.size
    if orientation >= 5:
        width, height = height, width
    memory = metadata + _MEMORY[name](image, frame)
    return Examined(name, width, height, orientation, memory, file, image)


def _examine_webp(file: BinaryIO, frame: Frame) -> Examined:
    header = headers.webp_header(file)
    width, height = header.width, header.height
    if not (width and height):
        raise CorruptImage("it begins like a WEBP file, but has no size")
    orientation = _orientation_of(headers.webp_exif(file))
    memory = _memory_webp(header, file.seek(0, io.SEEK_END), frame)
    if orientation >= 5:
        width, height = height, width
    return Examined("WEBP", width, height, orientation, memory, file, None)


def _orientation(image: ImageFile.ImageFile) -> int:
    """EXIF's orientation, 1 to 8; 1 for TIFF, which Pillow turns by itself."""
    if isinstance(image, TiffImageFile):
        return 1
    if isinstance(image, PngImageFile) and "exif" not in image.info:
        return _late_orientation(image)  # Pillow would decode the whole picture to look behind its pixels
    try:
        return _valid_orientation(image.getexif().get(_ORIENTATION))
    except _DECODER_ERRORS:
        return 1


def _late_orientation(image: PngImageFile) -> int:
    assert image.fp is not None
    file = cast("BinaryIO", image.fp)
    position = file.tell()
    try:
        return _orientation_of(headers.png_exif(file))
    finally:
        file.seek(position)


def _orientation_of(block: bytes | None) -> int:
    if not block:
        return 1
    exif = Image.Exif()
    try:
        exif.load(block)
        return _valid_orientation(exif.get(_ORIENTATION))
    except _DECODER_ERRORS:
        return 1


def _valid_orientation(value: object) -> int:
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


# What decoding will take


def _memory_jpeg(image: ImageFile.ImageFile, frame: Frame) -> int:
    """The reduced picture, some rows, and, if its scans come one after the other, every coefficient of the whole."""
    assert isinstance(image, JpegImageFile)
    width, height = image.size
    scale = _reduction(image.size, frame)
    memory = (width // scale + 1) * (height // scale + 1) * _pixel_bytes(image) + width * 128
    if "progressive" not in image.info and _has_single_scan(image):
        return memory
    across = max([layer[1] for layer in image.layer], default=1) or 1
    down = max([layer[2] for layer in image.layer], default=1) or 1
    blocks = sum(layer[1] * layer[2] for layer in image.layer) or 1
    # One coefficient is two bytes, one block has 64 of them.
    return memory + -(-width // (8 * across)) * -(-height // (8 * down)) * blocks * 128


def _has_single_scan(image: JpegImageFile) -> bool:
    """Whether the first scan, whose header Pillow has just read past, holds all components."""
    assert image.fp is not None
    length = 6 + 2 * image.layers
    position = image.fp.tell()
    image.fp.seek(max(0, position - length - 2))
    header = image.fp.read(length + 2)
    image.fp.seek(position)
    return header.startswith(bytes((0xFF, 0xDA, 0, length, image.layers)))


def _memory_plain(image: ImageFile.ImageFile, _frame: Frame) -> int:
    width, height = image.size
    return width * height * _pixel_bytes(image)


def _memory_bmp(image: ImageFile.ImageFile, frame: Frame) -> int:
    """Run lengths are expanded in Python: a growing array and a copy of it, beside the picture."""
    runs = any(tile.codec_name == "bmp_rle" for tile in image.tile)
    return _memory_plain(image, frame) * (4 if runs else 1)


def _memory_tiff(image: ImageFile.ImageFile, frame: Frame) -> int:
    """Beside the picture, libtiff maps the file and holds one strip or tile, of whatever size the file says."""
    assert isinstance(image, TiffImageFile)
    memory = _memory_plain(image, frame)
    if not image.use_load_libtiff:
        return memory
    width, height = image.size
    tags = image.tag_v2
    across = max(_number(tags.get(322)), width)
    down = max(_number(tags.get(323)), min(_number(tags.get(278, height)), height))
    samples = max(1, _number(tags.get(277, 1)))
    bits = max([_number(each) for each in tags.get(258, (1,))], default=1)
    # Brightness and two differences are turned into four bytes a pixel by libtiff itself.
    pixel = 4 if tags.get(262) == 6 else -(-samples * bits // 8)
    return memory + across * down * pixel + _file_size(image)


def _file_size(image: ImageFile.ImageFile) -> int:
    assert image.fp is not None
    position = image.fp.tell()
    size = image.fp.seek(0, io.SEEK_END)
    image.fp.seek(position)
    return size


def _memory_webp(header: headers.WebpHeader, size: int, frame: Frame) -> int:
    """libwebp holds a lossless picture or a compressed alpha plane whole, anything else by rows."""
    area = header.width * header.height
    if header.frame_end is not None or not webp.available():
        # The animation decoder's two canvases, its result, Pillow's copy, one more where lossless; the file, thrice.
        return area * 20 + min(size, header.frame_end or size) * 3
    scale = _reduction((header.width, header.height), frame)
    whole = area * (4 if header.lossless else 5 if header.alpha else 0)
    return whole + (header.width // scale + 1) * (header.height // scale + 1) * 4 + header.width * 128 + size


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0


def _pixel_bytes(image: Image.Image) -> int:
    if image.mode in ("1", "L", "P"):
        return 1
    return 2 if image.mode.startswith("I;16") else 4


_MEMORY = {
    "JPEG": _memory_jpeg,
    "PNG": _memory_plain,
    "GIF": _memory_plain,
    "BMP": _memory_bmp,
    "TIFF": _memory_tiff,
}


# From the file to the model's frame


def _load(examined: Examined, frame: Frame) -> Image.Image:
    image = examined.image
    if image is None:
        return _load_webp(examined.file, frame)
    if isinstance(image, JpegImageFile):
        # libjpeg leaves out detail that would be thrown away: 12 megapixels decode in 15 ms instead of 120.
        image.draft(None, (frame.short_side, frame.short_side))
    image.load()
    if isinstance(image, JpegImageFile) and image.mode == "CMYK" and "adobe" not in image.info:
        # Pillow takes every CMYK JPEG for Adobe's, which are inverted; browsers go by the marker.
        return ImageChops.invert(image)
    return image


def _load_webp(file: BinaryIO, frame: Frame) -> Image.Image:
    """A still picture reduced like a JPEG; of an animation the first frame, which is all that the decoder is given."""
    header = headers.webp_header(file)
    file.seek(0)
    if header.frame_end is None and webp.available():
        scale = _reduction((header.width, header.height), frame)
        size = -(-header.width // scale), -(-header.height // scale)
        return webp.decode(file.read(), size, scaled=scale > 1)
    first = bytearray(file.read(-1 if header.frame_end is None else header.frame_end))
    struct.pack_into("<I", first, 4, len(first) - 8)
    image = WebPImageFile(io.BytesIO(first))
    image.load()
    return image


def _reduction(size: tuple[int, int], frame: Frame) -> int:
    """How many times smaller `draft` will decode: as much as leaves the short side long enough."""
    possible = min(size) // frame.short_side
    return next((scale for scale in (8, 4, 2) if possible >= scale), 1)


def _fit(image: Image.Image, frame: Frame) -> Image.Image:
    """The centre of the picture at the frame's size, in RGB.

    Modes other than RGB and grey are converted strip by strip, each strip narrowed at once, so that no second copy of
    the picture is ever held. This changes no bit of the result, unless a picture is much higher than wide: then Pillow
    itself goes along columns first, and a rounding differs.
    """
    if image.mode in ("RGB", "L") and not image.has_transparency_data:
        box = _centre(image.size, frame)
        return image.resize((frame.side, frame.side), Image.Resampling.BICUBIC, box).convert("RGB")
    to_rgb = converter(image)
    left, top, right, bottom = _centre(image.size, frame)
    # A bicubic kernel looks two steps of the result beyond the box.
    margin = math.ceil(2 * max(1, (bottom - top) / frame.side)) + 1
    first, last = max(0, int(top) - margin), min(image.height, math.ceil(bottom) + margin)
    narrow = Image.new("RGB", (frame.side, last - first))
    rows = max(1, _STRIP_PIXELS // image.width)
    for upper in range(first, last, rows):
        lower = min(upper + rows, last)
        strip = to_rgb(image.crop((0, upper, image.width, lower)))
        across = (left, 0, right, lower - upper)
        resized = strip.resize((frame.side, lower - upper), Image.Resampling.BICUBIC, across)
        narrow.paste(resized, (0, upper - first))
    down = (0, top - first, frame.side, bottom - first)
    return narrow.resize((frame.side, frame.side), Image.Resampling.BICUBIC, down)


def _centre(size: tuple[int, int], frame: Frame) -> tuple[float, float, float, float]:
    width, height = size
    side = min(size) * frame.crop
    left, top = (width - side) / 2, (height - side) / 2
    return left, top, left + side, top + side


_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def _upright(image: Image.Image, orientation: int) -> Image.Image:
    """Turned as its EXIF orientation says: after the crop, whose centre stays the centre however it is turned."""
    turn = _TURNS.get(orientation)
    return image if turn is None else image.transpose(turn)
