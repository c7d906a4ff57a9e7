"""An audit, from opened services to a stream of differences; what it has seen so far can be watched.

A live bucket changes while it is audited: what differs may only be on its way. So whatever is young, and every row
without an object (its object may have gone a moment ago), is looked at once more when the journal has had its time.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal, TypeVar, get_args

from infra.audit.compare import Difference, Finding, Recorded, compare
from infra.audit.listing import FetchPage, Listed, ListingRefused, Look, list_versions
from infra.audit.rows import Connection, read_recorded, read_recorded_key

# The journal's row arrives up to 3 s after an upload, its outcome soon after.
GRACE = timedelta(seconds=5)
# More are reported as they were found: memory stays constant.
LIMIT_SECOND_LOOKS = 10_000

Entry = TypeVar("Entry", Listed, Recorded)

# Behind an object that has the name of their folder; or of a name that the store lets nobody list, such as `a//`.
Unseen = Literal["behind-an-object", "unlistable-name"]


@dataclass
class Seen:
    """How far an audit has come: entries listed, rows read, the last key listed, and differences by finding.

    `removed` is how many of the rows say that their object is gone, `versioned` whether anything listed has a version.
    `unseen` is how many keys are known of that no listing shows, by why.
    """

    listed: int = 0
    rows: int = 0
    removed: int = 0
    versioned: bool = False
    key: str = ""
    findings: dict[str, int] = field(default_factory=lambda: dict.fromkeys(get_args(Finding), 0))
    unseen: dict[str, int] = field(default_factory=lambda: dict.fromkeys(get_args(Unseen), 0))

    # Of the bucket's subscription: `ok`, or what was wrong with it; None where it was not looked at or cannot be seen.
    subscription: str | None = None

    @property
    def differences(self) -> int:
        return sum(self.findings.values())

    @property
    def settled(self) -> int:
        """How many of what was listed have the outcome that they should have."""
        return max(0, self.listed - self.findings["missing"] - self.findings["stale"])

    @property
    def clean(self) -> bool:
        """Whether nothing differs, and what comes next will be told of."""
        return not self.differences and self.subscription in ("ok", None)


def audit(
    fetch: FetchPage,
    connection: Connection,
    bucket: str,
    seen: Seen,
    *,
    prefix: str = "",
    suffix: str = "",
    after: str = "",
    grace: timedelta | None = GRACE,
    every: bool = False,
    look: Look | None = None,
) -> Iterator[Difference]:
    """Every difference between a bucket and the rows about it; `seen` is kept up to date.

    Only keys that begin and end as said are looked at, as a subscription with the same filter tells of no others.
    What a former model answered in its time is no difference, unless `every` model in use should have spoken.
    In the order of keys, apart from those that wanted a second look after `grace` (None: one look is enough). What is
    not listed then is looked for by its name with `look`, because MinIO does not list all that it has.
    """
    listed = _note_listed(list_versions(fetch, prefix, after), seen)
    rows = _rows(read_recorded(connection, bucket, prefix, after, every=every), seen)
    if suffix:
        listed = (entry for entry in listed if entry.key.endswith(suffix))
        rows = (row for row in rows if row.key.endswith(suffix))
    found = compare(listed, rows)
    if grace is not None:
        found = _twice(found, grace, _Again(fetch, connection, bucket, every, look, seen))
    for difference in found:
        seen.findings[difference.finding] += 1
        yield difference


def _twice(
    found: Iterable[Difference], grace: timedelta, again: Callable[[str], Iterable[Difference]]
) -> Iterator[Difference]:
    """What is old enough to be judged as it is found; the rest, by key, after `grace` as it then stands."""
    young = datetime.now(UTC) - grace
    doubtful: dict[str, None] = {}
    for difference in found:
        fresh = difference.listed is None or difference.listed.modified >= young
        if fresh and len(doubtful) < LIMIT_SECOND_LOOKS:
            doubtful[difference.key] = None
        else:
            yield difference
    if doubtful:
        time.sleep(grace.total_seconds())
    for key in doubtful:
        yield from again(key)


@dataclass(frozen=True, slots=True)
class _Again:
    """One key looked at once more, in the rows, in the listing, and by its name."""

    fetch: FetchPage
    connection: Connection
    bucket: str
    every: bool
    look: Look | None
    seen: Seen

    def __call__(self, key: str) -> Iterator[Difference]:
        # The row first: an object that comes in between is then news, and no orphan.
        rows = read_recorded_key(self.connection, self.bucket, key, every=self.every)
        found = [each for difference in compare(self._list_key(key), rows) for each in self._look_for(difference)]
        self.seen.unseen["behind-an-object"] += any(each.finding == "hidden" for each in found)
        yield from found

    def _list_key(self, key: str) -> Sequence[Listed]:
        try:
            return list(itertools.takewhile(lambda entry: entry.key == key, list_versions(self.fetch, prefix=key)))
        except ListingRefused as refused:
            # Anybody who may put can put what no listing can be asked for (`a/__XLDIR__`): it stops no audit.
            if refused.code in ("AccessDenied", "NoSuchBucket"):
                raise
            self.seen.unseen["unlistable-name"] += 1
            return []

    def _look_for(self, difference: Difference) -> Iterator[Difference]:
        found = None
        if difference.finding == "orphaned" and self.look:
            found = self.look(difference.key, difference.version_id)
        if found is None:
            yield difference
            return
        assert difference.recorded is not None
        yield Difference("hidden", found.key, found.version_id, _hidden(found.key), found, difference.recorded)
        yield from compare([found], [difference.recorded])


def _hidden(key: str) -> str:
    above = key.rpartition("/")[0]
    return (
        f"it is there, but not listed, as happens while there is an object {above!r}; what else is below that, and"
        " whether it is classified, cannot be seen"
    )


def _note_listed(entries: Iterable[Listed], seen: Seen) -> Iterator[Listed]:
    for entry in entries:
        if entry.key < seen.key:
            # Merging what is not sorted would report nonsense: better none.
            raise RuntimeError(
                f"the object store lists {entry.key!r} after {seen.key!r}: not in the order of their bytes"
            )
        seen.listed += 1
        seen.versioned |= entry.version_id is not None
        seen.key = entry.key
        yield entry


def _rows(rows: Iterable[Recorded], seen: Seen) -> Iterator[Recorded]:
    for row in rows:
        seen.rows += 1
        seen.removed += row.removed
        yield row
