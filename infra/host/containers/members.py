"""The containers there are, what they take of processors and memory, and how one begins and ends."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.host.calls import Executable
from infra.host.containers.base import find_base
from infra.host.containers.container import Container
from infra.host.containers.guard import Guard
from infra.host.containers.kinds import Runtimes
from infra.host.containers.sandbox import Sandbox, Usage, open_sandbox
from infra.host.containers.zygote import CannotBeCopied, NoCopy
from infra.host.containers.zygotes import Zygotes
from infra.logs import EventLogger

log = EventLogger(__name__)

MEGABYTE = 1 << 20
TIMEOUT_STOP = 0.8
# One thread each: the pool runs one container a core. Fewer arenas keep a container small.
ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}


@dataclass(frozen=True, slots=True)
class Profile:
    """What containers have in common before they know their action."""

    runtime: str
    memory: int
    preload: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.runtime}/{self.memory}MB"


def profile_of(executable: Executable) -> Profile:
    return Profile(executable.runtime, executable.limits.memory, tuple(executable.preload))


@dataclass(eq=False, slots=True)
class Member:
    """A container of the pool, for one `revision`. `opened` is its process, `started` ends with its start."""

    profile: Profile
    revision: str
    opened: asyncio.Task[Sandbox]
    started: asyncio.Task[Container]
    busy: bool = False
    waiting: bool = False
    used: float = 0.0
    last: Usage | None = None

    @property
    def sandbox(self) -> Sandbox | None:
        """None until there is a process, or where none could be started."""
        return self.opened.result() if has_succeeded(self.opened) else None

    @property
    def container(self) -> Container | None:
        """None until it has started."""
        return self.started.result() if has_succeeded(self.started) else None


class Members:
    """All containers, the least recently used first. `tell_lost` is called with each that ended without `destroy`.

    `slots`: containers computing at once. `memory`: megabytes that the limits of all may add up to.
    """

    def __init__(self, runtimes: Runtimes, slots: int, memory: int, tell_lost: Callable[[Member], None]) -> None:
        self.directory: Path | None = None
        self._runtimes = runtimes
        self._slots = slots
        self._memory = memory
        self._tell_lost = tell_lost
        self._members: dict[Member, None] = {}
        self._endings: set[asyncio.Task[None]] = set()
        self._count = 0
        self._closed = False
        self._zygotes = Zygotes(runtimes, ENVIRONMENT, memory * MEGABYTE)
        self._guard = Guard()

    def __iter__(self) -> Iterator[Member]:
        # A copy: whoever goes through them may end some on the way.
        return iter(list(self._members))

    def __len__(self) -> int:
        return len(self._members)

    async def open(self) -> None:
        """Make the directory that all of them live in."""
        self.directory = await asyncio.to_thread(make_directory)
        self._guard.start()
        self._zygotes.open(self.directory)

    def want(self, profiles: Iterable[Profile]) -> None:
        """Have zygotes for these, from now on, and for no others."""
        self._zygotes.want([each.preload for each in profiles])

    async def close(self) -> None:
        """End all, within a second, and leave nothing of them."""
        self._closed = True
        for member in self:
            self.destroy(member)
        if endings := [*self._endings, *self._zygotes.close()]:
            await asyncio.wait(endings, timeout=TIMEOUT_STOP)
        self._guard.stop()
        if self.directory is not None:
            shutil.rmtree(self.directory, ignore_errors=True)

    def free_slots(self) -> int:
        # A container that waits for something leaves its processor to others: a sequence's sweep, which invokes
        # and waits, would otherwise starve what it invoked, and on one core wait for ever.
        return self._slots - sum(member.busy and not member.waiting for member in self._members)

    def find_warm(self, revision: str) -> Member | None:
        """The most recently used, so that the others can go."""
        return next((each for each in reversed(self._members) if not each.busy and each.revision == revision), None)

    def make_room(self, memory: int) -> bool:
        """End idle containers, the longest unused first, until `memory` is free; none if that would not do."""
        idle = [each for each in self._members if not each.busy]
        if self._count_used() - sum(each.profile.memory for each in idle) + memory > self._memory:
            return False
        return self.end_of(idle, memory)

    def end_of(self, dispensable: list[Member], memory: int) -> bool:
        """End as many of these as it takes for `memory` megabytes to be free; whether they are."""
        for member in dispensable:
            if self._count_used() + memory <= self._memory:
                break
            self.destroy(member)
        return self._count_used() + memory <= self._memory

    def start(self, profile: Profile, revision: str) -> Member:
        """Start a container. Raises `UnknownKind`; what else fails is what `opened` or `started` raises."""
        self._runtimes.family(profile.runtime)
        loop = asyncio.get_running_loop()
        opened = loop.create_task(self._open(profile))
        member = Member(profile, revision, opened, loop.create_task(start_container(opened)), used=loop.time())
        self._members[member] = None
        ending = loop.create_task(self._attend(member))
        # The loop itself keeps no more than a weak reference to a task.
        self._endings.add(ending)
        ending.add_done_callback(self._endings.discard)
        return member

    async def _open(self, profile: Profile) -> Sandbox:
        """A copy of a zygote where there is one, else a process that preloads by itself."""
        assert self.directory is not None
        confinement = self._runtimes.confinement(profile.runtime, profile.preload)
        environment = {**ENVIRONMENT, **self._runtimes.environment}
        memory = profile.memory * MEGABYTE
        if zygote := self._zygotes.find(profile.runtime, profile.preload):
            try:
                sandbox = await zygote.copy(environment, memory, confinement)
            except NoCopy as failure:
                log.warning("container-not-copied", profile=profile, reason=failure)
                self._zygotes.replace(profile.preload, zygote, hopeless=isinstance(failure, CannotBeCopied))
            else:
                self._zygotes.note_success(profile.preload)
                return sandbox
        if self._closed:
            raise OSError("the pool has ended")
        self._count += 1
        return open_sandbox(
            lambda given: self._runtimes.command(profile.runtime, profile.preload, given),
            environment,
            self.directory / str(self._count),
            memory,
            confinement,
        )

    def release(self, member: Member) -> None:
        """Its call is over. It is now the most recently used, if it is still there."""
        member.busy = member.waiting = False
        member.last = None
        member.used = asyncio.get_running_loop().time()
        if member in self._members:
            del self._members[member]
            self._members[member] = None

    def destroy(self, member: Member) -> None:
        """End a container. Its memory counts as free at once: a killed process takes milliseconds to go, and nobody
        waits for it.
        """
        self._members.pop(member, None)
        if member.sandbox is not None:
            member.sandbox.kill()

    async def _attend(self, member: Member) -> None:
        """See a container off, whenever it ends."""
        # Never cancelled: a process that nobody knows of would be nobody's to end.
        await asyncio.wait([member.opened])
        if (sandbox := member.sandbox) is None:
            return
        if member not in self._members:
            sandbox.kill()
        with self._guard.watching(sandbox.group):
            await sandbox.await_end()
        member.started.cancel()
        await asyncio.gather(member.started, return_exceptions=True)
        if member in self._members:
            self.destroy(member)
            self._tell_lost(member)

    def _count_used(self) -> int:
        return sum(each.profile.memory for each in self._members)


async def start_container(opened: asyncio.Task[Sandbox]) -> Container:
    """Whoever gives up waiting for the start leaves the process to be opened."""
    container = Container(await asyncio.shield(opened))
    await container.start()
    return container


def has_succeeded(task: asyncio.Task[Any]) -> bool:
    return task.done() and not task.cancelled() and task.exception() is None


def make_directory() -> Path:
    """A private place for this pool's containers; what a killed host left of its own is removed."""
    base = find_base()
    for left in base.glob("pixwhisk-pool-*"):
        holder = left.name.split("-")[2]
        if holder.isdecimal() and not Path(f"/proc/{holder}").exists():
            shutil.rmtree(left, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"pixwhisk-pool-{os.getpid()}-", dir=base))
