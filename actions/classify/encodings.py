"""What was packed on its way to the store (`Content-Encoding`), unpacked piece by piece and never beyond the limit."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from actions.errors import CorruptImage, TooManyBytes, TruncatedImage, UnsupportedFormat

_GZIP_MAGIC = b"\x1f\x8b"
_GZIP = zlib.MAX_WBITS | 16
_PIECE = 2**18


class Unpacking:
    """Takes an object's bytes as they are stored, gives those that they stand for.

    What is only called gzip, and is not, stays as it is: some programs name an encoding that they did not do.
    """

    def __init__(self, encoding: str, limit: int) -> None:
        self._limit, self._size = limit, 0
        self._begun = False
        self._inflater = zlib.decompressobj(_GZIP) if _is_gzip(encoding) else None

    @property
    def is_needed(self) -> bool:
        """Whether anything may come out other than it went in."""
        return self._inflater is not None

    def take(self, piece: bytes) -> Iterator[bytes]:
        """Raises `TooManyBytes` or `CorruptImage`."""
        if piece and not self._begun:
            self._begun = True
            if not piece.startswith(_GZIP_MAGIC):
                self._inflater = None
        if self._inflater is None:
            yield piece
            return
        waiting = piece
        while waiting and not self._inflater.eof:
            unpacked = self._unpack(waiting)
            waiting = self._inflater.unconsumed_tail
            self._size += len(unpacked)
            if self._size > self._limit:
                raise TooManyBytes(f"more than {self._limit} bytes when unpacked; make it smaller")
            yield unpacked

    def end(self) -> None:
        """Raises `TruncatedImage` where the end of what was packed has not come."""
        if self._inflater is not None and self._begun and not self._inflater.eof:
            raise TruncatedImage("its gzip encoding is cut off; upload it again from its source")

    def _unpack(self, waiting: bytes) -> bytes:
        assert self._inflater is not None
        try:
            return self._inflater.decompress(waiting, _PIECE)
        except zlib.error:
            raise CorruptImage("its gzip encoding is damaged; upload it again from its source") from None


def _is_gzip(encoding: str) -> bool:
    """Raises `UnsupportedFormat` for an encoding of another name. `aws-chunked` is of the transfer alone."""
    names = [name.strip().lower() for name in encoding.split(",")]
    real = [name for name in names if name not in ("", "identity", "aws-chunked")]
    if real not in ([], ["gzip"], ["x-gzip"]):
        raise UnsupportedFormat(f"its Content-Encoding is {encoding[:40]}; upload it as it is, or with gzip")
    return bool(real)
