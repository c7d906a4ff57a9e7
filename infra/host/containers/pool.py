"""Which container runs which call: warm ones first, new ones within memory, everything else waits.

A *need* is what a call asks of a container: the revision of its executable and, of a new one, a *profile* (runtime,
memory, preloaded modules). Waiting calls go in order of arrival, but one that cannot go yet does
not hold back one that can.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from infra.host.calls import Busy, Call, Executable, Pool, Ran
from infra.host.containers.container import NOT_STARTED, Container, milliseconds
from infra.host.containers.gaps import find_gaps
from infra.host.containers.kinds import Runtimes, UnknownKind, compile_sources, local_runtimes
from infra.host.containers.members import Member, Members, profile_of
from infra.host.containers.watch import end_idle, watch
from infra.logs import EventLogger
from infra.orphans import adopt_orphans

log = EventLogger(__name__)


@dataclass(frozen=True, slots=True)
class PoolSettings:
    """How many containers there may be, and of what.

    `slots`: containers computing at once; one that is waiting (for a service, or for an action it invoked) takes none.
    `memory`: megabytes that the limits of all containers may add up to. `queue`: calls waiting for a container.
    `idle`: seconds after which an unused container is ended.
    """

    runtimes: Runtimes = field(default_factory=local_runtimes)
    slots: int = field(default_factory=lambda: len(os.sched_getaffinity(0)))
    memory: int = 2048
    queue: int = 256
    idle: float = 600.0


@dataclass(eq=False, slots=True)
class Waiting:
    """A call without a container."""

    executable: Executable
    given: asyncio.Future[Member]
    keyless: bool


class LocalPool:
    """The `Pool` whose containers are processes of this machine. Belongs to one event loop, from `start` to `stop`."""

    def __init__(self, settings: PoolSettings) -> None:
        self._settings = settings
        self._members = Members(settings.runtimes, settings.slots, settings.memory, self._note_loss)
        self._queue: deque[Waiting] = deque()
        self._watching: list[asyncio.Task[None]] = []
        self._stopped = True

    async def start(self) -> None:
        # Containers are orphans of whoever they are copies of.
        adopt_orphans()
        await asyncio.to_thread(compile_sources)
        await self._members.open()
        tell_gaps()
        self._stopped = False
        loop = asyncio.get_running_loop()
        self._watching = [
            loop.create_task(watch(self._members, self._dispatch)),
            loop.create_task(end_idle(self._members, self._settings.idle, self._dispatch)),
        ]

    async def run(self, call: Call) -> Ran:
        arrived = milliseconds()
        try:
            member = await self._acquire(call.executable, keyless=call.keyless)
        except (OSError, UnknownKind) as failure:
            log.warning("container-not-started", action=call.executable.name, reason=failure)
            return not_started(arrived)
        try:
            return await self._run(member, call, arrived)
        finally:
            self._release(member)

    def prewarm(self, executables: Sequence[Executable]) -> None:
        self._members.want([profile_of(each) for each in executables])

    async def stop(self) -> None:
        self._stopped = True
        while self._queue:
            waiting = self._queue.popleft()
            if not waiting.given.done():
                waiting.given.set_exception(Busy())
        for task in self._watching:
            task.cancel()
        await self._members.close()

    async def _acquire(self, executable: Executable, *, keyless: bool) -> Member:
        """A container for `executable`, marked busy. Raises `Busy`, or what starting one raises."""
        if self._stopped:
            raise Busy
        if not self._queue and (member := self._place(executable)):
            return member
        if len(self._queue) >= self._settings.queue:
            raise Busy
        if executable.limits.memory > self._settings.memory:
            raise OSError(f"the action's {executable.limits.memory} MB are more than the pool's memory")
        waiting = Waiting(executable, asyncio.get_running_loop().create_future(), keyless)
        # Anybody may ask for a page, as often as they like: that must not hold back what has a key.
        behind = (at for at, each in enumerate(self._queue) if each.keyless and not keyless)
        self._queue.insert(next(behind, len(self._queue)), waiting)
        # At once: another memory size or revision may fit now though the oldest waiting call does not.
        self._dispatch()
        return await self._await_given(waiting)

    async def _await_given(self, waiting: Waiting) -> Member:
        try:
            return await waiting.given
        except asyncio.CancelledError:
            with suppress(ValueError):
                self._queue.remove(waiting)
            # Given in the very moment it was cancelled: nobody else would ever release that container.
            if waiting.given.done() and not waiting.given.cancelled() and waiting.given.exception() is None:
                self._release(waiting.given.result())
            raise

    async def _run(self, member: Member, call: Call, arrived: int) -> Ran:
        if (container := await self._await_started(member)) is None:
            return not_started(arrived)
        healthy = False
        try:
            ran = await container.run(call, arrived)
            healthy = container.healthy
        finally:
            # Also where the call was cancelled: what runs on in there could answer into the next call.
            if not healthy:
                self._members.destroy(member)
        return ran

    async def _await_started(self, member: Member) -> Container | None:
        if not member.started.done():
            # Unlike awaiting the task itself, this leaves it alone when the call is cancelled.
            await asyncio.wait([member.started])
        if member.container is not None:
            return member.container
        reason = None if member.started.cancelled() else member.started.exception()
        log.warning("container-not-started", profile=member.profile, reason=reason)
        self._members.destroy(member)
        return None

    def _release(self, member: Member) -> None:
        self._members.release(member)
        self._dispatch()

    def _dispatch(self) -> None:
        """Give containers to the calls that can go, the oldest first."""
        for waiting in list(self._queue):
            if waiting.given.done():
                self._queue.remove(waiting)
                continue
            if not self._members.free_slots():
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

    def _place(self, executable: Executable) -> Member | None:
        """The best container for `executable`, marked busy; None where it has to wait."""
        members = self._members
        if members.free_slots() <= 0:
            return None
        profile = profile_of(executable)
        member = members.find_warm(executable.revision)
        if member is None and members.make_room(profile.memory):
            member = members.start(profile, executable.revision)
        if member is not None:
            # Before anything is awaited: a second call must not be given the same container.
            member.busy = True
        return member

    def _note_loss(self, member: Member) -> None:
        """One ended by itself: its place is free."""
        log.warning("container-ended", profile=member.profile)
        self._dispatch()


def not_started(arrived: int) -> Ran:
    now = milliseconds()
    return Ran(3, {"error": NOT_STARTED}, (), now, now, now - arrived, None)


def tell_gaps() -> None:
    """Say once where this kernel keeps containers in less than it could."""
    for gap in find_gaps():
        log.warning("containers-not-confined", consequence=gap)


def open_pool(settings: PoolSettings) -> Pool:
    """A pool of local processes, not yet started."""
    return LocalPool(settings)
