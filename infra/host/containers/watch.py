"""Looks at running containers again and again: which is over its memory, which only waits, which nobody uses.

Docker would have a cgroup keep the limit. A process's resident memory has to be looked at, so between two looks a
container can go over it; the peak that the kernel remembers tells after the call (`Sandbox.peaked`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from infra.host.containers.members import Member, Members
from infra.host.containers.sandbox import Usage

# Seconds between two looks at running containers.
INTERVAL = 0.05
# Processor time within one interval below which a running container counts as waiting for something.
WAITING = 0.005
INTERVAL_IDLE = 5.0


async def watch(members: Members, looked: Callable[[], None]) -> None:
    """Kill those over their memory, mark those that only wait; after each round `looked` may let calls go."""
    while True:
        await asyncio.sleep(INTERVAL)
        for member in members:
            if member.busy or not member.started.done():
                _look_at(member)
        looked()


async def end_idle(members: Members, idle: float, looked: Callable[[], None]) -> None:
    """End what nobody has called for `idle` seconds, and what went over its memory meanwhile."""
    while True:
        await asyncio.sleep(min(INTERVAL_IDLE, idle))
        longest = asyncio.get_running_loop().time() - idle
        for member in members:
            if member.busy:
                continue
            # What an action left running goes on growing.
            _check(member)
            if member.used < longest:
                members.destroy(member)
        looked()


def _look_at(member: Member) -> None:
    usage = _check(member)
    if usage is None:
        return
    member.waiting = member.busy and member.last is not None and waits(member.last, usage)
    member.last = usage


def _check(member: Member) -> Usage | None:
    """What it uses, and the end of it where that is too much; None where there is no process."""
    if (sandbox := member.sandbox) is None or (usage := sandbox.usage()) is None:
        return None
    sandbox.check(usage)
    return usage


def waits(before: Usage, now: Usage) -> bool:
    """Whether a container did nothing between two looks. One that merely got no processor time is not asleep."""
    return before.asleep and now.asleep and now.processor - before.processor < WAITING
