"""One sweep: claims what is pending, runs it in batches, a few in flight, and notes what became of each record.

A batch that fails is halved until the record at fault is alone. While a service fails for everybody, that would be
for nothing: then a single record is tried now and then, and the rest is let go until it succeeds.
"""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass, replace
from threading import Event
from typing import Any, Protocol, assert_never

from actions.messages import DELETE_MARKER, PRESENT, REMOVED, SUPERSEDED
from triggers.sweep.inbox import ClaimedEvent, Inbox, SeenEvent
from triggers.sweep.invoking import Answer, Done, Failed, Refused, Running, slim
from triggers.sweep.settings import SweepSettings

# How long a sweep begins nothing after OpenWhisk refused or a service failed, in s; doubled while that goes on.
PAUSE_FIRST, PAUSE_LONGEST = 0.5, 8.0
# A batch, its halves: so many failures of a service in a row may still be one record's doing.
STREAK_OF_ONE_RECORD = 2
# What `classify` says of a picture that only its container's memory keeps it from.
NEEDS_MEMORY = "needs-memory"
# It ran well, and yet: `classify` was deployed with other models than are active in the database.
NOT_CLASSIFIED_BY_ALL = Failed(
    "model-missing", "an active model has no outcome about it: see `pixwhisk deploy`", "record"
)


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


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows that go in one invocation, and what is sent of them; `large` where only a larger container can do it."""

    rows: Sequence[ClaimedEvent]
    records: Sequence[Mapping[str, Any]]
    large: bool = False

    def part(self, begin: int, end: int) -> Batch:
        return replace(self, rows=self.rows[begin:end], records=self.records[begin:end])


class Sweep:
    """Runs until nothing is due, `until` (monotonic seconds) is past, or `stop` is set. Used once.

    `report` is told what holds everything up, once for each cause: for as long as it lasts, a sweep only waits.
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
    ) -> None:
        self._inbox, self._runs, self._settings, self._stop, self._until = inbox, runs, settings, stop, until
        self._report, self._reported = report, ""
        self._waiting: deque[Batch] = deque()
        # Of these one at a time is run: each takes as much memory as four of the others.
        self._large: deque[Batch] = deque()
        self._in_flight: dict[Future[Answer], Batch] = {}
        self._streak = 0
        self._pause, self._resume = 0.0, 0.0
        self.score = Score()

    def run(self) -> Score:
        """Returns when all that was begun has ended and been noted."""
        with ThreadPoolExecutor(self._settings.in_flight, thread_name_prefix="sweep") as pool:
            while self._more(pool):
                # Leases are short, so that a killed sweep's rows are soon due again: renew them meanwhile.
                ended, _ = wait(self._in_flight, self._settings.lease.total_seconds() / 4, FIRST_COMPLETED)
                for future in ended:
                    self._note(self._in_flight.pop(future), future.result())
                self._inbox.renew(self._held())
        self._requeue([*self._waiting, *self._large])
        return self.score

    def _more(self, pool: ThreadPoolExecutor) -> bool:
        """Fill the places in flight; False when nothing is in flight and nothing more is to begin."""
        while not self._over():
            while len(self._in_flight) < self._settings.in_flight and not self._is_paused() and self._next():
                batch = self._large.popleft() if self._large_may_run() else self._waiting.popleft()
                run = self._runs.invoke_large if batch.large else self._runs.invoke
                self._in_flight[pool.submit(run, batch.records)] = batch
            if self._in_flight or not self._is_paused():
                break
            self._stop.wait(min(self._resume, self._until) - time.monotonic())
        return bool(self._in_flight)

    def _next(self) -> bool:
        """See that a batch is waiting. A row that failed before goes alone."""
        if self._large_may_run():
            return True
        if not self._waiting:
            claimed = [(row, self._readable(row)) for row in self._claim()]
            readable = [(row, record) for row, record in claimed if record is not None]
            fresh = [each for each in readable if not each[0].attempts]
            groups = [fresh, *([each] for each in readable if each[0].attempts)]
            self._waiting.extend(Batch(*zip(*group, strict=True)) for group in groups if group)
        return bool(self._waiting)

    def _large_may_run(self) -> bool:
        return bool(self._large) and not any(batch.large for batch in self._in_flight.values())

    def _claim(self) -> Sequence[ClaimedEvent]:
        return self._inbox.claim(self._settings.batch, self._settings.grace)

    def _readable(self, row: ClaimedEvent) -> Mapping[str, Any] | None:
        try:
            return {**slim(row.event_data), **({"revision": row.revision} if row.revision else {})}
        except (ValueError, LookupError, TypeError, RecursionError):
            self._park(row, "bad-event", "the journal's row cannot be read")
            return None

    def _note(self, batch: Batch, answer: Answer) -> None:
        match answer:
            case Done():
                self._streak, self._pause, self._reported = 0, 0.0, ""
                self._note_outcomes(batch, answer.outcomes)
            case Running():
                # Their leases run out; by then `store` has settled them, or they are due again.
                self.score.requeued += len(batch.rows)
            case Refused():
                self._report_wait(answer)
                self._wait_longer()
                self._requeue([batch, *self._waiting, *self._large])
                self._waiting.clear()
                self._large.clear()
            case Failed():
                self._note_failure(batch, answer)
            case _:
                assert_never(answer)

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
        if len(batch.rows) == 1:
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
            row, failed.reason, failed.detail, most=self._settings.attempts, counts=failed.fault != "service"
        )

    def _park(self, row: ClaimedEvent, reason: str, detail: str) -> None:
        self._inbox.park(row, reason, detail)
        self.score.parked += 1

    def _requeue(self, batches: Iterable[Batch]) -> None:
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
        return self._pause > 0 and time.monotonic() < self._resume

    def _over(self) -> bool:
        return self._stop.is_set() or time.monotonic() > self._until


def _read_seen(row: ClaimedEvent, outcome: Mapping[str, Any]) -> SeenEvent:
    """Of an object under its owner's key, of which an event tells no ETag, nothing was seen either."""
    if outcome.get("status") == "deleted":
        return SeenEvent(row, DELETE_MARKER if outcome.get("deleteMarker") else REMOVED, "")
    etag = str(outcome.get("etag") or "")
    unseen = outcome.get("reason") in (*SUPERSEDED, NEEDS_MEMORY) or not etag
    return SeenEvent(row, None if unseen else PRESENT, etag)
