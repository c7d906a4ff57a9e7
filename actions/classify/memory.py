"""Keep the process as small after a large picture as it was before."""

from __future__ import annotations

import contextlib
import ctypes

_ARENA_MAX = -8
_MMAP_THRESHOLD = -3
_TRIM_THRESHOLD = -1


def return_memory_early() -> None:
    """Have the C library give large blocks back as soon as they are freed.

    By itself glibc learns from the first large block that such blocks come often, and from then on keeps them on its
    heap, where a small one behind them holds them for good; and every thread that fetches gets a heap of its own. Does
    nothing where the C library has no such settings.
    """
    with contextlib.suppress(AttributeError, OSError):
        tune = ctypes.CDLL(None).mallopt
        tune(_MMAP_THRESHOLD, 4 * 2**20)
        tune(_TRIM_THRESHOLD, 4 * 2**20)
        tune(_ARENA_MAX, 2)
