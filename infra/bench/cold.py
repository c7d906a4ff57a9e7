"""First calls: of a copy of `classify` that no container has seen, with a stem cell ready for it and without."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from infra.bench.calls import ACTION, timed
from infra.bench.clients import Caller, Failed
from infra.whisk import Whisk

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


def measure(whisk: Whisk, caller: Caller, body: bytes, times: int, tell: Callable[[int], None]) -> Cold:
    """So many first calls of each kind."""
    original = whisk.get("actions", ACTION)
    if original is None:
        raise Failed(f"there is no action {ACTION}: `pixwhisk deploy` makes it")
    stem, nothing = [], []
    for number in range(times):
        time.sleep(PAUSE_STEM_CELL)
        stem.append(_first(whisk, caller, copied(original), body))
        time.sleep(PAUSE_STEM_CELL)
        nothing.append(_first(whisk, caller, unprepared(original), body))
        tell((number + 1) * 2)
    return Cold(stem, nothing)


def _first(whisk: Whisk, caller: Caller, wanted: dict[str, Any], body: bytes) -> float:
    # A name of its own each time: containers are an action's own.
    name = f"{COPY}-{time.time_ns():x}"
    whisk.put("actions", name, wanted)
    try:
        return timed(caller, name, body)[0]
    finally:
        whisk.delete("actions", name)


def copied(original: dict[str, Any]) -> dict[str, Any]:
    """The body that makes the same action again."""
    return {name: original[name] for name in ("exec", "limits", "parameters", "annotations")}


def unprepared(original: dict[str, Any]) -> dict[str, Any]:
    """The same, of a size and with annotations that no stem cell is kept for."""
    kept = [each for each in original["annotations"] if each["key"] != "preload"]
    return copied(original) | {"limits": original["limits"] | {"memory": MEMORY_OTHER}, "annotations": kept}
