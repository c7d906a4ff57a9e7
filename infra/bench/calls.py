"""Warm calls of `classify` through the API, in turns with decode and inference alone, and what they do to memory."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from infra.bench.alone import Worker
from infra.bench.clients import Caller

ACTION = "pixwhisk/classify"


@dataclass(slots=True)
class Calls:
    """Milliseconds of each call as the caller saw it; `resident` is what each by key said the process held (MB)."""

    inline: list[float] = field(default_factory=list)
    by_key: list[float] = field(default_factory=list)
    alone: list[float] = field(default_factory=list)
    resident: list[float] = field(default_factory=list)

    @property
    def growth(self) -> float:
        """Megabytes that the process held more in the last tenth of the calls than in the first."""
        tenth = max(1, len(self.resident) // 10)
        first, last = self.resident[:tenth], self.resident[-tenth:]
        return sum(last) / len(last) - sum(first) / len(first)


def measure(
    caller: Caller, worker: Worker, picture: bytes, named: dict[str, str], *, turns: int, report: Callable[[int], None]
) -> Calls:
    """`turns` of twenty calls of each kind."""
    inline, by_key = inline_body(picture), json.dumps(named).encode()
    calls = Calls()
    for body in (inline, by_key):
        time_call(caller, ACTION, body)
    for turn in range(turns):
        calls.alone += worker.times(20)
        calls.inline += [time_call(caller, ACTION, inline)[0] for _ in range(20)]
        for _ in range(20):
            milliseconds, result = time_call(caller, ACTION, by_key)
            calls.by_key.append(milliseconds)
            calls.resident.append(result["outcomes"][0]["receipt"]["rssMb"])
        report((turn + 1) * 60)
    return calls


def inline_body(picture: bytes) -> bytes:
    """The arguments of a call that brings its picture."""
    return json.dumps({"image": base64.b64encode(picture).decode()}).encode()


def time_call(caller: Caller, action: str, body: bytes) -> tuple[float, dict[str, Any]]:
    """Milliseconds, and the result."""
    began = time.perf_counter()
    result = caller.invoke(action, body)
    return (time.perf_counter() - began) * 1000, result
