"""Stem cells: containers that have preloaded what an action imports and wait for their first call.

OpenWhisk's invoker prewarms so many of each kind as its runtimes manifest says. Here each profile that a deployed
action asks for is kept in stock, because preloading by content lets a stem cell import an action's own modules.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from infra.host.containers.kinds import UnknownKind
from infra.host.containers.members import Member, Members, Profile
from infra.logs import EventLogger

log = EventLogger(__name__)

DELAY = 0.25
# Seconds without a call after which a container has to make room for a stem cell.
UNUSED_AFTER = 5.0
# A profile whose stem cells keep failing is left alone until the next `want`.
LIMIT_FAILURES = 3


class StemCells:
    """Keeps `each` stem cells of every profile wanted, whenever `others_wait` says that no call needs the place."""

    def __init__(self, members: Members, each: int, others_wait: Callable[[], bool]) -> None:
        self._members = members
        self._each = each
        self._others_wait = others_wait
        self._wanted: list[Profile] = []
        self._failures: dict[Profile, int] = {}
        self._due: asyncio.TimerHandle | None = None
        self._closed = False

    def want(self, profiles: Sequence[Profile]) -> None:
        """Replace what is wanted; stem cells of other profiles end."""
        self._wanted = list(dict.fromkeys(profiles))
        self._failures.clear()
        for member in self._members:
            if member.revision is None and not member.busy and member.profile not in self._wanted:
                self._members.destroy(member)
        self.top_up()

    def note_loss(self, profile: Profile) -> None:
        """One ended before it had a call."""
        self._failures[profile] = self._failures.get(profile, 0) + 1

    def close(self) -> None:
        """Start no more."""
        self._closed = True
        self._forget_due()

    def top_up_later(self) -> None:
        """Not at once: the next component of a sequence comes within milliseconds and needs the processor more."""
        if self._wanted and self._due is None and not self._closed:
            self._due = asyncio.get_running_loop().call_later(DELAY, self.top_up)

    def top_up(self) -> None:
        """Start one missing stem cell, if nothing else needs processor or memory; the next follows once it has come."""
        self._forget_due()
        if self._closed:
            return
        if self._others_wait():
            self.top_up_later()
            return
        # One at a time: two that import at once on the last free processor would each take twice as long.
        if any(not each.started.done() for each in self._members):
            return
        for profile in self._wanted:
            if self._lacks(profile) and self._make_room(profile.memory):
                self._start(profile)
                return

    def _forget_due(self) -> None:
        if self._due is not None:
            self._due.cancel()
            self._due = None

    def _make_room(self, memory: int) -> bool:
        """End what has not been used for a while, or never will be again: a revision that is no more, for one."""
        longest = asyncio.get_running_loop().time() - UNUSED_AFTER
        return self._members.end_of([each for each in self._members if _is_unused(each, longest)], memory)

    def _lacks(self, profile: Profile) -> bool:
        ready = sum(each.revision is None and each.profile == profile for each in self._members)
        return ready < self._each and self._failures.get(profile, 0) < LIMIT_FAILURES

    def _start(self, profile: Profile) -> None:
        try:
            member = self._members.start(profile)
        except (OSError, UnknownKind) as failure:
            self._failures[profile] = LIMIT_FAILURES
            log.warning("stem-cell-not-started", profile=profile, reason=failure)
            return
        member.started.add_done_callback(self._continue)

    def _continue(self, started: asyncio.Task[None]) -> None:
        if not started.cancelled() and started.exception() is None:
            self.top_up()


def _is_unused(member: Member, longest: float) -> bool:
    return not member.busy and member.revision is not None and member.used < longest
