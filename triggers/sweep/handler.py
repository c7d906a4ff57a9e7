"""One sweep: claims what is pending, runs it in batches, a few in flight, and notes what became of each record.

A batch that fails is halved until the record at fault is alone. While a service fails for everybody, that would be
for nothing: then a single record is tried now and then, and the rest is let go until it succeeds.
"""

from __future__ import annotations

import math
import random
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, astuple, dataclass, replace
from datetime import timedelta
from threading import Event
from typing import Any, Protocol, assert_never

from actions.messages import DELETE_MARKER, PRESENT, REMOVED, SUPERSEDED
from triggers.sweep.burst import SMALLEST, LaneSwitch
from triggers.sweep.heard import HeardEvent, name_event
from triggers.sweep.inbox import ClaimedEvent, Inbox, SeenEvent
from triggers.sweep.invoking import Answer, Done, Failed, Refused, Running, slim
from triggers.sweep.settings import SweepSettings
from triggers.sweep.wake import Wake

# How long a sweep begins nothing after OpenWhisk refused or a service failed, in s; doubled while that goes on.
PAUSE_FIRST, PAUSE_LONGEST = 0.5, 4.0
# The same where all places were taken: ended at once when one of our own is free, for others' there is no word.
PAUSE_PLACE = 0.1
# So often in a row, and it is said.
WORTH_SAYING = 20
# What the fast lane or a batch is at is let go of for so long.
AT_WORK = timedelta(seconds=1)
# In a burst: how often the journal is asked for what was not heard of, at most, and how often to look, in s.
PAUSE_CLAIM, PAUSE_LOOK = 0.1, 0.25
# A batch, its halves: so many failures of a service in a row may still be one record's doing.
STREAK_OF_ONE_RECORD = 2
# What `classify` says of a picture that only its container's memory keeps it from.
NEEDS_MEMORY = "needs-memory"
# It ran well, and yet: `classify` was deployed with other models than are active in the database.
NOT_CLASSIFIED_BY_ALL = Failed(
    "model-missing", "an active model has no outcome about it: see `pixwhisk deploy`", "record"
)


Claimed = tuple[ClaimedEvent, Mapping[str, Any]]


class Runs(Protocol):
    """Runs a batch of records, or one that needs more memory than most; called from several threads."""

    def invoke(self, records: Sequence[Mapping[str, Any]]) -> Answer: ...

    def invoke_large(self, records: Sequence[Mapping[str, Any]]) -> Answer: ...


