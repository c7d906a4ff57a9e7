"""One activation in one container: `/init` if need be, `/run`, logs, and what OpenWhisk makes of each way to end."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from infra.host.calls import ActionLimits, Call, Executable, Ran, Status
from infra.host.containers.connection import Lost, Response, TooSlow, Wire
from infra.host.containers.logs import INCOMPLETE
from infra.host.containers.sandbox import Sandbox
from infra.host.json_bodies import WrittenObject

LIMIT_RESULT = 1 << 20
# For both sentinels, after the response. They have normally come before it.
TIMEOUT_LOGS = 2.0
TIMEOUT_START = 30.0
# For a process that closed its connection to be seen to end.
TIMEOUT_EXIT = 1.0

EXHAUSTED = "The action exhausted its memory and was aborted."
NOT_RUN = "The action did not produce a valid response and exited unexpectedly."
NOT_INITIALIZED = "The action did not initialize and exited unexpectedly."
NOT_STARTED = "The container for the action did not start. See the host's log."


@dataclass(frozen=True, slots=True)
class Ended:
    """How `/init` or `/run` ended; `result` is what the activation keeps, of an answer of `size` bytes."""

    status: Status
    result: Any
    timed_out: bool = False
    size: int | None = None


class NotStarted(Exception):
    """The proxy did not come up."""


class Container:
    """A sandbox with the connection to its proxy. One call at a time; after one that is not `healthy`, destroy it."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.initialized = False
        self.healthy = True
        self._wire: Wire | None = None

    async def start(self) -> None:
        """Wait until the proxy has preloaded and answers. Raises `NotStarted`."""
        self._wire = await self.sandbox.connect(LIMIT_RESULT)
        try:
            await self._wire.request("GET", "/", b"", TIMEOUT_START)
        except (Lost, TooSlow):
            self.healthy = False
            raise NotStarted from None
        self.sandbox.forget_peak()

    async def run(self, call: Call, arrived: int) -> Ran:
        """Run `call`, which `arrived` (ms since the epoch) to be run. Only cancellation is raised."""
        limits = call.executable.limits
        store = self.sandbox.capture.begin(limits.logs << 20)
        start = milliseconds()
        ended, init_time = None, None
        if not self.initialized:
            ended = await self._init(call, limits)
            init_time = milliseconds() - start
        if ended is None:
            ended = await self._run(call, limits)
        end = milliseconds()
        patience = TIMEOUT_LOGS if self.sandbox.alive else 0.1
        # One without its sentinels may still be writing: its next lines would be taken for another activation's.
        self.healthy = await self.sandbox.capture.end(patience) and self.sandbox.alive and ended.status < 2
        if ended.status == 2:
            store.note(INCOMPLETE)
        return Ran(
            status=ended.status,
            result=ended.result,
            logs=store.lines,
            start=start,
            end=end,
            wait_time=max(0, start - arrived),
            init_time=init_time,
            timed_out=ended.timed_out,
            size=ended.size,
        )

    async def _init(self, call: Call, limits: ActionLimits) -> Ended | None:
        """None where the action is ready to run."""
        body = init_body(call, milliseconds() + limits.timeout)
        try:
            response = await self._request("/init", body, limits)
        except TooSlow:
            return self._report_timeout(limits, " during initialization.")
        except Lost:
            return await self._report_loss(NOT_INITIALIZED)
        if response.status != 200:
            return Ended(2, error_of(response, "The action failed during initialization"))
        self.initialized = True
        return None

    async def _run(self, call: Call, limits: ActionLimits) -> Ended:
        body = run_body(call, milliseconds() + limits.timeout)
        try:
            response = await self._request("/run", body, limits)
        except TooSlow:
            return self._report_timeout(limits, ".")
        except Lost:
            return await self._report_loss(NOT_RUN)
        # An answer came, and does not count: with a cgroup's limit, as Docker sets, the process would have been killed
        # in the moment it went over, and an action must not do here what it cannot do there.
        if self.sandbox.has_peaked():
            self.sandbox.exhausted = True
            return await self._report_loss(NOT_RUN)
        return outcome(response)

    async def _request(self, path: str, body: bytes, limits: ActionLimits) -> Response:
        if self._wire is None:
            raise Lost
        return await self._wire.request("POST", path, body, limits.timeout / 1000)

    def _report_timeout(self, limits: ActionLimits, phase: str) -> Ended:
        self.sandbox.kill()
        message = f"The action exceeded its time limits of {limits.timeout} milliseconds{phase}"
        return Ended(2, {"error": message}, timed_out=True)

    async def _report_loss(self, message: str) -> Ended:
        if not await self.sandbox.exits(TIMEOUT_EXIT):
            self.sandbox.kill()
        return Ended(2, {"error": EXHAUSTED if self.sandbox.exhausted else message})


def milliseconds() -> int:
    return time.time_ns() // 1_000_000


def encode(document: object) -> bytes:
    try:
        return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        # Half of a surrogate pair has no UTF-8; escaped it passes.
        return json.dumps(document, separators=(",", ":")).encode()


def init_body(call: Call, deadline: int) -> bytes:
    executable: Executable = call.executable
    context = {f"__OW_{name.upper()}": value for name, value in call.context.items()}
    value = {
        "name": executable.name,
        "main": executable.main,
        "binary": executable.binary,
        "code": executable.code,
        "env": {**executable.environment, **context, "__OW_DEADLINE": str(deadline)},
    }
    return encode({"value": value})


def run_body(call: Call, deadline: int) -> bytes:
    # The stock launcher dies of a context value that is not text.
    context = {**call.context, "deadline": str(deadline)}
    if isinstance(call.arguments, WrittenObject):
        # Its own text: a picture's base64 would be read, and written, letter by letter.
        return b'{"value":{' + call.arguments.members + b"}," + encode(context)[1:]
    return encode({"value": call.arguments, **context})


def outcome(response: Response) -> Ended:
    """What OpenWhisk makes of a container's answer to `/run`."""
    if response.length > LIMIT_RESULT:
        return Ended(1, {"error": too_long(response)})
    if response.status != 200:
        return Ended(2, error_of(response, "The action did not produce a valid JSON or JSON Array response"))
    parsed = parse(response.body)
    if isinstance(parsed, dict):
        failed = "error" in parsed
        kept = {"error": parsed["error"]} if failed else parsed
        return Ended(1 if failed else 0, kept, size=response.length)
    if isinstance(parsed, list):
        return Ended(0, parsed, size=response.length)
    return Ended(2, {"error": invalid("The action did not produce a valid JSON or JSON Array response", response)})


def error_of(response: Response, otherwise: str) -> Mapping[str, Any]:
    """The container's own `error`, else `otherwise` with what it said."""
    parsed = parse(response.body)
    if isinstance(parsed, dict) and "error" in parsed:
        return {"error": parsed["error"]}
    return {"error": invalid(otherwise, response)}


def invalid(message: str, response: Response) -> str:
    said = response.body.decode(errors="replace")
    return f"{message}: {said}" if said else f"{message}."


def too_long(response: Response) -> str:
    said = response.body.decode(errors="ignore")
    return (
        f"The action produced a response that exceeded the allowed length: {response.length} > {LIMIT_RESULT} bytes. "
        f"The truncated response was: {said}"
    )


def parse(body: bytes) -> Any:
    """The JSON value, or None for what is none."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None
