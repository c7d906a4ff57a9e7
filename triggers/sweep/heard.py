"""What was heard of uploads and is not known to be a row yet: left to the fast lane, or waiting for the next batch.

Nothing of it is written down, for the journal has every event a few seconds later; so what is forgotten here is late,
never lost, and what is kept has a bound.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from actions.errors import BadEvent
from actions.events import ObjectEvent, parse_record
from triggers.sweep.invoking import slim_record

# By then the journal has it, from where any sweep may take it.
FORGOTTEN_AFTER = 5.0
# Beyond so many waiting ones the rest is left to the journal.
LIMIT_WAITING = 5000
# Over how long, in s, the rate of uploads is looked at.
WINDOW = 2.0


class EventName(NamedTuple):
    """By which an event is known again, wherever it is told of."""

    bucket: str
    key: str
    version: str
    sequencer: str


@dataclass(frozen=True, slots=True)
class HeardEvent:
    """`record` is as a batch has it, `event` what it says; `at` is when it was heard, in monotonic seconds."""

    name: EventName
    record: Mapping[str, Any]
    event: ObjectEvent
    at: float


def name_event(record: Mapping[str, Any]) -> EventName:
    """The name of a record's event; its key as it is escaped there."""
    described = record["s3"]["object"]
    version = str(described.get("versionId") or "")
    return EventName(
        str(record["s3"]["bucket"]["name"]),
        str(described.get("key")),
        "" if version == "null" else version,
        str(described.get("sequencer") or ""),
    )


class Heard:
    """Filled by a listener's threads, emptied by a sweep's. `wake` is called when there is something to look at."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake, self._lock = wake, threading.Lock()
        self._by_batch = False
        # How many may be with the fast lane before somebody has to look.
        self.level = 0
        self._left: dict[EventName, HeardEvent] = {}
        self._waiting: dict[EventName, HeardEvent] = {}
        self._running: set[EventName] = set()
        self._known: dict[EventName, float] = {}
        self._times: deque[float] = deque()

    def hear(self, record: Mapping[str, Any]) -> None:
        """Of one event, though it be told of several times. What cannot be read is the journal's to park."""
        try:
            read = parse_record(record)
        except BadEvent:
            return
        if read.kind == "ignored":
            return
        event = HeardEvent(name_event(record), slim_record(record), read, time.monotonic())
        with self._lock:
            if event.name in self._known:
                return
            self._known[event.name] = event.at
            self._times.append(event.at)
            if not self._by_batch:
                self._left[event.name] = event
                concerns = len(self._left) >= self.level
            else:
                if len(self._waiting) < LIMIT_WAITING:
                    self._waiting[event.name] = event
                concerns = True
        if concerns:
            self._wake()

    def turn(self, *, by_batch: bool) -> None:
        """Whether what is heard from now on waits for a batch, or is the fast lane's."""
        with self._lock:
            self._by_batch = by_batch

    def rate(self) -> float:
        """Uploads a second, of late. Forgets what is too old to be told of again."""
        now = time.monotonic()
        with self._lock:
            while self._times and self._times[0] < now - WINDOW:
                self._times.popleft()
            if len(self._known) > 2 * len(self._times) + LIMIT_WAITING:
                self._known = {name: at for name, at in self._known.items() if at > now - FORGOTTEN_AFTER}
            return len(self._times) / WINDOW

    def list_left(self, older_than: float = 0.0) -> Sequence[HeardEvent]:
        """What the fast lane was left, that many seconds ago at least; who is older than anybody cares is forgotten."""
        now = time.monotonic()
        with self._lock:
            self._left = {name: event for name, event in self._left.items() if event.at > now - FORGOTTEN_AFTER}
            return [event for event in self._left.values() if event.at <= now - older_than]

    def drop(self, names: Collection[EventName]) -> None:
        """These are rows."""
        with self._lock:
            for name in names:
                self._left.pop(name, None)

    def take_back(self, events: Sequence[HeardEvent]) -> None:
        """The fast lane has not done these: they wait for a batch."""
        with self._lock:
            for event in events:
                if self._left.pop(event.name, None):
                    self._waiting[event.name] = event

    def count_waiting(self) -> int:
        with self._lock:
            return len(self._waiting)

    def count_left(self) -> int:
        with self._lock:
            return len(self._left)

    def age(self) -> float | None:
        """For how long the oldest one has waited; None where none does."""
        with self._lock:
            oldest = next(iter(self._waiting.values()), None)
        return None if oldest is None else time.monotonic() - oldest.at

    def take(self, most: int) -> Sequence[HeardEvent]:
        """The oldest ones, for a batch: they are running until `end`."""
        now = time.monotonic()
        with self._lock:
            chosen = list(self._waiting.values())[:most]
            for event in chosen:
                del self._waiting[event.name]
            kept = [event for event in chosen if event.at > now - FORGOTTEN_AFTER]
            self._running.update(event.name for event in kept)
            return kept

    def end(self, events: Sequence[HeardEvent], *, again: bool = False) -> None:
        """They run no longer; `again`: nothing was done, and they wait as before, in front of the others."""
        with self._lock:
            self._running.difference_update(event.name for event in events)
            if again:
                self._waiting = {event.name: event for event in events} | self._waiting

    def claim(self, name: EventName) -> bool:
        """The journal has told of it, too: it no longer waits here. False where it is running or is the fast lane's."""
        with self._lock:
            self._waiting.pop(name, None)
            if name in self._running or (self._by_batch and name in self._left):
                return False
            self._left.pop(name, None)
            return True
