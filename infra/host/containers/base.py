"""Where containers live: among temporary files that are on a disk, if there are any.

A file in memory (tmpfs) stays although no process holds it, and no limit of a container's knows of it.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

_OTHER = Path("/var/tmp")  # noqa: S108 - what is made there has a name of chance and is private
_IN_MEMORY = ("tmpfs", "ramfs")


def find_base() -> Path:
    """The directory of temporary files; the one that outlasts a restart where that is in memory and this is not."""
    usual = Path(tempfile.gettempdir())
    if is_in_memory(usual) and os.access(_OTHER, os.W_OK | os.X_OK) and not is_in_memory(_OTHER):
        return _OTHER
    return usual


def is_in_memory(directory: Path) -> bool:
    """Whether what is written there takes memory and no disk."""
    device = directory.stat().st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    mounts = (line.split() for line in Path("/proc/self/mountinfo").read_text().splitlines())
    return any(mount[2] == number and mount[mount.index("-") + 1] in _IN_MEMORY for mount in mounts)
