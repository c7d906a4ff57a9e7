"""The seam between the host's API (entities, activations, dispatch) and the pool that owns its processes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol


@dataclass(frozen=True, slots=True)
class ActionLimits:
    """Limits of one action: milliseconds, megabytes, megabytes, activations at once in one container."""

    timeout: int = 60_000
    memory: int = 256
    logs: int = 10
    concurrency: int = 1


@dataclass(frozen=True, slots=True)
class Executable:
    """What a container is initialised with. Two equal `revision`s may share warm containers; others never do.

    `runtime` is the resolved kind (`python:3.11`) or, for a blackbox, `blackbox:<image>`. `code` is text, or base64 of
    a zip when `binary`. `environment` holds the `init` parameters, as strings. `preload` names modules that a
    container for this action should have imported before `/init`.
    """

    name: str
    revision: str
    runtime: str
    main: str
    code: str
    binary: bool
    environment: Mapping[str, str] = field(default_factory=dict)
    limits: ActionLimits = ActionLimits()
    preload: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Call:
    """One activation to run. `context` becomes the string fields beside `value` in `/run`, and `__OW_*` at `/init`:
    `activation_id`, `transaction_id`, `namespace`, `action_name` (`/guest/pkg/name`), `action_version`, `api_key`?.
    The pool adds `deadline` itself, when the run begins. Whoever asked without a key waits behind all others.
    """

    executable: Executable
    arguments: Mapping[str, Any]
    context: Mapping[str, str]
    keyless: bool = False


Status = Literal[0, 1, 2, 3]


@dataclass(frozen=True, slots=True)
class Ran:
    """How a call ended. Times in ms since the epoch (`start`, `end`) or ms; `init_time` is None in a warm container.

    `status`: 0 success, 1 application error, 2 developer error, 3 internal error. `result` is already reduced to what
    the activation keeps (`{"error": …}` alone for 1 and 2). `logs` are stored lines: `"%-30s stdout|stderr: text"`.
    `size` are the bytes of what the container answered, where it did.
    """

    status: Status
    result: Any
    logs: Sequence[str]
    start: int
    end: int
    wait_time: int
    init_time: int | None
    timed_out: bool = False
    size: int | None = None


class Busy(Exception):
    """The pool's queue is full; nothing was run. The caller answers 429."""


class Pool(Protocol):
    """Runs calls in containers it starts, keeps warm, limits and ends."""

    async def start(self) -> None: ...

    async def run(self, call: Call) -> Ran:
        """Run one call to its end; any failure of the action is a `Ran`. Raises `Busy` at once if the queue is full."""
        ...

    def prewarm(self, executables: Sequence[Executable]) -> None:
        """Replace the set of actions whose modules are kept preloaded. Returns at once."""
        ...

    async def stop(self) -> None:
        """End every container, within a second, whatever it is doing."""
        ...
