"""Memory that is kept rather than given back and asked for again."""

from __future__ import annotations

import contextlib
import ctypes

_MMAP_THRESHOLD = -3
_TRIM_THRESHOLD = -1
_TOP_PAD = -2


def keep_memory() -> None:
    """Have the C library hold on to what one request has freed: the next will want as much.

    By itself glibc returns every 128 KiB to the kernel, so that a call with a picture in it (a few copies of 150 kB)
    spends a millisecond on having the same pages taken away and zeroed again. Costs at most 16 MiB. Does nothing where
    the C library has no such settings.
    """
    with contextlib.suppress(AttributeError, OSError):
        tune = ctypes.CDLL(None).mallopt
        tune(_MMAP_THRESHOLD, 16 << 20)
        tune(_TRIM_THRESHOLD, 16 << 20)
        tune(_TOP_PAD, 1 << 20)
