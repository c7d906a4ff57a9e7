"""Files made of boxes (HEIC, AVIF, JPEG 2000): whether one that cannot be read was cut off."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from actions.classify.pictures.parsers import PARSER_ERRORS
from actions.errors import TruncatedImage

_LIMIT_BOXES = 1024
_CODESTREAM, _END = b"\xff\x4f", b"\xff\xd9"


@contextmanager
def telling_cut_off(file: BinaryIO) -> Iterator[None]:
    """While a file is parsed: what its parser raises is `TruncatedImage` where the last box is longer than the file."""
    try:
        yield
    except PARSER_ERRORS:
        if _ends_early(file):
            raise TruncatedImage("the file is cut off: its end is missing; upload it again from its source") from None
        raise


def _ends_early(file: BinaryIO) -> bool:
    size, at = file.seek(0, io.SEEK_END), 0
    file.seek(0)
    if file.read(2) == _CODESTREAM:
        file.seek(max(0, size - 2))
        return file.read(2) != _END
    for _ in range(_LIMIT_BOXES):
        file.seek(at)
        head = file.read(16)
        if len(head) < 8:
            return at > size or bool(head)
        (length,) = struct.unpack_from(">I", head)
        if length == 1 and len(head) == 16:
            (length,) = struct.unpack_from(">Q", head, 8)
        if length < 8:
            return False
        at += length
        if at > size:
            return True
    return False
