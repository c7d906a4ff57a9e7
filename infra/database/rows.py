"""Rows of `results`, as the command line asks for them: which, in which order, how many, and what was nearly meant."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

import psycopg

Connection = psycopg.Connection[dict[str, Any]]
Sort = Literal["newest", "oldest", "surest", "unsurest"]

# How soon a follower sees a new row; each look is one index scan of a few rows.
PAUSE_FOLLOW = 0.2
# What is nearly a key or a prefix is looked for among so many of the newest.
LIMIT_NEAR = 5000

_COLUMNS = (
    "bucket, key, version_id, etag, size, status, label, probability, labels, reason, detail, model, model_digest,"
    " sha256, format, width, height, event_time, stored_at, receipt"
)
_ORDER: Mapping[Sort, str] = {
    "newest": "stored_at DESC, key, model",
    "oldest": "stored_at, key, model",
    "surest": "probability DESC NULLS LAST, stored_at DESC, key, model",
    "unsurest": "probability NULLS LAST, stored_at DESC, key, model",
}
_CONDITIONS: Mapping[str, str] = {
    # As they are, or as they are shown: bucket/key.
    "keys": "(key = ANY(%(keys)s) OR (bucket, key) IN (SELECT * FROM unnest(%(buckets)s::text[], %(rests)s::text[])))",
    "prefix": "(starts_with(key, %(prefix)s) OR starts_with(bucket || '/' || key, %(prefix)s))",
    # By what the row says, or by what stands above that in view `labels`.
    "labels": """(EXISTS (
        SELECT FROM jsonb_array_elements(labels) AS one
        WHERE (lower(one->>'label') = ANY(%(labels)s)
               OR string_to_array(lower(one->>'className'), ', ') && %(labels)s::text[]
               OR lower(one->>'className') = ANY(%(labels)s))
          AND (one->>'probability')::float >= coalesce(%(minimum)s::float, 0)
          AND (one->>'probability')::float <= coalesce(%(maximum)s::float, 1))
     OR (bucket, key, coalesce(version_id, ''), model_digest) IN (
        SELECT bucket, key, coalesce(version_id, ''), model_digest FROM labels AS read
        WHERE (lower(read.label) = ANY(%(labels)s) OR lower(read.ancestors::text)::text[] && %(labels)s::text[])
          AND read.probability BETWEEN coalesce(%(minimum)s::float, 0) AND coalesce(%(maximum)s::float, 1)))""",
    "minimum": "probability >= %(minimum)s",
    "maximum": "probability <= %(maximum)s",
    "statuses": "status = ANY(%(statuses)s)",
    "reason": "reason = %(reason)s",
    "since": "stored_at >= %(since)s",
    "until": "stored_at < %(until)s",
}


@dataclass(frozen=True, slots=True)
class RowFilter:
    """Which rows; what is None or empty does not matter.

    Of `labels` one must be among those shown, by its name or a synonym, in any case; `minimum` and `maximum` are of
    that label's probability, or of the best one's where no label is asked for. `since` counts, `until` no longer does.
    """

    keys: Sequence[str] = ()
    prefix: str | None = None
    labels: Sequence[str] = ()
    minimum: float | None = None
    maximum: float | None = None
    statuses: Sequence[str] = ()
    reason: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    sort: Sort = "newest"
    limit: int = 20


def read(connection: Connection, wanted: RowFilter) -> list[dict[str, Any]]:
    """At most `limit` of them, in order."""
    condition, values = _condition(wanted)
    statement = f"SELECT {_COLUMNS} FROM results WHERE {condition} ORDER BY {_ORDER[wanted.sort]} LIMIT %(limit)s"  # noqa: S608 - only our own text
    return connection.execute(statement, {**values, "limit": wanted.limit}).fetchall()


def count(connection: Connection, wanted: RowFilter) -> int:
    """How many there are, whatever the limit."""
    condition, values = _condition(wanted)
    found = connection.execute(f"SELECT count(*) AS count FROM results WHERE {condition}", values).fetchone()  # noqa: S608 - only our own text
    return int(found["count"]) if found else 0


def follow(connection: Connection, wanted: RowFilter) -> Iterator[dict[str, Any]]:
    """The newest rows, oldest of them first, then every further one for ever."""
    shown: dict[tuple[Any, ...], datetime] = {}
    since = wanted.since
    found = list(reversed(read(connection, replace(wanted, sort="newest"))))
    while True:
        for row in found:
            identity = (row["bucket"], row["key"], row["version_id"], row["model"], row["model_digest"])
            if shown.get(identity) != row["stored_at"]:
                shown[identity] = row["stored_at"]
                since = max(row["stored_at"], since) if since else row["stored_at"]
                yield row
        shown = {identity: stored for identity, stored in shown.items() if since is None or stored == since}
        time.sleep(PAUSE_FOLLOW)
        found = _later(connection, replace(wanted, since=since))


def known_labels(connection: Connection) -> list[str]:
    """Every label that was ever the first of a row."""
    return [row["label"] for row in connection.execute("SELECT DISTINCT label FROM outcomes WHERE label IS NOT NULL")]


def has_label(connection: Connection, label: str) -> bool:
    """Whether any row shows it, as a filter would find it."""
    return bool(read(connection, RowFilter(labels=[label], limit=1)))


def newest_keys(connection: Connection) -> list[str]:
    """Keys of the newest rows."""
    found = connection.execute(
        "SELECT key FROM results WHERE bucket IS NOT NULL ORDER BY stored_at DESC LIMIT %s", (LIMIT_NEAR,)
    )
    return list(dict.fromkeys(row["key"] for row in found))


def known_prefixes(connection: Connection) -> list[str]:
    """The folders of the newest rows' keys, each with its slash."""
    keys = newest_keys(connection)
    return list(dict.fromkeys(key[: at + 1] for key in keys for at, letter in enumerate(key) if letter == "/"))


def _later(connection: Connection, wanted: RowFilter) -> list[dict[str, Any]]:
    condition, values = _condition(wanted)
    statement = f"SELECT {_COLUMNS} FROM results WHERE {condition} ORDER BY {_ORDER['oldest']}"  # noqa: S608 - only our own text
    return connection.execute(statement, values).fetchall()


def _condition(wanted: RowFilter) -> tuple[str, dict[str, Any]]:
    values: dict[str, Any] = {name: getattr(wanted, name) for name in _CONDITIONS}
    # What is asked of the label that is looked for is not asked of the best one as well.
    of_labels = ("minimum", "maximum") if wanted.labels else ()
    parts = [
        condition
        for name, condition in _CONDITIONS.items()
        if name not in of_labels and values[name] is not None and values[name] != ()
    ]
    split = [key.partition("/") for key in wanted.keys]
    values |= {
        "keys": list(wanted.keys),
        "buckets": [bucket for bucket, _, _ in split],
        "rests": [rest for _, _, rest in split],
        "labels": [label.lower() for label in wanted.labels],
        "statuses": list(wanted.statuses),
    }
    return " AND ".join(parts) or "true", values
