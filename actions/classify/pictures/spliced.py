"""A file as a parser shall see it: parts of the real one, with bytes of ours between them.

So what is not wanted is never read: what a camera appends to a photo, layers, comments, all pages of a document but
one. Nothing is copied.
"""

from __future__ import annotations

import io
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


@dataclass(frozen=True, slots=True)
class Window:
    """`length` bytes of the real file, from `offset` on."""

    offset: int
    length: int


class SplicedFile(io.RawIOBase):
    """Readable and seekable; the real file stays open, and whoever opened it closes it."""

    def __init__(self, file: BinaryIO, parts: Sequence[bytes | Window]) -> None:
        super().__init__()
        self._file, self._parts = file, parts
        self._starts = [0]
        for part in parts:
            self._starts.append(self._starts[-1] + (len(part) if isinstance(part, bytes) else part.length))
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._starts[-1]}[whence]
        self._position = max(0, base + offset)
        return self._position

    def tell(self) -> int:
        return self._position

    def read(self, size: int | None = -1) -> bytes:
        """All that was asked for, unless the end comes first: parsers do not ask twice."""
        wanted = self._starts[-1] - self._position if size is None or size < 0 else size
        found = []
        while wanted > 0 and (piece := self._piece(wanted)):
            found.append(piece)
            self._position += len(piece)
            wanted -= len(piece)
        return found[0] if len(found) == 1 else b"".join(found)

    def readinto(self, buffer: WriteableBuffer) -> int:
        """For a buffer in front of it, where a parser reads a few bytes at a time."""
        room = memoryview(buffer).cast("B")
        found = self.read(len(room))
        room[: len(found)] = found
        return len(found)

    def _piece(self, wanted: int) -> bytes:
        index = bisect_right(self._starts, self._position) - 1
        if index >= len(self._parts):
            return b""
        part, at = self._parts[index], self._position - self._starts[index]
        if isinstance(part, bytes):
            return part[at : at + wanted]
        self._file.seek(part.offset + at)
        return self._file.read(min(wanted, part.length - at))


def rest(file: BinaryIO, offset: int) -> Window:
    """What follows `offset`, to the end of the file."""
    return Window(offset, max(0, file.seek(0, io.SEEK_END) - offset))
