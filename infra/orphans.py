"""Processes below this one whose parent has ended: made our own children, so that they can be found and ended."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans() -> None:
    """From now on a process below us whose parent ends becomes our child, not init's."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, *(ctypes.c_ulong(each) for each in (1, 0, 0, 0)))


def find_children() -> list[int]:
    """Of our first thread, which is given whoever is adopted."""
    try:
        return [int(each) for each in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]
    except OSError:
        return []
