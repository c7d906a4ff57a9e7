"""The inbox as a sweep sees it: pending rows are claimed, and what became of each is noted. The SQL is in `inbox.sql`.

A claim is a lease: `next_at` is moved behind it, so a sweep that dies leaves rows that are simply due again later, and
two sweeps never hold the same row (`SKIP LOCKED`). Whatever is noted is noted under the claim: who lost it is ignored.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import psycopg

from actions.causes import name_database_cause
from actions.errors import DatabaseUnavailable
from actions.messages import make_storable
from actions.settings import add_options
from actions.statements import statements
from triggers.sweep.wake import Wake

CHANNEL = "pixwhisk_inbox"
OPTIONS = "-c statement_timeout=20s -c lock_timeout=10s -c idle_in_transaction_session_timeout=30s"
# The first wait of a row that failed, doubled with every attempt of its own up to the longest.
BACKOFF_FIRST, BACKOFF_LONGEST = timedelta(seconds=1), timedelta(seconds=600)
# The longest wait while nobody is known to be at fault, a tenth of the time that it goes on.
BACKOFF_BLAMELESS = timedelta(seconds=60)
PRUNE_AFTER, PRUNE_AT_ONCE = timedelta(days=7), 10_000


@dataclass(frozen=True, slots=True)
class ClaimedEvent:
    """A claimed row. `attempts` are those that failed so far; `event_data` is as MinIO wrote it.

    `revision` is which row about the object version was stored at the claim; None for none. `live`: an upload's own
    event rather than a backfill's.
    """

    id: int
    event_data: str
    attempts: int
    revision: str | None = None
    live: bool = True


@dataclass(frozen=True, slots=True)
class SeenEvent:
    """A claimed row that was run, and what was seen of its object version, in the words of `store`.

    `finality` is None where the event's bytes were not there to be seen.
    """

    row: ClaimedEvent
    finality: int | None
    etag: str


@dataclass(frozen=True, slots=True)
class Counts:
    """`reasons` is how many rows are parked for each; `oldest` is when the longest pending row came."""

    pending: int
    parked: int
    reasons: dict[str, int]
    oldest: datetime | None


# Every claim of this process. After a lost connection it holds nothing any more, whatever it had claimed before.
CLAIMANT = uuid.uuid4()


class Inbox:
    """One sweep's hold on the inbox; not for several threads, and one at a time for each `claimant`."""

    def __init__(self, connection: psycopg.Connection, lease: timedelta, claimant: uuid.UUID = CLAIMANT) -> None:
        self._connection, self._lease, self._claim = connection, lease, claimant

    def recover(self) -> None:
        """Let go of what was claimed before the connection was lost."""
        self._execute("recover")

    @property
    def connection(self) -> psycopg.Connection:
        """What it is a hold on, for what else this sweep asks of the database."""
        return self._connection

    def listen(self) -> None:
        """From now on `notified` hears of new rows."""
        self._connection.execute(f"LISTEN {CHANNEL}")

    def hear(self, timeout: float) -> bool:
        """Whether a row has come since it was last asked, or comes within `timeout` seconds."""
        return any(True for _ in self._connection.notifies(timeout=timeout, stop_after=1))

    def wait(self, wake: Wake, timeout: float) -> bool:
        """The same; but `wake` ends it, too."""
        return self.hear(0) or (wake.wait(timeout, self._connection.fileno()) and self.hear(0))

    def counts(self) -> Counts:
        """What is not done."""
        return counts(self._connection)

    def claim(self, most: int, grace: timedelta) -> Sequence[ClaimedEvent]:
        """Rows that are due, the newest live ones first, backfill after them. Those that have an outcome are settled.

        Live ones are due once their event is `grace` old: that long they are the fast lane's. May return fewer than are
        due: call again until nothing comes. A row whose earlier claim ran out counts as having failed: it may be what
        killed the sweep.
        """
        claimed: list[ClaimedEvent] = []
        while len(claimed) < most:
            found = self._execute("claim", most=most - len(claimed), grace=grace).fetchall()
            claimed += [ClaimedEvent(*columns) for *columns, state in found if state == "pending"]
            if all(state == "pending" for *_, state in found):
                break
        return claimed

    def renew(self, rows: Sequence[ClaimedEvent]) -> None:
        """Begin the lease of these rows anew."""
        self._note("renew", rows)

    def settle(self, seen: Sequence[SeenEvent]) -> tuple[Sequence[ClaimedEvent], int]:
        """Settle the rows that every active model has an outcome about, and return the others, still claimed.

        Rows that `store` has settled in the meantime are left as they are. Let go of, and counted, are those whose
        version was seen otherwise than it is stored: an outcome came between, and the object store is asked again.
        """
        found = self._execute(
            "settle",
            ids=[each.row.id for each in seen],
            finalities=[each.finality for each in seen],
            etags=[each.etag for each in seen],
        ).fetchall()
        behind = {number for number, state, contested in found if state == "pending" and not contested}
        return [each.row for each in seen if each.row.id in behind], sum(contested for *_, contested in found)

    def requeue(self, rows: Sequence[ClaimedEvent], after: timedelta = timedelta(0)) -> None:
        """Let go of rows that were not tried: they are due again, and no attempt is counted."""
        self._note("requeue", rows, after=after)

    def retry(self, row: ClaimedEvent, reason: str, detail: str, *, most: int, counts: bool, age: timedelta) -> bool:
        """Make a row that failed on its own due again later, or park it at `most` attempts, or once it has failed for
        longer than `age`, whoever was at fault; True if it was parked.

        `counts=False` says that a service failed rather than the row. The attempt is then counted only if another
        object was classified since the row last failed: while none can be, no row is at fault.
        """
        answer = self._execute(
            "retry",
            id=row.id,
            reason=reason,
            detail=_clean(detail),
            most=most,
            counts=counts,
            first=BACKOFF_FIRST,
            longest=BACKOFF_LONGEST,
            blameless=BACKOFF_BLAMELESS,
            age=age,
        ).fetchone()
        return answer == ("parked",)

    def park(self, row: ClaimedEvent, reason: str, detail: str) -> None:
        """Park a row that will never succeed: it becomes a dead letter, which only `replay` revives."""
        self._note("park", [row], reason=reason, detail=_clean(detail))

    def prune(self, older_than: timedelta = PRUNE_AFTER) -> bool:
        """Delete settled rows that old, a bounded number; whether there may be more."""
        answer = self._connection.execute("SELECT prune_inbox(%s, %s)", (older_than, PRUNE_AT_ONCE)).fetchone()
        return answer == (PRUNE_AT_ONCE,)

    def _note(self, name: str, rows: Sequence[ClaimedEvent], **values: object) -> psycopg.Cursor:
        return self._execute(name, ids=[row.id for row in rows], **values)

    def _execute(self, name: str, **values: object) -> psycopg.Cursor:
        return self._connection.execute(
            statements(__file__)[name], {"claim": self._claim, "lease": self._lease, **values}
        )


