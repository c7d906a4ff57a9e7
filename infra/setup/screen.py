"""What set-up shows: a live line per running step on a terminal, plain lines everywhere else."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from typing import Protocol, TextIO

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

INTERVAL = 10.0


class Screen(Protocol):
    """Called from the threads of all steps."""

    def begin(self, step: str) -> None: ...

    def detail(self, step: str, text: str) -> None:
        """What the step is at; may be called often."""
        ...

    def finish(self, step: str, text: str, *, well: bool = True) -> None: ...

    def close(self) -> None: ...


class Lines:
    """For logs: a line when a step starts, each stage of it but at most one in ten seconds, and one at its end."""

    def __init__(self, out: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._out = out
        self._clock = clock
        self._lock = threading.Lock()
        self._shown: dict[str, float] = {}

    def begin(self, step: str) -> None:
        self._line(step, "started")

    def detail(self, step: str, text: str) -> None:
        if self._clock() - self._shown.get(step, 0) >= INTERVAL:
            self._line(step, text)

    def finish(self, step: str, text: str, *, well: bool = True) -> None:
        self._line(step, text if well else f"FAILED: {text}")

    def close(self) -> None:
        """Nothing is held."""

    def _line(self, step: str, text: str) -> None:
        with self._lock:
            self._shown[step] = self._clock()
            print(f"{step}: {text}", file=self._out, flush=True)


class Terminal:
    """For people: a spinner, the stage and the seconds of each running step; a lasting line when one ends."""

    def __init__(self, console: Console) -> None:
        columns = (
            SpinnerColumn(),
            TextColumn("{task.fields[step]:8}"),
            TimeElapsedColumn(),
            TextColumn("{task.description}"),
        )
        self._progress = Progress(*columns, console=console, transient=True)
        self._tasks: dict[str, TaskID] = {}
        self._progress.start()

    def begin(self, step: str) -> None:
        self._tasks[step] = self._progress.add_task("", total=None, step=step)

    def detail(self, step: str, text: str) -> None:
        self._progress.update(self._tasks[step], description=escape(text))

    def finish(self, step: str, text: str, *, well: bool = True) -> None:
        if step in self._tasks:
            self._progress.remove_task(self._tasks.pop(step))
        mark = "[green]✓[/]" if well else "[red]✗[/]"
        self._progress.console.print(f"{mark} {step}: {escape(text)}", highlight=False)

    def close(self) -> None:
        self._progress.stop()


def screen() -> Screen:
    """The one that fits where stdout goes."""
    console = Console()
    return Terminal(console) if console.is_terminal else Lines(sys.stdout)
