"""The inbox as a sweep sees it: pending rows are claimed, and what became of each is noted. All the SQL is here.

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

from actions.errors import DatabaseUnavailable

CHANNEL = "pixwhisk_inbox"
OPTIONS = "-c statement_timeout=20s -c lock_timeout=10s -c idle_in_transaction_session_timeout=30s"
# The first wait of a row that failed, doubled with every attempt of its own up to the longest.
BACKOFF_FIRST, BACKOFF_LONGEST = timedelta(seconds=1), timedelta(seconds=600)
PRUNE_AFTER, PRUNE_AT_ONCE = timedelta(days=7), 10_000


@dataclass(frozen=True, slots=True)
class ClaimedEvent:
    """A claimed row. `attempts` are those that failed so far; `event_data` is as MinIO wrote it."""

    id: int
    event_data: str
    attempts: int


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
        self._connection.execute(
            "UPDATE inbox SET next_at = now(), claim = NULL WHERE state = 'pending' AND claim = %(claim)s",
            self._values(),
        )

    def listen(self) -> None:
        """From now on `notified` hears of new rows."""
        self._connection.execute(f"LISTEN {CHANNEL}")

    def notified(self, timeout: float) -> bool:
        """Whether a row has come since it was last asked, or comes within `timeout` seconds."""
        return any(True for _ in self._connection.notifies(timeout=timeout, stop_after=1))

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
            found = self._connection.execute(CLAIM, self._values(most=most - len(claimed), grace=grace)).fetchall()
            claimed += [ClaimedEvent(*columns) for *columns, state in found if state == "pending"]
            if all(state == "pending" for *_, state in found):
                break
        return claimed

    def renew(self, rows: Sequence[ClaimedEvent]) -> None:
        """Begin the lease of these rows anew."""
        self._note("SET next_at = now() + %(lease)s", rows)

    def settle(self, rows: Sequence[ClaimedEvent]) -> Sequence[ClaimedEvent]:
        """Settle the rows that every active model has an outcome about, and return the others, still claimed.

        Rows that `store` has settled in the meantime are left as they are.
        """
        found = self._connection.execute(SETTLE, self._values(ids=[row.id for row in rows])).fetchall()
        behind = {number for number, state in found if state == "pending"}
        return [row for row in rows if row.id in behind]

    def requeue(self, rows: Sequence[ClaimedEvent], after: timedelta = timedelta(0)) -> None:
        """Let go of rows that were not tried: they are due again, and no attempt is counted."""
        self._note("SET next_at = now() + %(after)s, claim = NULL", rows, after=after)

    def retry(self, row: ClaimedEvent, reason: str, detail: str, *, most: int, counts: bool) -> bool:
        """Make a row that failed on its own due again later, or park it at `most` attempts; True if it was parked.

        `counts=False` says that a service failed rather than the row. The attempt is then counted only if another
        object was classified since the row last failed: while none can be, no row is at fault.
        """
        answer = self._connection.execute(
            RETRY,
            self._values(
                id=row.id,
                reason=reason,
                detail=_clean(detail),
                most=most,
                counts=counts,
                first=BACKOFF_FIRST,
                longest=BACKOFF_LONGEST,
            ),
        ).fetchone()
        return answer == ("parked",)

    def park(self, row: ClaimedEvent, reason: str, detail: str) -> None:
        """Park a row that will never succeed: it becomes a dead letter, which only `replay` revives."""
        self._note(
            "SET state = 'parked', attempts = attempts + 1, claim = NULL, failed_at = now(), reason = %(reason)s,"
            " detail = %(detail)s",
            [row],
            reason=reason,
            detail=_clean(detail),
        )

    def prune(self, older_than: timedelta = PRUNE_AFTER) -> bool:
        """Delete settled rows that old, a bounded number; whether there may be more."""
        answer = self._connection.execute("SELECT prune_inbox(%s, %s)", (older_than, PRUNE_AT_ONCE)).fetchone()
        return answer == (PRUNE_AT_ONCE,)

    def _note(self, change: str, rows: Sequence[ClaimedEvent], **values: object) -> None:
        # In the order of ids, as `store` locks them, so that the two cannot wait for each other.
        self._connection.execute(
            f"UPDATE inbox {change} FROM (SELECT id FROM inbox WHERE id = ANY(%(ids)s) AND claim = %(claim)s"  # noqa: S608
            " AND state = 'pending' ORDER BY id FOR UPDATE) AS held WHERE inbox.id = held.id",
            self._values(ids=[row.id for row in rows], **values),
        )

    def _values(self, **values: object) -> dict[str, object]:
        return {"claim": self._claim, "lease": self._lease, **values}


CLAIM = """
WITH due AS (
    SELECT id, bucket, key, version_id, sequencer, finality, backfill FROM inbox
    WHERE state = 'pending' AND next_at <= now()
      -- The event's own time, because MinIO writes its journal seconds later; should its clock be ahead, ours.
      AND (backfill OR least(event_time, received_at) <= now() - %(grace)s)
    ORDER BY backfill, id DESC LIMIT %(most)s FOR UPDATE SKIP LOCKED
), looked AS (
    SELECT id, NOT backfill AND EXISTS (
        SELECT FROM objects
        WHERE objects.bucket = due.bucket AND objects.key = due.key AND objects.version_id = due.version_id
          AND event_covers(objects.sequencer, objects.finality, due.sequencer, due.finality, due.version_id)
          AND classified_by_all_models(objects)) AS covered
    FROM due
)
UPDATE inbox SET
    state = CASE WHEN covered THEN 'settled' ELSE state END,
    settled_at = CASE WHEN covered THEN now() END,
    attempts = attempts + (claim IS NOT NULL AND NOT covered)::int,
    claim = CASE WHEN covered THEN NULL ELSE %(claim)s::uuid END,
    next_at = now() + %(lease)s