@dataclass(slots=True)
class Score:
    """What a sweep did, in rows. `requeued` were claimed and let go: nothing can be said of them yet."""

    done: int = 0
    failed: int = 0
    parked: int = 0
    requeued: int = 0

    def dump(self) -> dict[str, int]:
        return asdict(self)

    def __add__(self, other: Score) -> Score:
        return Score(*(mine + theirs for mine, theirs in zip(astuple(self), astuple(other), strict=True)))


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows that go in one invocation, and what is sent of them; `large` where only a larger container can do it."""

    rows: Sequence[ClaimedEvent]
    records: Sequence[Mapping[str, Any]]
    large: bool = False
    # Instead of rows: the journal's follow, and are settled by then.
    heard: Sequence[HeardEvent] = ()

    def part(self, begin: int, end: int) -> Batch:
        return replace(self, rows=self.rows[begin:end], records=self.records[begin:end])


class Sweep:
    """Runs until nothing is due, `until` (monotonic seconds) is past, or `stop` is set. Used once.

    `report` is told what holds everything up, once for each cause: for as long as it lasts, a sweep only waits. With a
    `burst`, what was heard of goes before what the journal tells, and `wake` ends a wait.
    """

    def __init__(
        self,
        inbox: Inbox,
        runs: Runs,
        settings: SweepSettings,
        stop: Event,
        until: float = float("inf"),
        *,
        report: Callable[[str], None] = print,
        burst: LaneSwitch | None = None,
        wake: Wake | None = None,
    ) -> None:
        self._burst, self._claimed, self._claim_after = burst, 0, 0.0
        self._wake, self._wake_is_own = wake or Wake(), wake is None
        self._inbox, self._runs, self._settings, self._stop, self._until = inbox, runs, settings, stop, until
        self._report, self._reported = report, ""
        self._waiting: deque[Batch] = deque()
        # Of these one at a time is run: each takes as much memory as four of the others.
        self._large: deque[Batch] = deque()
        self._in_flight: dict[Future[Answer], Batch] = {}
        self._streak, self._crowded = 0, 0
        self._pause, self._resume = 0.0, 0.0
        self._renewed = time.monotonic()
        self.score = Score()

    def run(self) -> Score:
        """Returns when all that was begun has ended and been noted."""
        try:
            with ThreadPoolExecutor(self._settings.in_flight, thread_name_prefix="sweep") as pool:
                while self._more(pool):
                    self._wait()
                    for future in [each for each in self._in_flight if each.done()]:
                        self._note(self._in_flight.pop(future), future.result())
                    self._renew()
            self._requeue([*self._waiting, *self._large])
        finally:
            # What was heard outlives a sweep whose database goes away: its rows would be left to that sweep for ever.
            for batch in (*self._in_flight.values(), *self._waiting):
                self._end_heard(batch)
            if self._wake_is_own:
                self._wake.close()
        return self.score

    def _wait(self) -> None:
        """Until a batch has ended, or there is something else to do."""
        longest = self._settings.lease.total_seconds() / 4
        if self._burst and self._burst.active:
            due = self._burst.due() if len(self._in_flight) < self._settings.in_flight else None
            longest = min(longest, PAUSE_LOOK if due is None else max(due, 0.005))
        if not any(each.done() for each in self._in_flight):
            self._wake.wait(longest)

    def _renew(self) -> None:
        """Leases are short, so that a killed sweep's rows are soon due again: begin them anew meanwhile."""
        if time.monotonic() - self._renewed > self._settings.lease.total_seconds() / 8:
            self._renewed = time.monotonic()
            self._inbox.renew(self._held())

    def _more(self, pool: ThreadPoolExecutor) -> bool:
        """Fill the places in flight; False when nothing is in flight and nothing more is to begin."""
        while not self._over():
            if self._burst:
                self._burst.look(idle=not self._in_flight, claimed=self._claimed)
                self._claimed = 0
            while len(self._in_flight) < self._settings.in_flight and not self._is_paused() and self._next():
                batch = self._large.popleft() if self._large_may_run() else self._waiting.popleft()
                run = self._runs.invoke_large if batch.large else self._runs.invoke
                future = pool.submit(run, batch.records)
                self._in_flight[future] = batch
                future.add_done_callback(lambda _: self._wake.set())
            if self._in_flight or not self._is_paused():
                break
            self._stop.wait(min(self._resume, self._until) - time.monotonic())
        return bool(self._in_flight)

    def _next(self) -> bool:
        """See that a batch is waiting. A row that failed before goes alone."""
        if self._large_may_run():
            return True
        if not self._waiting and self._burst and (heard := self._burst.take(self._settings.batch)):
            self._waiting.append(Batch((), [each.record for each in heard], heard=heard))
        if not self._waiting:
            claimed = [(row, self._readable(row)) for row in self._claim()]
            readable = [(row, record) for row, record in claimed if record is not None]
            ours = self._leave_to_others(readable)
            fresh = [each for each in ours if not each[0].attempts]
            groups = [*self._divide(fresh), *([each] for each in ours if each[0].attempts)]
            self._waiting.extend(Batch(*zip(*group, strict=True)) for group in groups if group)
        return bool(self._waiting)

    def _leave_to_others(self, claimed: Sequence[Claimed]) -> Sequence[Claimed]:
        """Without what the fast lane, or a batch of what was heard, is at."""
        if not self._burst:
            return claimed
        ours: list[Claimed] = []
        others: list[Claimed] = []
        for each in claimed:
            (ours if self._burst.heard.claim(name_event(each[1])) else others).append(each)
        self._inbox.requeue([row for row, _ in others], AT_WORK)
        self._claimed += sum(row.live for row, _ in ours)
        return ours

    def _divide(self, claimed: Sequence[Claimed]) -> Sequence[Sequence[Claimed]]:
        """The last ones of a queue in so many batches that all places have work until the end."""
        if len(claimed) == self._settings.batch:
            return [claimed]
        size = max(SMALLEST, math.ceil(len(claimed) / self._settings.in_flight))
        return [claimed[begin : begin + size] for begin in range(0, len(claimed), size)]

    def _large_may_run(self) -> bool:
        return bool(self._large) and not any(batch.large for batch in self._in_flight.values())

    def _claim(self) -> Sequence[ClaimedEvent]:
        if not (self._burst and self._burst.active):
            return self._inbox.claim(self._settings.batch, self._settings.grace)
        if time.monotonic() < self._claim_after:
            return ()
        claimed = self._inbox.claim(self._settings.batch, timedelta(0))
        if len(claimed) < self._settings.batch:
            self._claim_after = time.monotonic() + PAUSE_CLAIM
        return claimed

    def _readable(self, row: ClaimedEvent) -> Mapping[str, Any] | None:
        try:
            return {**slim(row.event_data), **({"revision": row.revision} if row.revision else {})}
        except (ValueError, LookupError, TypeError, RecursionError):
            self._park(row, "bad-event", "the journal's row cannot be read")
            return None

    def _note(self, batch: Batch, answer: Answer) -> None:
        match answer:
            case Done():
                self._streak, self._crowded, self._pause, self._resume, self._reported = 0, 0, 0.0, 0.0, ""
                self._end_heard(batch)
                self.score.done += len(batch.heard)
                if batch.rows:
                    self._note_outcomes(batch, answer.outcomes)
            case Running():
                # Their leases run out; by then `store` has settled them, or they are due again.
                self._end_heard(batch)
                self.score.requeued += len(batch.rows)
            case Refused(until="place"):
                self._keep(batch)
                self._crowded += 1
                self._resume = time.monotonic() + PAUSE_PLACE * (0.5 + random.random())  # noqa: S311 - jitter
                if self._crowded % WORTH_SAYING == 0:
                    self._report_wait(answer)
            case Refused():
                self._report_wait(answer)
                self._wait_longer()
                if self._burst and answer.until == "minute":
                    self._burst.spare()
                self._requeue([batch, *self._waiting, *self._large])
                self._waiting.clear()
                self._large.clear()
            case Failed():
                self._note_failure(batch, answer)
            case _:
                assert_never(answer)

    def _keep(self, batch: Batch) -> None:
        """It is the next again; of what was heard, more may go with it by then."""
        if batch.heard:
            self._end_heard(batch, again=True)
        else:
            (self._large if batch.large else self._waiting).appendleft(batch)

    def _note_outcomes(self, batch: Batch, outcomes: Sequence[Mapping[str, Any]]) -> None:
        seen: list[SeenEvent] = []
        for row, record, outcome in zip(batch.rows, batch.records, outcomes, strict=True):
            if outcome.get("reason") == NEEDS_MEMORY and not batch.large:
                self._large.append(Batch([row], [record], large=True))
            elif outcome.get("reason") == "bad-event":
                self._park(row, "bad-event", str(outcome.get("detail")))
            else:
                seen.append(_read_seen(row, outcome))
        behind, contested = self._inbox.settle(seen)
        self.score.done += len(seen) - len(behind) - contested
        self.score.requeued += contested
        for row in behind:
            self._note_row(row, NOT_CLASSIFIED_BY_ALL)

    def _note_failure(self, batch: Batch, failed: Failed) -> None:
        of_service = failed.fault == "service"
        if of_service:
            self._report_wait(failed)
            self._streak += 1
            self._wait_longer()
        if batch.heard:
            self._end_heard(batch)
        elif len(batch.rows) == 1:
            self._note_row(batch.rows[0], failed)
        elif self._streak <= STREAK_OF_ONE_RECORD:
            middle = len(batch.rows) // 2
            self._waiting.extendleft([batch.part(middle, len(batch.rows)), batch.part(0, middle)])
        else:
            chosen = random.randrange(len(batch.rows))  # noqa: S311 - any will do
            self._waiting.appendleft(batch.part(chosen, chosen + 1))
            self._requeue([batch.part(0, chosen), batch.part(chosen + 1, len(batch.rows))])

    def _note_row(self, row: ClaimedEvent, failed: Failed) -> None:
        if failed.final:
            self._park(row, failed.reason, failed.detail)
            return
        self.score.failed += 1
        self.score.parked += self._inbox.retry(
            row,
            failed.reason,
            failed.detail,
            most=self._settings.attempts,
            counts=failed.fault != "service",
            age=self._settings.age,
        )

    def _park(self, row: ClaimedEvent, reason: str, detail: str) -> None:
        self._inbox.park(row, reason, detail)
        self.score.parked += 1

    def _end_heard(self, batch: Batch, *, again: bool = False) -> None:
        if self._burst and batch.heard:
            self._burst.heard.end(batch.heard, again=again)

    def _requeue(self, batches: Iterable[Batch]) -> None:
        batches = list(batches)
        for batch in batches:
            self._end_heard(batch, again=True)
        rows = [row for batch in batches for row in batch.rows]
        self._inbox.requeue(rows)
        self.score.requeued += len(rows)

    def _report_wait(self, answer: Refused | Failed) -> None:
        if answer.reason != self._reported:
            self._reported = answer.reason
            self._report(f"sweep: waiting: {answer.reason}: {answer.detail}")

    def _held(self) -> Sequence[ClaimedEvent]:
        """All rows this sweep has claimed and not noted."""
        return [row for batch in (*self._in_flight.values(), *self._waiting, *self._large) for row in batch.rows]

    def _wait_longer(self) -> None:
        self._pause = min(max(self._pause * 2, PAUSE_FIRST), PAUSE_LONGEST)
        self._resume = time.monotonic() + self._pause * (0.75 + random.random() / 2)  # noqa: S311 - jitter

    def _is_paused(self) -> bool:
        return time.monotonic() < self._resume

    def _over(self) -> bool:
        return self._stop.is_set() or time.monotonic() > self._until


def _read_seen(row: ClaimedEvent, outcome: Mapping[str, Any]) -> SeenEvent:
    """Of an object under its owner's key, of which an event tells no ETag, nothing was seen either."""
    if outcome.get("status") == "deleted":
        return SeenEvent(row, DELETE_MARKER if outcome.get("deleteMarker") else REMOVED, "")
    etag = str(outcome.get("etag") or "")
    unseen = outcome.get("reason") in (*SUPERSEDED, NEEDS_MEMORY) or not etag
    return SeenEvent(row, None if unseen else PRESENT, etag)
