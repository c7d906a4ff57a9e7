"""The zygotes there are: one for each set of modules that a deployed action wants preloaded, and one for none.

They stand for OpenWhisk's stem cells, of which an invoker keeps so many of each kind and size as its runtimes manifest
says. A zygote serves all sizes and any number of containers, and takes its memory once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from infra.host.containers.kinds import Runtimes, zygote_command
from infra.host.containers.sandbox import open_zygote
from infra.host.containers.zygote import Zygote
from infra.logs import EventLogger

log = EventLogger(__name__)

Preload = tuple[str, ...]

# Each holds what it has preloaded for as long as the host runs. Containers that want other modules start from nothing.
LIMIT_ZYGOTES = 8
# One that keeps ending, or cannot be copied, is left alone until the next `want`.
LIMIT_FAILURES = 3
KIND = "python:default"


class Zygotes:
    """Starts one for each set wanted, and again where one ended. `memory`: bytes of the largest container there may be.

    A zygote counts into nobody's memory: it is there once, whatever the number of containers, and they share with it.
    """

    def __init__(self, runtimes: Runtimes, environment: dict[str, str], memory: int) -> None:
        self._runtimes = runtimes
        self._environment = environment
        self._memory = memory
        self._directory: Path | None = None
        self._wanted: Sequence[Preload] = ()
        self._running: dict[Preload, Zygote] = {}
        self._failures: dict[Preload, int] = {}
        self._endings: set[asyncio.Task[None]] = set()
        self._count = 0

    def open(self, directory: Path) -> None:
        """From now on they live below `directory`, until `close`."""
        self._directory = directory
        self.want(())

    def close(self) -> Sequence[asyncio.Task[None]]:
        """End all; what is left to wait for."""
        self._directory = None
        for preload in list(self._running):
            self._running.pop(preload).sandbox.kill()
        return list(self._endings)

    def want(self, preloads: Sequence[Preload]) -> None:
        """Replace what is wanted. Zygotes of other modules end, and their containers stay."""
        distinct = list(dict.fromkeys([(), *preloads]))
        if len(distinct) > LIMIT_ZYGOTES:
            log.warning("zygotes-too-many", wanted=len(distinct), started=LIMIT_ZYGOTES)
        self._wanted = distinct[:LIMIT_ZYGOTES]
        self._failures.clear()
        for preload in self._running.keys() - set(self._wanted):
            self._running.pop(preload).sandbox.kill()
        self._start_missing()

    def find(self, runtime: str, preload: Preload) -> Zygote | None:
        """Who makes containers of `runtime` with these modules; it may still be preloading."""
        return self._running.get(preload) if self._runtimes.family(runtime) == "python" else None

    def note_success(self, preload: Preload) -> None:
        self._failures.pop(preload, None)

    def replace(self, preload: Preload, zygote: Zygote, *, hopeless: bool = False) -> None:
        """It makes no containers any more: another one may, unless that is hopeless."""
        zygote.sandbox.kill()
        if self._running.get(preload) is zygote:
            del self._running[preload]
            self._failures[preload] = LIMIT_FAILURES if hopeless else self._failures.get(preload, 0) + 1
            self._start_missing()

    def _start_missing(self) -> None:
        for preload in self._wanted:
            if preload not in self._running and self._failures.get(preload, 0) < LIMIT_FAILURES:
                self._start(preload)

    def _start(self, preload: Preload) -> None:
        if self._directory is None:
            return
        self._count += 1
        directory = self._directory / f"zygote-{self._count}"
        try:
            sandbox = open_zygote(
                lambda given: zygote_command(preload, given),
                {**self._environment, **self._runtimes.environment},
                directory,
                self._memory,
                self._runtimes.confinement(KIND, preload),
            )
        except OSError as failure:
            self._failures[preload] = LIMIT_FAILURES
            log.warning("zygote-not-started", preload=",".join(preload), reason=failure)
            return
        self._running[preload] = zygote = Zygote(sandbox, directory)
        ending = asyncio.get_running_loop().create_task(self._attend(preload, zygote))
        # The loop itself keeps no more than a weak reference to a task.
        self._endings.add(ending)
        ending.add_done_callback(self._endings.discard)

    async def _attend(self, preload: Preload, zygote: Zygote) -> None:
        """See it off, whenever it ends."""
        await zygote.await_end()
        if self._running.get(preload) is zygote:
            log.warning("zygote-ended", preload=",".join(preload))
            self.replace(preload, zygote)
