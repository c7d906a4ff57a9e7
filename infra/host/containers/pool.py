"""Which container runs which call: warm ones first, stem cells next, new ones within memory, everything else waits.

A *need* is what a call asks of a container: the revision of its executable and, for one not yet initialised, a
*profile* (runtime, memory, preloaded modules). Waiting calls go in order of arrival, but one that cannot go yet does
not hold back one that can.
"""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import tempfile
from collections import deque
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from infra.host.calls import Busy, Call, Executable, Pool, Ran
from infra.host.containers.container import NOT_STARTED, Container, milliseconds
from infra.host.containers.kinds import Runtimes, UnknownKind, compile_sources, local_runtimes
from infra.host.containers.landlock import SINCE_SIGNALS, read_version
from infra.host.containers.sandbox import Sandbox, Usage, open_sandbox

log = logging.getLogger(__name__)

MEGABYTE = 1 << 20
# Seconds between two looks at running containers.
INTERVAL_WATCH = 0.05
# Processor time within one interval below which a running container counts as waiting for something.
WAITING = 0.005
INTERVAL_IDLE = 5.0
TIMEOUT_STOP = 0.8
DELAY_STEM_CELL = 0.25
# A profile whose stem cells keep failing is left alone until the next `prewarm`.
LIMIT_FAILURES = 3
# One thread each: the pool runs one container a core. Fewer arenas keep a container small.
ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}


@dataclass(frozen=True, slots=True)
class PoolSettings:
    """How many containers there may be, and of what.

    `slots`: containers computing at once; one that is waiting (for a service, or for an action it invoked) takes none.
    `memory`: megabytes that the limits of all containers may add up to. `queue`: calls waiting for a container.
    `idle`: seconds after which an unused container is ended. `stem_cells`: kept ready per profile.
    """

    runtimes: Runtimes = field(default_factory=local_runtimes)
    slots: int = field(default_factory=lambda: len(os.sched_getaffinity(0)))
    memory: int = 2048
    queue: int = 256
    idle: float = 600.0
    stem_cells: int = 1


@dataclass(frozen=True, slots=True)
class Profile:
    """What containers have in common before they know their action."""

    runtime: str
    memory: int
    preload: tuple[str, ...]


def profile_of(executable: Executable) -> Profile:
    return Profile(executable.runtime, executable.limits.memory, tuple(executable.preload))


@dataclass(eq=False, slots=True)
class Member:
    """A container of the pool. `revision` is None for a stem cell; `started` ends with its start."""

    profile: Profile
    sandbox: Sandbox
    container: Container
    started: asyncio.Task[None]
    revision: str | None = None
    busy: bool = False
    waiting: bool = False
    used: float = 0.0
    last: Usage | None = None


@dataclass(eq=False, slots=True)
class Waiting:
    """A call without a container."""

    executable: Executable
    given: asyncio.Future[Member]


