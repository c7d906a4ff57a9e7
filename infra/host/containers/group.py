"""The process group of one container: it is there before the container, and its number nobody else's until the end.

A container's processes may not leave their group (`seccomp`), so one signal ends them all at once, however they were
started. But a filter that forbids leaving a group also forbids making one, and it is in force before the container's
first process runs. So somebody else makes it: a program that ends at once and, not being waited for, keeps its number.
Whoever loses their parent becomes our own child (`infra.orphans`), which is how they are found and counted.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from contextlib import suppress

from infra.orphans import find_children

_MAKER = shutil.which("true")


def make_group() -> int:
    """A new process group of this session, to be given back by `leave_group`. Raises `OSError`."""
    command = [_MAKER] if _MAKER else [sys.executable, "--version"]
    nothing = [(os.POSIX_SPAWN_OPEN, each, os.devnull, os.O_RDWR, 0) for each in (0, 1, 2)]
    return os.posix_spawn(command[0], command, {}, file_actions=nothing, setpgroup=0)


def kill_group(group: int) -> None:
    """End all that is in it, at once: no process starts another meanwhile."""
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


def leave_group(group: int) -> None:
    """Wait for our children in it, who have been killed, and give its number back."""
    with suppress(ChildProcessError):
        while True:
            os.waitpid(-group, 0)


def find_adopted(group: int, first: int) -> list[int]:
    """Our children in the group besides its maker and the process `first`; those that have ended are waited for."""
    found = []
    for each in find_children():
        if each not in (group, first) and _group_of(each) == group:
            with suppress(ChildProcessError):
                if os.waitpid(each, os.WNOHANG)[0] == 0:
                    found.append(each)
    return found


def _group_of(process_id: int) -> int | None:
    try:
        return os.getpgid(process_id)
    except ProcessLookupError:
        return None
