"""What the C library does with memory that is freed. Two programs want opposite things of it, each for a reason."""

from __future__ import annotations

import contextlib
import ctypes

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -2, -3, -8


def return_memory_early() -> None:
    """For an action: have large blocks given back as soon as they are freed.

    By itself glibc learns from the first large block that such blocks come often, and from then on keeps them on its
    heap, where a small one behind them holds them for good; and every thread that fetches gets a heap of its own.
    """
    _tune({_MMAP_THRESHOLD: 4 << 20, _TRIM_THRESHOLD: 4 << 20, _ARENA_MAX: 2})


def keep_memory() -> None:
    """For a server: have what one request has freed held on to, for the next will want as much.

    By itself glibc returns every 128 KiB to the kernel, so that a call with a picture in it (a few copies of 150 kB)
    spends a millisecond on having the same pages taken away and zeroed again. Costs at most 16 MiB.
    """
    _tune({_MMAP_THRESHOLD: 16 << 20, _TRIM_THRESHOLD: 16 << 20, _TOP_PAD: 1 << 20})


def _tune(settings: dict[int, int]) -> None:
    # Only glibc has `mallopt`; elsewhere things stay as they are.
    with contextlib.suppress(AttributeError, OSError):
        mallopt = ctypes.CDLL(None).mallopt
        for name, value in settings.items():
            mallopt(name, value)