class LocalPool:
    """The `Pool` whose containers are processes of this machine. Belongs to one event loop, from `start` to `stop`."""

    def __init__(self, settings: PoolSettings) -> None:
        self._settings = settings
        self._members: dict[Member, None] = {}  # the least recently used first
        self._queue: deque[Waiting] = deque()
        self._wanted: list[Profile] = []
        self._failures: dict[Profile, int] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._directory: Path | None = None
        self._count = 0
        self._due: asyncio.TimerHandle | None = None
        self._stopped = True

    async def start(self) -> None:
        self._directory = await asyncio.to_thread(new_directory)
        await asyncio.to_thread(compile_sources)
        tell_confinement()
        self._stopped = False
        self._spawn(self._watch())
        self._spawn(self._end_idle())
        self._top_up()

    async def run(self, call: Call) -> Ran:
        arrived = milliseconds()
        try:
            member = await self._acquire(call.executable)
        except (OSError, UnknownKind) as failure:
            log.warning("container-not-started action=%s reason=%s", call.executable.name, failure)
            return not_started(arrived)
        try:
            return await self._run(member, call, arrived)
        finally:
            self._release(member)

    def prewarm(self, executables: Sequence[Executable]) -> None:
        self._wanted = list(dict.fromkeys(profile_of(each) for each in executables))
        self._failures.clear()
        for member in list(self._members):
            if member.revision is None and not member.busy and member.profile not in self._wanted:
                self._destroy(member)
        self._top_up()

    async def stop(self) -> None:
        self._stopped = True
        while self._queue:
            waiting = self._queue.popleft()
            if not waiting.given.done():
                waiting.given.set_exception(Busy())
        for member in list(self._members):
            self._destroy(member)
        ending = [task for task in self._tasks if task.get_name() == "ended"]
        for task in self._tasks - set(ending):
            task.cancel()
        if ending:
            await asyncio.wait(ending, timeout=TIMEOUT_STOP)
        if self._directory is not None:
            shutil.rmtree(self._directory, ignore_errors=True)

    # --- one call

    async def _acquire(self, executable: Executable) -> Member:
        """A container for `executable`, marked busy. Raises `Busy`, or what starting one raises."""
        if self._stopped:
            raise Busy
        if not self._queue and (member := self._place(executable)):
            return member
        if len(self._queue) >= self._settings.queue:
            raise Busy
        if executable.limits.memory > self._settings.memory:
            raise OSError(f"the action's {executable.limits.memory} MB are more than the pool's memory")
        waiting = Waiting(executable, asyncio.get_running_loop().create_future())
        self._queue.append(waiting)
        self._dispatch()
        return await self._given(waiting)

    async def _given(self, waiting: Waiting) -> Member:
        try:
            return await waiting.given
        except asyncio.CancelledError:
            with suppress(ValueError):
                self._queue.remove(waiting)
            if waiting.given.done() and not waiting.given.cancelled() and waiting.given.exception() is None:
                self._release(waiting.given.result())
            raise

    async def _run(self, member: Member, call: Call, arrived: int) -> Ran:
        if not await self._comes_up(member):
            return not_started(arrived)
        healthy = False
        try:
            ran = await member.container.run(call, arrived)
            healthy = member.container.healthy
        finally:
            if not healthy:
                self._destroy(member)
        return ran

    async def _comes_up(self, member: Member) -> bool:
        if not member.started.done():
            # Unlike awaiting the task itself, this leaves it alone when the call is cancelled.
            await asyncio.wait([member.started])
        if not member.started.cancelled() and member.started.exception() is None:
            return True
        log.warning("container-not-started profile=%s", member.profile)
        self._destroy(member)
        return False

    def _release(self, member: Member) -> None:
        member.busy = member.waiting = False
        member.last = None
        member.used = asyncio.get_running_loop().time()
        if member in self._members:
            # Moved to the end: the most recently used.
            del self._members[member]
            self._members[member] = None
        self._dispatch()
        self._top_up_later()

    # --- placing

    def _dispatch(self) -> None:
        """Give containers to the calls that can go, the oldest first."""
        for waiting in list(self._queue):
            if waiting.given.done():
                self._queue.remove(waiting)
                continue
            if not self._free_slots():
                return
            try:
                member = self._place(waiting.executable)
            except (OSError, UnknownKind) as failure:
                self._queue.remove(waiting)
                waiting.given.set_exception(failure)
                continue
            if member is not None:
                self._queue.remove(waiting)
                waiting.given.set_result(member)

    def _free_slots(self) -> int:
        return self._settings.slots - sum(member.busy and not member.waiting for member in self._members)

    def _place(self, executable: Executable) -> Member | None:
        """The best container for `executable`, marked busy; None where it has to wait."""
        if self._free_slots() <= 0:
            return None
        profile = profile_of(executable)
        member = self._warm(executable.revision) or self._stem_cell(profile)
        if member is None and self._make_room(profile.memory):
            member = self._start(profile)
        if member is not None:
            member.busy = True
            member.revision = executable.revision
        return member

    def _warm(self, revision: str) -> Member | None:
        """The most recently used, so that the others can go."""
        return next((each for each in reversed(self._members) if not each.busy and each.revision == revision), None)

    def _stem_cell(self, profile: Profile) -> Member | None:
        found = [each for each in self._members if each.revision is None and not each.busy and each.profile == profile]
        # One that is still starting is better than none.
        return min(found, key=lambda each: not each.started.done(), default=None)

    def _make_room(self, memory: int) -> bool:
        """End idle containers, the longest unused first, until `memory` is free; none if that would not do."""
        idle = [each for each in self._members if not each.busy]
        if self._used() - sum(each.profile.memory for each in idle) + memory > self._settings.memory:
            return False
        for member in idle:
            if self._used() + memory <= self._settings.memory:
                break
            self._destroy(member)
        return True

    def _used(self) -> int:
        return sum(each.profile.memory for each in self._members)

    # --- containers

    def _start(self, profile: Profile) -> Member:
        """Start a container. Raises `OSError` or `UnknownKind`."""
        assert self._directory is not None
        self._count += 1
        runtimes = self._settings.runtimes
        runtimes.family(profile.runtime)
        sandbox = open_sandbox(
            lambda descriptor: runtimes.command(profile.runtime, profile.preload, descriptor),
            {**ENVIRONMENT, **runtimes.environment},
            self._directory / str(self._count),
            profile.memory * MEGABYTE,
            runtimes.confinement(profile.runtime, profile.preload),
        )
        container = Container(sandbox)
        started = asyncio.get_running_loop().create_task(container.start())
        member = Member(profile, sandbox, container, started, used=asyncio.get_running_loop().time())
        self._members[member] = None
        self._spawn(self._attend(member), name="ended")
        return member

    async def _attend(self, member: Member) -> None:
        """See a container off, whenever it ends."""
        await member.sandbox.ended()
        member.started.cancel()
        await asyncio.gather(member.started, return_exceptions=True)
        if member in self._members:
            self._destroy(member)
            self._failures[member.profile] = self._failures.get(member.profile, 0) + (member.revision is None)
            log.warning("container-ended profile=%s stem_cell=%s", member.profile, member.revision is None)
            self._dispatch()
            self._top_up_later()

    def _destroy(self, member: Member) -> None:
        """End a container; its memory counts as free at once."""
        self._members.pop(member, None)
        member.sandbox.kill()

    def _top_up_later(self) -> None:
        """Not at once: the next component of a sequence comes within milliseconds and needs the processor more."""
        if self._wanted and self._due is None:
            self._due = asyncio.get_running_loop().call_later(DELAY_STEM_CELL, self._top_up)

    def _top_up(self) -> None:
        """Start one missing stem cell, if nothing else needs processor or memory; the next follows once it has come."""
        if self._due is not None:
            self._due.cancel()
            self._due = None
        if self._stopped:
            return
        if self._queue or self._free_slots() <= 0:
            self._top_up_later()
            return
        if any(not each.started.done() for each in self._members):
            return
        for profile in self._wanted:
            if self._lacks(profile) and self._make_room_for_stem_cell(profile.memory):
                self._start_stem_cell(profile)
                return

    def _make_room_for_stem_cell(self, memory: int) -> bool:
        """End what has not been used for a while, or never will be again: a revision that is no more, for one."""
        longest = asyncio.get_running_loop().time() - INTERVAL_IDLE
        unused = [each for each in self._members if not each.busy and each.revision is not None and each.used < longest]
        for member in unused:
            if self._used() + memory <= self._settings.memory:
                break
            self._destroy(member)
        return self._used() + memory <= self._settings.memory

    def _lacks(self, profile: Profile) -> bool:
        ready = sum(each.revision is None and each.profile == profile for each in self._members)
        return ready < self._settings.stem_cells and self._failures.get(profile, 0) < LIMIT_FAILURES

    def _start_stem_cell(self, profile: Profile) -> None:
        try:
            member = self._start(profile)
        except (OSError, UnknownKind) as failure:
            self._failures[profile] = LIMIT_FAILURES
            log.warning("stem-cell-not-started profile=%s reason=%s", profile, failure)
            return
        member.started.add_done_callback(self._stem_cell_started)

    def _stem_cell_started(self, started: asyncio.Task[None]) -> None:
        if not started.cancelled() and started.exception() is None:
            self._top_up()

    # --- watching

    async def _watch(self) -> None:
        """Look at running containers: kill those over their memory, let calls go where one only waits."""
        while True:
            await asyncio.sleep(INTERVAL_WATCH)
            for member in [each for each in self._members if each.busy or not each.started.done()]:
                self._look_at(member)
            if self._queue:
                self._dispatch()

    def _look_at(self, member: Member) -> None:
        usage = member.sandbox.usage()
        if usage is None:
            return
        member.sandbox.check(usage)
        member.waiting = member.busy and member.last is not None and waits(member.last, usage)
        member.last = usage

    async def _end_idle(self) -> None:
        while True:
            await asyncio.sleep(min(INTERVAL_IDLE, self._settings.idle))
            longest = asyncio.get_running_loop().time() - self._settings.idle
            for member in list(self._members):
                if not member.busy and member.revision is not None and member.used < longest:
                    self._destroy(member)
            self._top_up()

    def _spawn(self, work: Coroutine[Any, Any, None], name: str = "watch") -> None:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def waits(before: Usage, now: Usage) -> bool:
    """Whether a container did nothing between two looks. One that merely got no processor time is not asleep."""
    return before.asleep and now.asleep and now.processor - before.processor < WAITING


def not_started(arrived: int) -> Ran:
    now = milliseconds()
    return Ran(3, {"error": NOT_STARTED}, (), now, now, now - arrived, None)


def new_directory() -> Path:
    """A private place for this pool's containers; what a killed host left of its own is removed."""
    base = Path(tempfile.gettempdir())
    for left in base.glob("pixwhisk-pool-*"):
        holder = left.name.split("-")[2]
        if holder.isdecimal() and not Path(f"/proc/{holder}").exists():
            shutil.rmtree(left, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"pixwhisk-pool-{os.getpid()}-"))


def tell_confinement() -> None:
    """Say once where this kernel keeps containers in less than it could."""
    if not read_version():
        log.warning("containers-not-confined reason=no-landlock consequence=actions-read-and-write-what-this-user-may")
    elif read_version() < SINCE_SIGNALS:
        log.info("containers-confined landlock=%d consequence=actions-may-signal-this-users-processes", read_version())


def open_pool(settings: PoolSettings) -> Pool:
    """A pool of local processes, not yet started."""
    return LocalPool(settings)
