"""Entities on disk: one SQLite file, each write durable before it is acknowledged."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

from infra.host.entities.models import Entity, load
from infra.host.json_bodies import dump
from infra.host.names import Name

SCHEMA = """
CREATE TABLE IF NOT EXISTS entity (
    path TEXT PRIMARY KEY,
    collection TEXT NOT NULL,
    document TEXT NOT NULL
) WITHOUT ROWID
"""
PUT = "INSERT INTO entity VALUES (?, ?, ?) ON CONFLICT (path) DO UPDATE SET (collection, document) = (?2, ?3)"


def connect(path: Path, synchronous: str) -> sqlite3.Connection:
    """A connection usable from any thread, by one at a time; the file is the owner's alone (it may hold secrets)."""
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=5)
    # A write is one append and one flush, and a `kill -9` in the middle of it leaves nothing half written.
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(f"PRAGMA synchronous = {synchronous}")
    return connection


class EntityStorage:
    """Blocking; callers write one at a time and off the event loop. Failures are `sqlite3.Error`."""

    def __init__(self, path: Path) -> None:
        self._connection = connect(path, "FULL")
        self._connection.execute(SCHEMA)

    def load(self) -> Iterator[Entity]:
        """All entities, as last written."""
        with closing(self._connection.execute("SELECT collection, document FROM entity")) as rows:
            for collection, document in rows:
                yield load(collection, json.loads(document))

    def write(self, puts: Iterable[Entity], deletes: Iterable[Name]) -> None:
        """Apply all, or none; on return it has reached the disk."""
        rows = [(str(entity.name), entity.collection, dump(entity.dump()).decode()) for entity in puts]
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            self._connection.executemany("DELETE FROM entity WHERE path = ?", [(str(name),) for name in deletes])
            self._connection.executemany(PUT, rows)
            self._connection.execute("COMMIT")
        except sqlite3.Error:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise

    def close(self) -> None:
        self._connection.close()
