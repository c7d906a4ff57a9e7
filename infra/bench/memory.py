"""What the processes of `classify` hold at most, as the kernel has counted since each took its first call."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil

from infra.host.containers.sandbox import peak_bytes
from infra.services.lock import Holder

MODULE = "actions.classify.__main__"


def peak_megabytes(holder: Holder | None) -> float | None:
    """The highest of all of them, in MB (10⁶ bytes); None where they are not this machine's."""
    peaks = [peak for process in _containers(holder) if (peak := _peak(process))]
    return round(max(peaks) / 1e6, 1) if peaks else None


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
