"""How much memory this container may use, so that limits need not be told apart from it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

MIB = 2**20
SMALLEST = 128 * MIB
# OpenWhisk sells no larger ones: a limit beyond this is a machine's, and says nothing of an action.
_LARGEST = 2048 * MIB

_CGROUPS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


def container_memory(environ: Mapping[str, str]) -> int:
    """Bytes: as the embedded host says, whose containers are processes, or as the container's control group does.

    The smallest that OpenWhisk sells where nobody says.
    """
    told = environ.get("CONTAINER_MEMORY", "")
    if re.fullmatch(r"[1-9]\d{0,11}", told, re.ASCII):
        return int(told)
    for path in _CGROUPS:
        with suppress(OSError, ValueError):
            limit = int(path.read_text())
            return limit if SMALLEST <= limit <= _LARGEST else SMALLEST
    return SMALLEST
