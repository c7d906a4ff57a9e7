"""What the processes of `classify` hold, as the kernel counts it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil

from infra.host.containers.holding import peak_bytes
from infra.services.lock import Holder

MODULE = "actions.classify.__main__"


def peak_megabytes(holder: Holder | None) -> float | None:
    """The most that any has held since its first call, in MB (10⁶ bytes); None where they are not this machine's."""
    peaks = [peak for process in _containers(holder) if (peak := _peak(process))]
    return round(max(peaks) / 1e6, 1) if peaks else None


def further_megabytes(holder: Holder | None) -> float | None:
    """What one more of them takes: the most that any shares with no other, in MB; None where none can be looked at.

    The oldest is what the others are copies of.
    """
    copies = sorted(_containers(holder), key=lambda process: process.create_time())[1:]
    private = [found for process in copies if (found := _private(process))]
    return round(max(private) / 1e6, 1) if private else None


def _containers(holder: Holder | None) -> Iterator[psutil.Process]:
    with suppress(psutil.Error):
        for process in psutil.Process(holder.pid).children(recursive=True) if holder else ():
            with suppress(psutil.Error):
                if MODULE in process.cmdline():
                    yield process


def _peak(process: psutil.Process) -> int:
    with suppress(OSError):
        return peak_bytes(Path(f"/proc/{process.pid}/status").read_bytes())
    return 0


def _private(process: psutil.Process) -> int:
    with suppress(OSError):
        lines = Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines()
        return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Private_"))
    return 0
