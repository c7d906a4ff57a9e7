"""The containers there are, what they take of processors and memory, and how one begins and ends."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from infra.host.calls import Executable
from infra.host.containers.container import Container
from infra.host.containers.kinds import Runtimes
from infra.host.containers.sandbox import Sandbox, Usage, open_sandbox

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

    def __iter__(self) -> Iterator[Member]:
        # A copy: whoever goes through them may end some on the way.
        return iter(list(self._members))

    def __len__(self) -> int:
        return len(self._members)

    async def open(self) -> None:
        """Make the directory that all of them live in."""
        self.directory = await asyncio.to_thread(make_directory)

    async def close(self) -> None:
        """End all, within a second, and leave nothing of them."""
        for member in self:
            self.destroy(member)
        if self._endings:
            await asyncio.wait(self._endings, timeout=TIMEOUT_STOP)
        if self.directory is not None:
            shutil.rmtree(self.directory, ignore_errors=True)

    def free_slots(self) -> int:
        # A container that waits for something leaves its processor to others: a sequence's sweep, which invokes
        # and waits, would otherwise starve what it invoked, and on one core wait for ever.
        return self._slots - sum(member.busy and not member.waiting for member in self._members)

    def find_warm(self, revision: str) -> Member | None:
        """The most recently used, so that the others can go."""
        return next((each for each in reversed(self._members) if not each.busy and each.revision == revision), None)

    def find_stem_cell(self, profile: Profile) -> Member | None:
        found = [each for each in self._members if each.revision is None and not each.busy and each.profile == profile]
        # One that is still starting is better than none.
        return min(found, key=lambda each: not each.started.done(), default=None)

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

    def start(self, profile: Profile) -> Member:
        """Start a container. Raises `OSError` or `UnknownKind`."""
        assert self.directory is not None
        self._count += 1
        runtimes = self._runtimes
        runtimes.family(profile.runtime)
        sandbox = open_sandbox(
            lambda descriptor: runtimes.command(profile.runtime, profile.preload, descriptor),
            {**ENVIRONMENT, **runtimes.environment},
            self.directory / str(self._count),
            profile.memory * MEGABYTE,
            runtimes.confinement(profile.runtime, profile.preload),
        )
        loop = asyncio.get_running_loop()
        container = Container(sandbox)
        member = Member(profile, sandbox, container, loop.create_task(container.start()), used=loop.time())
        self._members[member] = None
        ending = loop.create_task(self._attend(member))
        # The loop itself keeps no more than a weak reference to a task.
        self._endings.add(ending)
        ending.add_done_callback(self._endings.discard)
        return member

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
        member.sandbox.kill()

    async def _attend(self, member: Member) -> None:
        """See a container off, whenever it ends."""
        await member.sandbox.ended()
        member.started.cancel()
        await asyncio.gather(member.started, return_exceptions=True)
        if member in self._members:
            self.destroy(member)
            self._tell_lost(member)

    def _count_used(self) -> int:
        return sum(each.profile.memory for each in self._members)


def make_directory() -> Path:
    """A private place for this pool's containers; what a killed host left of its own is removed."""
    base = Path(tempfile.gettempdir())
    for left in base.glob("pixwhisk-pool-*"):
        holder = left.name.split("-")[2]
        if holder.isdecimal() and not Path(f"/proc/{holder}").exists():
            shutil.rmtree(left, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"pixwhisk-pool-{os.getpid()}-"))
