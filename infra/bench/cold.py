"""First calls: of a copy of `classify` that no container has seen, with a stem cell ready for it and without.

Without: the copy is of a size that there is no stem cell of, and is called as soon as it is made. Time counts from
before it is made, since a host may begin to prepare a container then.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from infra.bench.calls import ACTION, time_call
from infra.bench.clients import BenchFailed, Caller
from infra.openwhisk.client import Whisk

COPY = "pixwhisk-bench-classify"
# A stem cell that was taken is replaced within this, in s, on any machine that does nothing else.
PAUSE_STEM_CELL = 2.0
# No stem cell is of this size, in MB; the action itself is the same.
MEMORY_OTHER = 160


@dataclass(frozen=True, slots=True)
class Cold:
    """Milliseconds of first calls as the caller saw them, decode and inference included."""

    from_stem_cell: Sequence[float]
    from_nothing: Sequence[float]
    # What starting Python itself takes, with the options that containers are started with and nothing to do.
    empty_python: Sequence[float]


def measure(whisk: Whisk, caller: Caller, body: bytes, times: int, report: Callable[[int], None]) -> Cold:
    """So many first calls of each kind."""
    original = whisk.get("actions", ACTION)
    if original is None:
        raise BenchFailed(f"there is no action {ACTION}: `pixwhisk deploy` makes it")
    stem, nothing, empty = [], [], []
    for number in range(times):
        time.sleep(PAUSE_STEM_CELL)
        stem.append(_first(whisk, caller, copy(original), body).call)
        time.sleep(PAUSE_STEM_CELL)
        nothing.append(call_new_action(whisk, caller, original, body)[1])
        empty.append(_start_empty_python())
        report((number + 1) * 2)
    return Cold(stem, nothing, empty)


def _start_empty_python() -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-I", "-S", "-B", "-c", ""], check=True)
    return (time.perf_counter() - began) * 1000


def call_new_action(whisk: Whisk, caller: Caller, original: dict[str, Any], body: bytes) -> tuple[str, float]:
    """Make a copy of an action that nothing is prepared for, and call it: its name, and the milliseconds of both."""
    first = _first(whisk, caller, resize(original), body)
    return first.name, first.whole


@dataclass(frozen=True, slots=True)
class _First:
    """One first call: of which action, how long it took, and how long with the action's making (ms)."""

    name: str
    call: float
    whole: float


def _first(whisk: Whisk, caller: Caller, wanted: dict[str, Any], body: bytes) -> _First:
    # A name of its own each time: containers are an action's own.
    name = f"{COPY}-{time.time_ns():x}"
    began = time.perf_counter()
    whisk.put("actions", name, wanted)
    try:
        milliseconds, _ = time_call(caller, name, body)
        return _First(name, milliseconds, (time.perf_counter() - began) * 1000)
    finally:
        whisk.delete("actions", name)


def copy(original: dict[str, Any]) -> dict[str, Any]:
    """The body that makes the same action again."""
    return {name: original[name] for name in ("exec", "limits", "parameters", "annotations")}


def resize(original: dict[str, Any]) -> dict[str, Any]:
    """The same, of another size."""
    return copy(original) | {"limits": original["limits"] | {"memory": MEMORY_OTHER}}