FROM looked WHERE inbox.id = looked.id
RETURNING inbox.id, event_data, attempts, state
"""

# Rows are locked in the order of their ids, as `store` locks them, so that the two cannot wait for each other.
SETTLE = """
WITH held AS (
    SELECT id, NOT EXISTS (
        SELECT FROM objects
        WHERE objects.bucket = inbox.bucket AND objects.key = inbox.key AND objects.version_id = inbox.version_id
          AND NOT classified_by_all_models(objects)) AS complete
    FROM inbox WHERE id = ANY(%(ids)s) AND claim = %(claim)s AND state = 'pending' ORDER BY id FOR UPDATE
)
UPDATE inbox SET
    state = CASE WHEN complete THEN 'settled' ELSE state END,
    settled_at = CASE WHEN complete THEN now() END,
    reason = CASE WHEN complete THEN NULL ELSE reason END,
    detail = CASE WHEN complete THEN NULL ELSE detail END
FROM held WHERE inbox.id = held.id
RETURNING inbox.id, state
"""

RETRY = """
WITH judged AS (
    SELECT id, attempts + CASE WHEN NOT %(counts)s AND (
        -- The newest, by its index: for `EXISTS` all outcomes are read, as if any of them might do.
        SELECT stored_at FROM outcomes JOIN objects ON objects.id = object_id
        WHERE stored_at > coalesce(failed_at, received_at) AND status = 'classified' AND objects.bucket <> ''
        ORDER BY stored_at DESC LIMIT 1
    ) IS NULL THEN 0 ELSE 1 END AS tried
    FROM inbox WHERE id = %(id)s AND claim = %(claim)s AND state = 'pending' FOR UPDATE
)
UPDATE inbox SET
    attempts = tried,
    state = CASE WHEN tried >= %(most)s THEN 'parked' ELSE 'pending' END,
    next_at = now() + least(%(first)s * 2 ^ least(tried, 20), %(longest)s) * (0.5 + random()),
    claim = NULL, failed_at = now(), reason = %(reason)s, detail = %(detail)s
FROM judged WHERE inbox.id = judged.id
RETURNING state
"""


@contextmanager
def opened(url: str, lease: timedelta) -> Iterator[Inbox]:
    """The inbox for one sweep. Raises `DatabaseUnavailable` whenever Postgres fails, without the driver's words."""
    try:
        with psycopg.connect(url, autocommit=True, connect_timeout=5, options=OPTIONS) as connection:
            inbox = Inbox(connection, lease)
            inbox.recover()
            yield inbox
    except psycopg.Error as error:
        raise DatabaseUnavailable(
            f"Postgres cannot be used (SQLSTATE {error.sqlstate or 'none'}): see whether it runs"
        ) from None


def counts(connection: psycopg.Connection) -> Counts:
    """What is not done."""
    row = connection.execute("SELECT count(*), min(received_at) FROM inbox WHERE state = 'pending'").fetchone()
    pending, oldest = row or (0, None)
    parked = connection.execute(
        "SELECT coalesce(reason, ''), count(*) FROM inbox WHERE state = 'parked' GROUP BY 1 ORDER BY 1"
    ).fetchall()
    reasons: dict[str, int] = dict(parked)
    return Counts(pending, sum(reasons.values()), reasons, oldest)


def replay(connection: psycopg.Connection, by: Literal["key", "reason", "all"], value: str = "") -> int:
    """Parked rows are pending again, as if they had never been tried; how many."""
    condition = {"key": "AND key = %(value)s", "reason": "AND reason = %(value)s", "all": ""}[by]
    replayed = connection.execute(
        "UPDATE inbox SET state = 'pending', attempts = 0, next_at = now(), claim = NULL, reason = NULL, detail = NULL,"  # noqa: S608
        f" failed_at = NULL WHERE state = 'parked' {condition}",
        {"value": value},
    ).rowcount
    connection.execute("SELECT pg_notify(%s, '')", (CHANNEL,))
    return replayed


def _clean(text: str) -> str:
    """As Postgres takes it, and no longer than a reader needs."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()[:500]
