"""How long each stage took and how much memory the process holds, told in the activation's log."""

from __future__ import annotations

import os
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

_PAGE = resource.getpagesize()


def resident_megabytes() -> float:
    """What the process holds in memory now."""
    return int(os.pread(_memory(), 128, 0).split()[1]) * _PAGE / 1e6


@cache
def _memory() -> int:
    """Kept open: it is asked for several times a call."""
    return os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)


class Stages:
    """Times stages by name, in milliseconds. Unless `quiet`, each tells the log as it ends."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._begun = time.perf_counter()
        self._quiet = quiet
        self.times: dict[str, float] = {}

    @property
    def elapsed(self) -> float:
        """Milliseconds since this was made."""
        return (time.perf_counter() - self._begun) * 1000

    @contextmanager
    def measure(self, name: str) -> Iterator[None]:
        """Time what is inside, also when it fails."""
        begun = self.elapsed
        try:
            yield
        finally:
            self.note(name, self.elapsed - begun)

    def note(self, name: str, milliseconds: float) -> None:
        """Take down a stage that was timed elsewhere. Of one that comes again, as with a second model, times add up."""
        self.times[name] = self.times.get(name, 0) + milliseconds
        if not self._quiet:
            say(name, milliseconds)


def say(name: str, milliseconds: float) -> None:
    """Two lines of the log: the stage, and the memory at its end."""
    # In one write: whoever reads the log is woken by each.
    sys.stdout.write(f"{name}: {milliseconds:.1f}ms\nmemory used: rss={resident_megabytes():.2f} MB\n")
