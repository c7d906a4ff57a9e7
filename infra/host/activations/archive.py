"""Activations on disk, written behind in batches: no invoke ever waits for them, nor fails with them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.host.activations.record import ActivationRecord
from infra.host.entities.storage import connect
from infra.host.json_bodies import dump
from infra.logs import EventLogger

log = EventLogger(__name__)

SCHEMA = """
CREATE TABLE IF NOT EXISTS activation (
    id TEXT PRIMARY KEY,
    namespace TEXT NOT NULL,
    filter TEXT NOT NULL,
    start INTEGER NOT NULL,
    size INTEGER NOT NULL,
    summary TEXT NOT NULL,
    record TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS activation_by_start ON activation (namespace, start);
CREATE INDEX IF NOT EXISTS activation_by_name ON activation (namespace, filter, start);
CREATE INDEX IF NOT EXISTS activation_by_age ON activation (start);
"""
WHERE = """
FROM activation WHERE namespace = :namespace AND start BETWEEN :since AND :upto
AND (:filter IS NULL OR filter = :filter)
"""
NEVER = 2**62


@dataclass(frozen=True, slots=True)
class Retention:
    """How much is kept: on disk, and in memory while the disk refuses."""

    bytes: int = 256 * 2**20
    age_seconds: int = 7 * 24 * 3600
    unwritten: int = 4096
    unwritten_bytes: int = 32 * 2**20
    interval_seconds: float = 0.2
    retry_seconds: float = 5.0


@dataclass(frozen=True, slots=True)
class ActivationQuery:
    """Which activations, newest first; `since` and `upto` are inclusive, in ms since the epoch, about `start`."""

    namespace: str
    filter: str | None = None
    since: int = 0
    upto: int = NEVER
    skip: int = 0
    limit: int = 30

    def matches(self, activation: ActivationRecord) -> bool:
        return (
            activation.namespace == self.namespace
            and self.since <= activation.start <= self.upto
            and self.filter in (None, activation.filter)
        )

    def bound(self) -> dict[str, Any]:
        return {
            "namespace": self.namespace,
            "filter": self.filter,
            "since": self.since,
            "upto": self.upto,
            "rows": self.skip + self.limit,
        }


class Archive:
    """What was recorded is found at once; it survives a restart once written, a fraction of a second later."""

    def __init__(self, path: Path, retention: Retention = Retention(), clock: Callable[[], float] = time.time) -> None:
        self._connection = _open(path)
        self._lock = threading.Lock()  # one connection, used from worker threads
        self._retention = retention
        self._clock = clock
        self._unwritten: dict[str, ActivationRecord] = {}
        self._size = self._one("SELECT coalesce(sum(size), 0) FROM activation")
        self._writer: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._writer = asyncio.create_task(self._write_behind())

    def record(self, activation: ActivationRecord) -> None:
        self._unwritten[activation.id] = activation
        # The oldest goes: whoever asks for a record asks soon after its end.
        if len(self._unwritten) > self._retention.unwritten:
            del self._unwritten[next(iter(self._unwritten))]

    async def find(self, namespace: str, activation_id: str) -> dict[str, Any] | None:
        """The full record, if there is one and it is of that namespace."""
        if (activation := self._unwritten.get(activation_id)) is not None:
            return activation.dump() if activation.namespace == namespace else None
        sql = "SELECT record FROM activation WHERE id = :id AND namespace = :namespace"
        rows = await asyncio.to_thread(self._read, sql, {"id": activation_id, "namespace": namespace})
        return json.loads(rows[0][0]) if rows else None

    async def search(self, query: ActivationQuery, *, full: bool) -> Sequence[Mapping[str, Any]]:
        """Summaries, or full records, of what matches."""
        fresh = [each for each in self._unwritten.values() if query.matches(each)]
        column = "record" if full else "summary"
        sql = f"SELECT id, start, {column} {WHERE} ORDER BY start DESC, rowid DESC LIMIT :rows"
        rows = await asyncio.to_thread(self._read, sql, query.bound())
        found = {row[0]: (row[1], row[2]) for row in reversed(rows)}
        shown = {each.id: (each.start, each.dump() if full else each.summary()) for each in fresh}
        newest = sorted((found | shown).values(), key=lambda pair: pair[0])[::-1]
        return [_parse(each) for _, each in newest[query.skip : query.skip + query.limit]]

    async def count(self, query: ActivationQuery) -> int:
        written = {row[0] for row in await asyncio.to_thread(self._read, f"SELECT id {WHERE}", query.bound())}
        fresh = {each.id for each in self._unwritten.values() if query.matches(each)}
        return max(0, len(written | fresh) - query.skip)

    async def flush(self) -> bool:
        """Write what is not written yet; False if the disk refused, which loses nothing until memory's bound."""
        batch = list(self._unwritten.values())
        if not batch:
            return True
        # Written out in the thread as well: a megabyte of results would keep every request waiting for milliseconds.
        rows = await asyncio.to_thread(lambda: [row for each in batch if (row := _row(each))])
        try:
            await asyncio.to_thread(self._write, rows)
        except sqlite3.Error as error:
            log.warning("activations-unwritten", count=len(batch), reason=error)
            self._forget_beyond_bound(rows)
            return False
        # Only now, when the disk has them: until here each must be found in memory.
        for each in batch:
            self._unwritten.pop(each.id, None)
        return True

    async def stop(self) -> None:
        if self._writer:
            self._writer.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._writer
        await self.flush()
        with self._lock:
            self._connection.close()

    async def _write_behind(self) -> None:
        while True:
            await asyncio.sleep(self._retention.interval_seconds)
            # Shielded: a stop in the middle of a batch would leave the connection to a thread that still writes.
            if not await asyncio.shield(self.flush()):
                await asyncio.sleep(self._retention.retry_seconds)

    def _forget_beyond_bound(self, rows: Sequence[tuple[Any, ...]]) -> None:
        size = sum(row[4] for row in rows)
        for row in rows:
            if size <= self._retention.unwritten_bytes:
                return
            self._unwritten.pop(row[0], None)
            size -= row[4]

    def _write(self, rows: Sequence[tuple[Any, ...]]) -> None:
        with self._lock:
            self._connection.execute("BEGIN")
            try:
                self._connection.executemany("INSERT OR REPLACE INTO activation VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
                removed = self._prune(sum(row[4] for row in rows))
                self._connection.execute("COMMIT")
            except sqlite3.Error:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
            self._size += sum(row[4] for row in rows) - removed

    def _prune(self, added: int) -> int:
        """Delete what is too old, and the oldest while there is too much; the bytes removed."""
        oldest = int((self._clock() - self._retention.age_seconds) * 1000)
        removed = self._delete("start < ?", oldest)
        while self._size + added - removed > self._retention.bytes:
            condition = "id IN (SELECT id FROM activation ORDER BY start LIMIT ?)"
            freed = self._delete(condition, 100)
            if not freed:
                break
            removed += freed
        return removed

    def _delete(self, condition: str, bound: int) -> int:
        sql = f"DELETE FROM activation WHERE {condition} RETURNING size"  # noqa: S608 - conditions are ours
        return sum(row[0] for row in self._connection.execute(sql, (bound,)).fetchall())

    def _read(self, sql: str, bound: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        try:
            with self._lock:
                return self._connection.execute(sql, bound).fetchall()
        except sqlite3.Error as error:
            log.warning("activations-unreadable", reason=error)
            return []

    def _one(self, sql: str) -> int:
        return int(self._connection.execute(sql).fetchone()[0])


def _open(path: Path) -> sqlite3.Connection:
    """The archive's file; one that is damaged is set aside, because records are worth less than a host that starts."""
    try:
        return _prepare(path)
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError):
            raise
        log.warning("activations-set-aside", file=path, reason=error)
        path.replace(path.with_suffix(".damaged"))
        return _prepare(path)


def _prepare(path: Path) -> sqlite3.Connection:
    connection = connect(path, "NORMAL")
    connection.executescript(SCHEMA)
    return connection


def _row(activation: ActivationRecord) -> tuple[Any, ...] | None:
    try:
        record = dump(activation.dump()).decode()
    except ValueError as error:
        log.warning("activation-not-json", activation_id=activation.id, reason=error)
        return None
    summary = dump(activation.summary()).decode()
    size = len(record) + len(summary)
    return (activation.id, activation.namespace, activation.filter, activation.start, size, summary, record)


def _parse(shown: Any) -> Mapping[str, Any]:
    parsed: Mapping[str, Any] = json.loads(shown) if isinstance(shown, str) else shown
    return parsed
