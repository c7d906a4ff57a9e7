"""What a file's structure costs before its pixels do: read by seeking, never by decoding.

Pillow keeps every metadata block it meets, and some parsers slow down with their number, so a file of a few megabytes
could cost hundreds. Each format walks its bare structure to refuse that first, and to say how much memory the metadata
of an acceptable file takes. These walks do not validate: what they cannot follow is left to Pillow, which words it
better.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from actions.errors import CorruptImage

LIMIT_METADATA_BYTES = 8 * 2**20
LIMIT_METADATA_BLOCKS = 4096
LIMIT_TAG_NUMBERS = 2**17

# A number of a TIFF tag becomes a Python object in a tuple, twice; a block is kept as read, joined, and parsed.
_COST_NUMBER = 80
_COST_BYTE = 3


class Metadata:
    """Adds up what lies around the picture and refuses what no camera or editor writes."""

    def __init__(self) -> None:
        self.bytes = self.blocks = self.numbers = 0

    def add(self, length: int, numbers: int = 0) -> None:
        """Count one block of `length` bytes, or of `numbers`. Raises `CorruptImage` beyond all measure."""
        self.bytes += length
        self.blocks += 1
        self.numbers += numbers
        if self.bytes > LIMIT_METADATA_BYTES or self.blocks > LIMIT_METADATA_BLOCKS or self.numbers > LIMIT_TAG_NUMBERS:
            raise CorruptImage("its metadata is larger than any picture needs; save the image again without metadata")

    @property
    def cost(self) -> int:
        """Bytes of memory that reading all of it takes."""
        return self.bytes * _COST_BYTE + self.numbers * _COST_NUMBER


@contextmanager
def measuring(file: BinaryIO) -> Iterator[Metadata]:
    """While a format's walk adds up; where that ends early or points beyond all files, decoding will say so.

    Leaves the file at its beginning.
    """
    try:
        yield Metadata()
    except (struct.error, IndexError, OSError, ValueError):
        pass
    finally:
        file.seek(0)
