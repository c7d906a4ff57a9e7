"""How long `up` takes on a machine that is set up: the first time in a directory, and again."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

Start = Callable[[Path], None]


def measure(start: Start, stop: Start, data: Path) -> tuple[float, float]:
    """Seconds of the first start and of the second. It runs afterwards."""
    first = _seconds(start, data)
    stop(data)
    return first, _seconds(start, data)


def _seconds(work: Start, data: Path) -> float:
    began = time.perf_counter()
    work(data)
    return time.perf_counter() - began
