"""Runs the steps of set-up side by side, each under a lock of its own, and says how each ended."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from infra.files import try_lock
from infra.reports import Report
from infra.setup.programs import Interrupted, ProgramFailed, Programs
from infra.setup.screen import Screen


class Impossible(Exception):
    """A step cannot be done on this machine; the message says what would make it possible."""


class Step(Protocol):
    @property
    def name(self) -> str: ...

    def present(self) -> str | None:
        """What is there already, in a few words, or None when there is work to do. Costs next to nothing."""
        ...

    def make(self, programs: Programs, report: Report) -> str:
        """Do it, from wherever an interrupted run left it, and say what there is now."""
        ...


@dataclass(frozen=True, slots=True)
class StepFailed:
    step: str
    problem: str


def run(steps: Sequence[Step], programs: Programs, screen: Screen, locks: Path) -> list[StepFailed]:
    """Run all steps at once; one that fails does not stop the others. An interruption stops all and is raised."""
    locks.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(max_workers=max(1, len(steps))) as threads:
        futures = [threads.submit(_one, step, programs, screen, locks / f"{step.name}.lock") for step in steps]
        try:
            wait(futures)
        except BaseException:
            programs.stop()
            raise
    return [failed for future in futures if (failed := _outcome(future))]


def _outcome(future: Future[StepFailed | None]) -> StepFailed | None:
    return future.result()


def _one(step: Step, programs: Programs, screen: Screen, lock: Path) -> StepFailed | None:
    try:
        there = step.present()
        if there is None:
            there = _make(step, programs, screen, lock)
    except Interrupted:
        return StepFailed(step.name, "interrupted")
    except (Impossible, ProgramFailed, OSError) as problem:
        screen.finish(step.name, str(problem), well=False)
        return StepFailed(step.name, str(problem))
    screen.finish(step.name, there)
    return None


def _make(step: Step, programs: Programs, screen: Screen, lock: Path) -> str:
    began = time.monotonic()
    screen.begin(step.name)

    def report(text: str) -> None:
        screen.detail(step.name, text)

    with holding(lock, programs, report):
        there = step.present() or step.make(programs, report)
    return f"{there} in {time.monotonic() - began:.1f} s"


@contextmanager
def holding(path: Path, programs: Programs, report: Report) -> Iterator[None]:
    """Hold a lock that ends with the process, so that two set-ups of one user never do the same work at once."""
    with path.open("w") as file:
        while not try_lock(file.fileno()):
            report("waiting for another set-up that is at it")
            if programs.stopped.wait(0.2):
                raise Interrupted
        yield
