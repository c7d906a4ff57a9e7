"""The database's side of an audit: rows as a stream in the order of keys, and the inbox that repairs go into."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby, islice
from typing import Any, Literal
from urllib.parse import quote_plus

import psycopg

from actions.settings import add_options
from actions.statements import statements
from infra.audit.compare import Difference, Recorded
from infra.audit.listing import Listed, sequencer_of

Lane = Literal["audit", "backfill"]
Connection = psycopg.Connection[dict[str, Any]]

# Rows a page. Memory of an audit is bounded by one of these and one of the listing.
PAGE = 2000
ENQUEUED_AT_ONCE = 1000
# A page is read off the indexes, in their order. Without statistics, as after a restore, Postgres would rather gather
# and sort all that is left, for every page.
OPTIONS = "-c enable_seqscan=off -c enable_bitmapscan=off"

# What stands for `keys_wanted` in the statement: a page's keys, or one key.
_KEYS_OF_PAGE = "key >= %(prefix)s AND starts_with(key, %(prefix)s) AND (key, version_id) > (%(key)s, %(version_id)s)"
_ONE_KEY = "key = %(key)s"
# Behind every version of a key: what a version id may be begins with a lower character.
LAST_VERSION = "~"


@contextmanager
def opened(url: str) -> Iterator[Connection]:
    """A connection for one command, each statement its own transaction. Raises `psycopg.OperationalError` where nothing
    answers.
    """
    with psycopg.connect(
        add_options(url, OPTIONS), autocommit=True, row_factory=psycopg.rows.dict_row, connect_timeout=5
    ) as connection:
        yield connection


def read_recorded(
    connection: Connection, bucket: str, prefix: str = "", after: str = "", *, every: bool = False
) -> Iterator[Recorded]:
    """Every object version the database knows of, ordered by the bytes of its key, read page by page as it is needed.

    An active model lacks what nobody has answered, or not since it is active; with `every`, whatever it has not.

    A statement for all of it would sort it all before the first row, and keep what others settle meanwhile from being
    cleaned up.
    """
    key, version_id = after, LAST_VERSION if after else ""
    more = True
    while more:
        place = {"bucket": bucket, "prefix": prefix, "key": key, "version_id": version_id, "page": PAGE, "every": every}
        rows = connection.execute(_select_keys(_KEYS_OF_PAGE), place).fetchall()
        full = [max(found) for found in _by_origin(rows).values() if len(found) == PAGE]
        if more := bool(full):
            # Behind the end of the shorter one, it may have more.
            key, version_id = min(full)
            rows = [row for row in rows if _position(row) <= (key, version_id)]
        yield from _merge(rows)


def read_recorded_key(connection: Connection, bucket: str, key: str, *, every: bool = False) -> Sequence[Recorded]:
    """What the database knows of one key's versions now."""
    place = {"bucket": bucket, "key": key, "page": None, "every": every}
    return _merge(connection.execute(_select_keys(_ONE_KEY), place).fetchall())


def _select_keys(keys: str) -> str:
    return statements(__file__)["recorded"].replace("keys_wanted", keys)


def _merge(rows: Iterable[Mapping[str, Any]]) -> Sequence[Recorded]:
    """In order; what is stored also tells what is in the inbox."""
    ordered = sorted(rows, key=lambda row: (_position(row), row["origin"] == "inbox"))
    return [_parse_recorded(next(of_version)) for _, of_version in groupby(ordered, _position)]


def _by_origin(rows: Iterable[Mapping[str, Any]]) -> Mapping[str, Sequence[tuple[str, str]]]:
    found: dict[str, list[tuple[str, str]]] = {"stored": [], "inbox": []}
    for row in rows:
        found[row["origin"]].append(_position(row))
    return found


def _position(row: Mapping[str, Any]) -> tuple[str, str]:
    """Where it stands in the order of the database, which is that of code points."""
    return row["key"], row["version_id"]


def _parse_recorded(row: Mapping[str, Any]) -> Recorded:
    return Recorded(
        row["key"],
        row["version_id"] or None,
        row["etag"],
        removed=row["finality"] == 2,
        marker=row["finality"] == 1,
        outcomes=row["outcomes"],
        lacking=tuple(row["lacking"] or ()),
        unsettled=row["unsettled"],
        sequencer=row["sequencer"],
    )


def enqueue(connection: Connection, bucket: str, differences: Iterable[Difference], lane: Lane) -> int:
    """Put what the differences ask for into the inbox, unless it is there already. Returns how many events went in."""
    enqueued, rest = 0, iter(differences)
    while chunk := list(islice(rest, ENQUEUED_AT_ONCE)):
        events = [event_of(bucket, difference) for difference in chunk if _is_repairable(difference, lane)]
        _insert(connection, events, lane)
        enqueued += len(events)
    return enqueued


def event_of(bucket: str, difference: Difference) -> dict[str, Any]:
    """The event that MinIO would have sent, had it sent one."""
    if difference.listed is not None:
        return _tell_as_event(bucket, difference.listed)
    assert difference.recorded is not None
    # The row's own sequencer: a removal wins over what it equals, and anything that came later wins over it.
    described = {"key": quote_plus(difference.key), "sequencer": difference.recorded.sequencer}
    return _event(bucket, "s3:ObjectRemoved:Delete", datetime.now(UTC), described, difference.version_id)


def _tell_as_event(bucket: str, listed: Listed) -> dict[str, Any]:
    described: dict[str, Any] = {"key": quote_plus(listed.key), "sequencer": sequencer_of(listed.modified)}
    if listed.marker:
        return _event(bucket, "s3:ObjectRemoved:DeleteMarkerCreated", listed.modified, described, listed.version_id)
    described |= {"eTag": listed.etag, "size": listed.size}
    return _event(bucket, "s3:ObjectCreated:Put", listed.modified, described, listed.version_id)


def _event(bucket: str, name: str, moment: datetime, described: dict[str, Any], version: str | None) -> dict[str, Any]:
    return {
        "eventVersion": "2.0",
        "eventSource": "pixwhisk:listing",
        "eventTime": moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "eventName": name,
        "s3": {
            "bucket": {"name": bucket},
            "object": described | ({"versionId": version} if version else {}),
        },
    }


def _is_repairable(difference: Difference, lane: Lane) -> bool:
    """Whether an event of it would help. What is pending has one; what is hidden only has to be known.

    What is parked is tried once more by a repair, but not by a backfill, which would go on for ever.
    """
    unsettled = (difference.recorded.unsettled if difference.recorded else None) or ""
    return difference.finding != "hidden" and not unsettled.startswith("pending" if lane == "audit" else ("p",))


def _insert(connection: Connection, events: Sequence[dict[str, Any]], lane: Lane) -> None:
    with connection.transaction(), connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO inbox (event_time, event_data, lane) VALUES (%s, %s, %s)",
            [(event["eventTime"], json.dumps({"Records": [event]}), lane) for event in events],
        )


@dataclass(frozen=True, slots=True)
class Unsettled:
    """How much of what a backfill enqueued is not done."""

    pending: int
    parked: int


def count_unsettled(connection: Connection, bucket: str, prefix: str = "") -> Unsettled:
    """What a backfill of these keys has enqueued and nobody has done yet."""
    row = connection.execute(statements(__file__)["count_unsettled"], {"bucket": bucket, "prefix": prefix}).fetchone()
    assert row is not None
    return Unsettled(row["pending"], row["parked"])
