"""Ends what containers leave behind where neither this host nor `up` lives to do it.

A container's lifeline (`ends`) is in its own hands, too: an action that closes every copy of it is not told when this
host ends. So one small process of no container, which no action may signal, is told of each group as it comes and goes;
when nobody can write to it any more, it kills those that are left. It has a session of its own, so that whatever ends
this host by its group does not end it.
"""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

_SHELL = shutil.which("sh")
_PROGRAM = """
left=' '
while read -r what group; do
    case $what in
        +) left="$left$group " ;;
        -) left="${left%% "$group" *} ${left#* "$group" }" ;;
    esac
done
for group in $left; do kill -s KILL -- "-$group"; done
"""


class Guard:
    """From `start` to the end of this process, or until `stop`. Without a shell on the machine there is none."""

    def __init__(self) -> None:
        self._groups: set[int] = set()
        self._process: int | None = None
        self._telling: int | None = None

    def start(self) -> None:
        if _SHELL is None:
            return
        reading, self._telling = os.pipe()
        os.set_blocking(self._telling, False)
        given: list[Any] = [(os.POSIX_SPAWN_DUP2, reading, 0)]
        given += [(os.POSIX_SPAWN_OPEN, each, os.devnull, os.O_WRONLY, 0) for each in (1, 2)]
        self._process = os.posix_spawn(_SHELL, [_SHELL, "-c", _PROGRAM], {}, file_actions=given, setsid=True)
        os.close(reading)

    def stop(self) -> None:
        """What is still watched is killed."""
        if self._telling is not None and self._process is not None:
            os.close(self._telling)
            os.waitpid(self._process, 0)
            self._telling = self._process = None

    @contextmanager
    def watching(self, group: int) -> Iterator[None]:
        """Within, the process group is ended if this host is."""
        self._groups.add(group)
        self._tell(f"+ {group}\n")
        try:
            yield
        finally:
            self._groups.discard(group)
            self._tell(f"- {group}\n")

    def _tell(self, what: str) -> None:
        if self._telling is None:
            return
        try:
            os.write(self._telling, what.encode())
        except OSError:
            # Somebody has killed or stopped it.
            self._replace()

    def _replace(self) -> None:
        if self._process is not None:
            os.kill(self._process, signal.SIGKILL)
        self.stop()
        self.start()
        if self._telling is not None:
            with suppress(OSError):
                os.write(self._telling, "".join(f"+ {each}\n" for each in self._groups).encode())
