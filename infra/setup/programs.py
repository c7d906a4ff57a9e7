"""Runs the programs that set-up is made of, passes on what they print, and ends them when it is interrupted."""

from __future__ import annotations

import os
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

TAIL = 15


class Interrupted(Exception):
    """Set-up was told to stop; what is done so far is kept and the next run goes on from there."""


class ProgramFailed(Exception):
    """A program ended badly; the message has its last lines and says where the rest is."""


class Programs:
    """The programs running now, in any thread. After `stop` those are ended and no other starts."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._running: set[subprocess.Popen[str]] = set()
        self._lock = threading.Lock()
        self.stopped = threading.Event()

    def run(
        self,
        arguments: Sequence[str | Path],
        *,
        log: str,
        environment: Mapping[str, str] | None = None,
        directory: Path | None = None,
        on_line: Callable[[str], None] | None = None,
    ) -> None:
        """Run to the end, each line of output to `on_line` and to the file `log`. Raises `ProgramFailed`."""
        self._logs.mkdir(parents=True, exist_ok=True)
        path = self._logs / f"{log}.log"
        with path.open("w") as file, self._start(arguments, environment, directory) as program:
            last = deque[str](maxlen=TAIL)
            for line in program.stdout or ():
                file.write(line)
                last.append(line)
                if on_line:
                    on_line(line.rstrip())
        self._note_end(program)
        if program.returncode:
            raise ProgramFailed(
                f"{Path(arguments[0]).name} ended with {program.returncode}; all of its output is in {path}\n"
                + "".join(last)
            )

    def stop(self) -> None:
        self.stopped.set()
        with self._lock:
            for program in self._running:
                program.terminate()

    def _start(
        self, arguments: Sequence[str | Path], environment: Mapping[str, str] | None, directory: Path | None
    ) -> subprocess.Popen[str]:
        with self._lock:
            if self.stopped.is_set():
                raise Interrupted
            program = subprocess.Popen(
                [str(argument) for argument in arguments],
                env={**os.environ, **(environment or {})},
                cwd=directory,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
            )
            self._running.add(program)
        return program

    def _note_end(self, program: subprocess.Popen[str]) -> None:
        with self._lock:
            self._running.discard(program)
        if self.stopped.is_set():
            raise Interrupted