@contextmanager
def opened(url: str, lease: timedelta) -> Iterator[Inbox]:
    """The inbox for one sweep. Raises `DatabaseUnavailable` whenever Postgres fails, without the driver's words."""
    try:
        with psycopg.connect(add_options(url, OPTIONS), autocommit=True, connect_timeout=5) as connection:
            inbox = Inbox(connection, lease)
            inbox.recover()
            yield inbox
    except psycopg.Error as error:
        raise DatabaseUnavailable(
            f"Postgres cannot be used ({name_database_cause(error)}): see whether it runs"
        ) from None


def counts(connection: psycopg.Connection) -> Counts:
    """What is not done."""
    row = connection.execute(statements(__file__)["count_pending"]).fetchone()
    pending, oldest = row or (0, None)
    parked = connection.execute(statements(__file__)["count_parked"]).fetchall()
    reasons: dict[str, int] = dict(parked)
    return Counts(pending, sum(reasons.values()), reasons, oldest)


def replay(connection: psycopg.Connection, by: Literal["key", "reason", "all"], value: str = "") -> int:
    """Parked rows are pending again, as if they had never been tried; how many."""
    given = {"key": None, "reason": None, "all": None} | {by: value}
    replayed = connection.execute(statements(__file__)["replay"], given).rowcount
    connection.execute("SELECT pg_notify(%s, '')", (CHANNEL,))
    return replayed


def _clean(text: str) -> str:
    """As Postgres takes it, and no longer than a reader needs."""
    return make_storable(text)[:500]
