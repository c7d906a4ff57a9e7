"""What people say that pictures show, or do not show: with who said it and when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psycopg

from infra.errors import OperatorError

Connection = psycopg.Connection[dict[str, Any]]

SHOWN_UNKNOWN = 3

# The newest version of each key; where that is a delete marker, there is nothing to say of the key.
_FIND = """
SELECT id, key FROM (
    SELECT DISTINCT ON (key) id, key, finality FROM objects
    WHERE bucket = %(bucket)s AND key = ANY(%(keys)s) AND finality < 2 ORDER BY key, sequencer DESC, id DESC
) AS newest WHERE finality = 0
"""
_GIVE = """
INSERT INTO example_labels (object_id, label, shows, etag, given_by)
SELECT objects.id, said.label, said.shows, objects.etag, %(given_by)s
FROM objects CROSS JOIN unnest(%(labels)s::text[], %(shows)s::boolean[]) AS said (label, shows)
WHERE objects.id = ANY(%(ids)s)
ON CONFLICT (object_id, label) DO UPDATE SET
    shows = excluded.shows, etag = excluded.etag, given_by = excluded.given_by, given_at = now()
"""
_TAKE_BACK = """
DELETE FROM example_labels WHERE object_id = ANY(%(ids)s) AND (label = ANY(%(labels)s) OR %(labels)s::text[] = '{}')
"""
_LIST = """
SELECT bucket, key, version_id, label, shows, given_by, given_at FROM examples
WHERE bucket = %(bucket)s AND (label = ANY(%(labels)s) OR %(labels)s::text[] = '{}')
ORDER BY label, shows DESC, key, given_at
"""


class UnknownKeys(OperatorError):
    """Some keys have no row yet, or are there no longer; nothing was noted of any."""


@dataclass(frozen=True, slots=True)
class Example:
    """That somebody said of an object version that it shows `label`, or that it does not."""

    bucket: str
    key: str
    version_id: str | None
    label: str
    shows: bool
    given_by: str
    given_at: datetime

    def dump(self) -> dict[str, Any]:
        """Stable keys, for programs."""
        return {
            "bucket": self.bucket,
            "key": self.key,
            "version_id": self.version_id,
            "label": self.label,
            "shows": self.shows,
            "given_by": self.given_by,
            "given_at": self.given_at.astimezone(UTC).isoformat(),
        }


def give_labels(
    connection: Connection, bucket: str, keys: Sequence[str], said: Mapping[str, bool], given_by: str
) -> None:
    """Note of each key's newest version what is `said` of it, in place of what was said of the same label before. All
    or nothing: raises `UnknownKeys`.
    """
    values = {"labels": list(said), "shows": list(said.values()), "given_by": given_by}
    connection.execute(_GIVE, {"ids": _find_objects(connection, bucket, keys), **values})


def take_labels_back(connection: Connection, bucket: str, keys: Sequence[str], labels: Sequence[str]) -> int:
    """Forget what was said of these labels, or of any where none is named; how many that were. Raises `UnknownKeys`."""
    values = {"ids": _find_objects(connection, bucket, keys), "labels": list(labels)}
    return connection.execute(_TAKE_BACK, values).rowcount


def list_examples(connection: Connection, bucket: str, labels: Sequence[str] = ()) -> Sequence[Example]:
    """Of these labels, or of all where none is named."""
    return [Example(**row) for row in connection.execute(_LIST, {"bucket": bucket, "labels": list(labels)})]


def _find_objects(connection: Connection, bucket: str, keys: Sequence[str]) -> list[int]:
    found = {row["key"]: row["id"] for row in connection.execute(_FIND, {"bucket": bucket, "keys": list(keys)})}
    if unknown := [key for key in keys if key not in found]:
        more = f" and {len(unknown) - SHOWN_UNKNOWN} more" if len(unknown) > SHOWN_UNKNOWN else ""
        named = ", ".join(repr(key) for key in unknown[:SHOWN_UNKNOWN])
        raise UnknownKeys(f"bucket {bucket} has no row about {named}{more}: nothing was noted")
    return list(found.values())
