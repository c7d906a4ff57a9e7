"""Trickle by event, burst by batch: when uploads come faster than the fast lane takes them, and when no longer.

An event that goes through trigger and rule costs several times what its image costs in a batch, and uploads wait for
it; one that finds the rule inactive is nearly free. So in a burst the rule is switched off, everything goes by batch,
and when that has caught up the rule is switched on again.

    by event ──▶ more heard of than become rows: note it, rule off ──▶ by batch
       ▲                                                                  │
       └── rule on, note away: nothing waits, and uploads are slow ◀──────┘
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import psycopg

from actions.events import ObjectEvent
from actions.messages import DELETE_MARKER, PRESENT, REMOVED
from actions.statements import statements
from triggers.sweep.heard import Heard, HeardEvent
from triggers.sweep.lease import LEASE, BurstLease, Switch, find_burst, mend

# So many uploads that are no rows yet, for each batch that may be in flight, are more than the fast lane is at.
LEVEL = 2
# Or so many that the journal told of, and that are no rows after the grace time.
LEVEL_DUE = 8
# What the fast lane was left is taken from it after so long in a burst, in s.
PATIENCE = 0.6
# How long there must be little to do before the fast lane is tried again, in s: with events heard of, and by the
# journal alone, which tells every 3 s.
CALM, CALM_UNHEARD = 2.0, 4.0
# Uploads a second that the fast lane is trusted with at first, and at least.
RATE_FIRST, RATE_LEAST = 16.0, 4.0
# A burst so soon after the last, in s, means that it was trusted with too much; so long without one, with little.
SOON, LONG = 10.0, 10.0
# How long a batch is gathered for, in s, of what is heard a tenth of a second together; and what is worth one at once.
GATHER, WORTH = 0.02, 16
# A batch is not made smaller than this only to have more of them.
SMALLEST = 8
# Where OpenWhisk counts invocations, each is to carry as much as it can: gathered for longer, in s, and for how long
# after the quota was met.
GATHER_SCARCE, WORTH_SCARCE, SCARCE = 1.0, 50, 60.0
# Between two looks at what cannot be changed just now, in s.
PAUSE = 1.0


class Hears(Protocol):
    """Whoever fills `Heard`: it can be told that each event matters."""

    def hurry(self, quick: bool) -> None: ...


class LaneSwitch:
    """Whether uploads go by event or by batch. It lives as long as its sweep; `attach` gives it a connection.

    Raises `psycopg.Error` as that connection does; the rule's state outlives it.
    """

    def __init__(self, heard: Heard, rule: Switch, places: int, report: Callable[[str], None]) -> None:
        self.heard, self._rule, self._places, self._report = heard, rule, places, report
        heard.level = LEVEL * places
        self._listener: Hears | None = None
        self.active = False
        self._began, self._ended, self._busy = 0.0, -SOON, 0.0
        self._renewed, self._looked, self._blocked = 0.0, 0.0, 0.0
        self._scarce_until = 0.0
        self._trusted, self._steady = RATE_FIRST, time.monotonic()

    def listen(self, listener: Hears) -> None:
        """From now on events are heard of at once."""
        self._listener = listener

    def attach(self, connection: psycopg.Connection[Any]) -> None:
        """Go on with this connection; what another sweep left behind is mended."""
        self._connection, self._lease = connection, BurstLease(connection, self._rule.name)
        self.mend()

    def mend(self) -> None:
        """Switch the rule on if a sweep that is gone has switched it off."""
        if not self.active and mend(self._connection, self._rule):
            self._report("sweep: the rule was left switched off by a sweep that is gone: it is on again")

    def look(self, *, idle: bool, claimed: int = 0) -> None:
        """See whether to change over. `idle`: nothing is in flight; `claimed` rows of live uploads were due."""
        now = time.monotonic()
        if not self.active:
            if self._is_overrun(now, claimed):
                self._begin(now)
            return
        if now - self._renewed > LEASE.total_seconds() / 4:
            self._renewed = now
            if not self._lease.renew():
                self._leave("somebody else has switched the rule on")
                return
        self._take_back(now)
        rate = self.heard.rate()
        if claimed or rate > self._trusted or self.heard.count_waiting() > SMALLEST or self.heard.count_left():
            self._busy = now
        calm = CALM if self._listener else CALM_UNHEARD
        if now - self._busy > calm and idle and now > self._blocked:
            self.end()

    def end(self) -> None:
        """Switch the rule on again; what waits still goes by batch."""
        if not self.active:
            return
        if not self._rule.switch("active"):
            self._blocked = time.monotonic() + PAUSE
            return
        self._leave("uploads go by their events again")
        self._lease.release()

    def abandon(self) -> None:
        """Switch the rule on without the database; the note that is left says nothing that is not mended."""
        if self.active and self._rule.switch("active"):
            self._leave("the sweep ends")

    def due(self) -> float | None:
        """In how many seconds a batch of what was heard is to leave; None where nothing waits."""
        age = self.heard.age()
        if age is None:
            return None
        scarce = time.monotonic() < self._scarce_until
        worth, gather = (WORTH_SCARCE, GATHER_SCARCE) if scarce else (WORTH, GATHER)
        return 0.0 if self.heard.count_waiting() >= worth else max(gather - age, 0.0)

    def spare(self) -> None:
        """OpenWhisk takes no more invocations this minute: let each of the next carry more."""
        self._scarce_until = time.monotonic() + SCARCE

    def take(self, most: int) -> Sequence[HeardEvent]:
        """The next batch: the more wait, the larger, and so many of them at the end that no core is idle."""
        if self.due() != 0:
            return ()
        return self.heard.take(self.size(most, self.heard.count_waiting()))

    def size(self, most: int, waiting: int) -> int:
        """How many of `waiting` records to put into one batch."""
        if time.monotonic() < self._scarce_until:
            return most
        return min(most, max(SMALLEST, math.ceil(waiting / (2 * self._places))))

    def _is_overrun(self, now: float, claimed: int) -> bool:
        """Whether more is with the fast lane than it can be working on."""
        rate = self.heard.rate()
        if rate < self._trusted:
            self._steady = now
        elif now - self._steady > LONG:
            self._trusted, self._steady = rate, now
        if now < self._blocked:
            return False
        if claimed >= LEVEL_DUE * self._places:
            return True
        level = self.heard.level
        if self.heard.count_left() < level or now - self._looked < GATHER / 2:
            return False
        self._looked = now
        left = self.heard.list_left()
        self.heard.drop([event.name for event in self._find_stored(left)])
        return len(left) >= level and self.heard.count_left() >= level

    def _begin(self, now: float) -> None:
        """Switch the rule off, unless it is off, or another sweep has taken that on."""
        self._blocked = now + PAUSE
        noted = find_burst(self._connection, self._rule.name)
        if noted is not None:
            self.mend()
            return
        # Somebody's own `wsk rule disable` stays; so it has to be looked for before anything is noted.
        if self._rule.status() != "active" or not self._lease.take():
            return
        # If its answer is lost, the note stays, and says what is to be mended once it has run out.
        if not self._rule.switch("inactive") or not self._lease.renew():
            return
        if now - self._ended < SOON:
            self._trusted = max(self._trusted / 2, RATE_LEAST)
        self.active, self._began, self._busy, self._renewed = True, now, now, now
        self.heard.turn(by_batch=True)
        self._hurry(True)
        self._report(f"sweep: burst: by batch, {self.heard.count_left()} uploads are no rows yet")

    def _leave(self, why: str) -> None:
        self.active, self._ended = False, time.monotonic()
        self._steady = self._ended
        self.heard.turn(by_batch=False)
        self._hurry(False)
        self._report(f"sweep: burst over after {self._ended - self._began:.1f} s: {why}")

    def _hurry(self, quick: bool) -> None:
        if self._listener:
            self._listener.hurry(quick)

    def _take_back(self, now: float) -> None:
        """What the fast lane has not done in time goes by batch."""
        if now - self._looked < GATHER or not (left := self.heard.list_left(PATIENCE)):
            return
        self._looked = now
        stored = self._find_stored(left)
        self.heard.drop([event.name for event in stored])
        self.heard.take_back(left)

    def _find_stored(self, events: Sequence[HeardEvent]) -> Sequence[HeardEvent]:
        columns: Mapping[str, list[Any]] = {
            "buckets": [event.name.bucket for event in events],
            "keys": [event.event.key for event in events],
            "versions": [event.name.version for event in events],
            "sequencers": [event.name.sequencer.lower().rjust(32, "0") for event in events],
            "etags": [event.event.etag or "" for event in events],
            "finalities": [_read_finality(event.event) for event in events],
        }
        found = self._connection.execute(statements(__file__)["find_stored"], columns).fetchall()
        return [events[position - 1] for (position,) in found]


def _read_finality(event: ObjectEvent) -> int:
    if event.kind != "removed":
        return PRESENT
    return DELETE_MARKER if event.delete_marker else REMOVED
