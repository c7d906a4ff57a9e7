"""Progress of long commands: on a terminal only, on stderr, so that stdout stays what was asked for."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable
from typing import Self

Look = Callable[[], tuple[int, str]]


class Counting(contextlib.AbstractContextManager["Counting"]):
    """Shows, while inside, how many there are so far, the rate, and a word on them; asks `look` four times a second.

    With `total` (known or looked for later) it shows a bar and when it will be done.
    """

    def __init__(self, title: str, look: Look, total: Callable[[], int | None] | None = None) -> None:
        self._title, self._look, self._total = title, look, total
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._show, name="progress", daemon=True)

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            self._thread.start()
        return self

    def __exit__(self, *_raised: object) -> None:
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()

    def _show(self) -> None:
        # Late: a tenth of a second that only a terminal is worth.
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        columns = [TextColumn("{task.description}")]
        bars = [BarColumn(), TimeRemainingColumn()] if self._total else []
        words = TextColumn("{task.completed:,.0f} ({task.fields[rate]:,.0f}/s) {task.fields[words]}")
        began = time.monotonic()
        with Progress(*columns, *bars, words, console=Console(stderr=True), transient=True) as progress:
            task = progress.add_task(self._title, total=None, rate=0.0, words="")
            while not self._ended.wait(0.25):
                count, text = self._look()
                rate = count / (time.monotonic() - began)
                total = self._total() if self._total else None
                progress.update(task, completed=count, total=total, rate=rate, words=text)
