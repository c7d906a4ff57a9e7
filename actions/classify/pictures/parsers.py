"""Where other people's parsers meet hostile bytes: whatever they trip over becomes a reason."""

from __future__ import annotations

import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image

from actions.errors import CorruptImage, TooManyPixels, TruncatedImage, UnsupportedFormat

# Ours are checked before anything is decoded; Pillow's own limit warns first and only refuses at twice its value.
Image.MAX_IMAGE_PIXELS = None

# What a decoder raises on hostile input is whatever its parser happened to trip over. Each of these has been seen.
PARSER_ERRORS = (
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


@contextmanager
def parsing(name: str) -> Iterator[None]:
    """While a file of format `name` is parsed: what its parser raises becomes one of our reasons.

    The parser's own words do not: they quote the file, or are about the parser.
    """
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    except PARSER_ERRORS as error:
        raise _reason(name, error) from None
    except MemoryError:
        raise TooManyPixels("decoding it takes more memory than there is; make it smaller") from None


def _reason(name: str, error: Exception) -> CorruptImage | TruncatedImage | UnsupportedFormat:
    words, name = str(error).lower(), "WebP" if name == "WEBP" else name
    if words.startswith(("image file is truncated", "truncated file read", "truncated png file")):
        return TruncatedImage(f"a {name} file that is cut off: its end is missing; upload it again from its source")
    if words.startswith(("unsupported feature", "error while loading plugin")):
        return UnsupportedFormat(f"a {name} file of a rare kind; save it as a JPEG")
    if words.startswith("unsupported bmp"):
        return UnsupportedFormat("a BMP of a rare kind; save it with 24 bits a pixel, or as a PNG")
    return CorruptImage(f"it begins like a {name} file, but is damaged; open it where it came from and save it again")
