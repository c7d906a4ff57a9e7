"""Stand-ins that implement a seam for real, kept honest by running the real thing through the same tests."""

from __future__ import annotations

import asyncio
import copy
import functools
import io
import time
import traceback
from collections.abc import Sequence
from typing import Any

from infra.host.calls import Busy, Call, Executable, Ran, Status
from infra.host.json_bodies import dump


class InProcessPool:
    """Runs text Python actions in this process: no isolation, no limits but time, and no binary code.

    Each call has a thread, so that actions may sleep; one that is out of time is left to itself.
    """

    def __init__(self, capacity: int = 1000) -> None:
        self.capacity = capacity
        self.running = 0
        self.calls: list[Call] = []
        self.started: set[str] = set()
        self.stopped = False

    async def start(self) -> None:
        pass

    def prewarm(self, executables: Sequence[Executable]) -> None:
        pass

    async def stop(self) -> None:
        self.stopped = True

    async def run(self, call: Call) -> Ran:
        if self.running >= self.capacity:
            raise Busy
        self.running += 1
        self.calls.append(call)
        cold = call.executable.revision not in self.started
        self.started.add(call.executable.revision)
        start = milliseconds()
        try:
            status, result, logs = await _run(call)
        finally:
            self.running -= 1
        late = status == 2 and "time limits" in str(result)
        size = len(dump(result)) if status < 2 else None
        return Ran(status, result, logs, start, milliseconds(), 0, 1 if cold else None, timed_out=late, size=size)


def milliseconds() -> int:
    return int(time.time() * 1000)


async def _run(call: Call) -> tuple[Status, Any, Sequence[str]]:
    output = io.StringIO()
    limit = call.executable.limits.timeout
    try:
        async with asyncio.timeout(limit / 1000):
            result = await _call(call, output)
    except TimeoutError:
        return 2, {"error": f"The action exceeded its time limits of {limit} milliseconds."}, ()
    except SystemExit:
        return 2, {"error": "The action did not produce a valid response and exited unexpectedly."}, ()
    except Exception as error:  # noqa: BLE001 - the action's own, whatever it is
        return 1, {"error": str(error)}, traceback.format_exc().splitlines()
    logs = [f"{'2026-01-01T00:00:00.000000000Z':30} stdout: {line}" for line in output.getvalue().splitlines()]
    return *_status(result), logs


async def _call(call: Call, output: io.StringIO) -> Any:
    # Its own `print`, because `sys.stdout` is everybody's.
    names: dict[str, Any] = {"__name__": "action", "print": functools.partial(print, file=output)}
    exec(call.executable.code, names)
    return await asyncio.to_thread(names[call.executable.main], _arguments(call))


def _arguments(call: Call) -> Any:
    # A copy: an action may do with its arguments as it likes.
    return copy.copy(call.arguments)


def _status(result: Any) -> tuple[Status, Any]:
    if isinstance(result, dict) and "error" in result:
        return 1, {"error": result["error"]}
    if isinstance(result, dict | list):
        return 0, result
    return 2, {"error": "The action did not return a dictionary or array."}
