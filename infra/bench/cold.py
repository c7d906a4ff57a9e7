"""First calls: of a copy of `classify` that no container has seen, called as soon as it is made.

Time counts from before it is made, since a host may begin to prepare a container then.
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
# What the call before has left to be done is done within this, in s.
PAUSE = 1.0


@dataclass(frozen=True, slots=True)
class Cold:
    """Milliseconds of first calls as the caller saw them, decode and inference included."""

    from_nothing: Sequence[float]
    # What starting Python itself takes, with the options that containers are started with and nothing to do.
    empty_python: Sequence[float]


def measure(whisk: Whisk, caller: Caller, body: bytes, times: int, report: Callable[[int], None]) -> Cold:
    """So many of each kind, in turns."""
    original = whisk.get("actions", ACTION)
    if original is None:
        raise BenchFailed(f"there is no action {ACTION}: `pixwhisk deploy` makes it")
    nothing, empty = [], []
    for number in range(times):
        time.sleep(PAUSE)
        nothing.append(call_new_action(whisk, caller, original, body)[1])
        empty.append(_start_empty_python())
        report(number + 1)
    return Cold(nothing, empty)


def _start_empty_python() -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-I", "-S", "-B", "-c", ""], check=True)
    return (time.perf_counter() - began) * 1000


def call_new_action(whisk: Whisk, caller: Caller, original: dict[str, Any], body: bytes) -> tuple[str, float]:
    """Make a copy of an action and call it: its name, and the milliseconds of both."""
    # A name of its own each time: containers are an action's own.
    name = f"{COPY}-{time.time_ns():x}"
    began = time.perf_counter()
    whisk.put("actions", name, copy(original))
    try:
        time_call(caller, name, body)
        return name, (time.perf_counter() - began) * 1000
    finally:
        whisk.delete("actions", name)


def copy(original: dict[str, Any]) -> dict[str, Any]:
    """The body that makes the same action again."""
    return {name: original[name] for name in ("exec", "limits", "parameters", "annotations")}
