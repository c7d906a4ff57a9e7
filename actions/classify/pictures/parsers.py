"""Where other people's parsers meet hostile bytes: whatever they trip over becomes a reason."""

from __future__ import annotations

import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image

from actions.errors import CorruptImage, TooManyPixels

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
    """While a file of format `name` is parsed: what its parser raises is `CorruptImage` or `TooManyPixels`."""
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    except PARSER_ERRORS as error:
        raise _corrupt(name, error) from None
    except MemoryError:
        raise TooManyPixels("decoding it takes more memory than there is; make it smaller") from None


def _corrupt(name: str, error: Exception) -> CorruptImage:
    # The parser's own words may quote the file, so only their beginning is kept, and only what can be printed.
    words = "".join(character if character.isprintable() else "?" for character in str(error))[:200]
    return CorruptImage(f"it begins like a {name} file, but cannot be read: {words or type(error).__name__}")
