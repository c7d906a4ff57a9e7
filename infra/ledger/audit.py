"""An audit, from opened services to a stream of differences; what it has seen so far can be watched."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from infra.ledger.compare import Difference, Terms, compare
from infra.ledger.listing import FetchPage, list_versions
from infra.ledger.rows import Connection, models_in_use, recorded

# The journal's row arrives up to 3 s after the upload; what is younger than this is still on its way.
GRACE = timedelta(seconds=10)

Entry = TypeVar("Entry")


@dataclass
class Seen:
    """How far an audit has come: entries listed, rows read, the last key listed, and differences by finding."""

    listed: int = 0
    rows: int = 0
    key: str = ""
    findings: dict[str, int] = field(default_factory=lambda: {"missing": 0, "stale": 0, "orphaned": 0})

    @property
    def differences(self) -> int:
        return sum(self.findings.values())


def audit(
    fetch: FetchPage,
    connection: Connection,
    bucket: str,
    seen: Seen,
    *,
    prefix: str = "",
    after: str = "",
    grace: timedelta = GRACE,
) -> Iterator[Difference]:
    """Every difference between a bucket and the rows about it, in the order of keys; `seen` is kept up to date."""
    terms = Terms(models_in_use(connection), datetime.now(UTC) - grace)
    listed = _listed(list_versions(fetch, prefix, after), seen)
    rows = _rows(recorded(connection, bucket, prefix, after), seen)
    for difference in compare(listed, rows, terms):
        seen.findings[difference.finding] += 1
        yield difference


def _listed(entries: Iterable[Any], seen: Seen) -> Iterator[Any]:
    for entry in entries:
        if entry.key < seen.key:
            # Merging what is not sorted would report nonsense: better none.
            raise RuntimeError(f"the store lists {entry.key!r} after {seen.key!r}: not in the order of their bytes")
        seen.listed += 1
        seen.key = entry.key
        yield entry


def _rows(rows: Iterable[Entry], seen: Seen) -> Iterator[Entry]:
    for row in rows:
        seen.rows += 1
        yield row
