"""Feeding the inbox with what a bucket held before it was watched: never more at once than a sweep has soon done.

What is in the inbox or has an outcome is skipped, so the rows themselves are the place where an interrupted backfill
goes on. The audit behind it is opened anew for every portion: what it read before a pause of minutes is old.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from operator import attrgetter
from threading import Event

from infra.audit.compare import Difference
from infra.audit.listing import FetchPage, list_versions
from infra.audit.report import Seen, audit
from infra.audit.rows import Backlog, backlog, feed, opened

# Differences fed a portion, and how many may be owed before the next portion is.
PORTION = 1000
WINDOW = 2000
PAUSE_LOOK = 0.2


@dataclass
class Progress:
    """Versions looked at and fed so far, those still owed or parked, and all there are, once they have been counted."""

    listed: int = 0
    fed: int = 0
    owed: int = 0
    parked: int = 0
    total: int | None = None

    @property
    def done(self) -> int:
        return max(0, self.listed - self.owed)


@dataclass(frozen=True)
class Backfill:
    """One bucket's backfill, or that of the keys which begin and end as said."""

    fetch: FetchPage
    database_url: str
    bucket: str
    prefix: str
    suffix: str
    stop: Event

    def run(self, progress: Progress) -> None:
        """Feed until the bucket is through, and wait until nothing of it is owed, or `stop` is set."""
        after: str | None = ""
        while after is not None and not self.stop.is_set():
            after = self._feed_portion(after, progress)
            self._wait(progress, WINDOW)
        self._wait(progress, 0)

    def count(self, progress: Progress) -> None:
        """Count what there is, for whoever wants to know how long it will take."""
        unless_stopped = itertools.takewhile(lambda _: not self.stop.is_set(), list_versions(self.fetch, self.prefix))
        progress.total = sum(entry.key.endswith(self.suffix) for entry in unless_stopped)

    def _feed_portion(self, after: str, progress: Progress) -> str | None:
        """Feed the next differences; the key to go on after, None at the end."""
        seen = Seen()
        with opened(self.database_url) as connection:
            found = audit(
                self.fetch,
                connection,
                self.bucket,
                seen,
                prefix=self.prefix,
                suffix=self.suffix,
                after=after,
                grace=None,
            )
            portion = list(_whole_keys(found, PORTION))
            progress.fed += feed(connection, self.bucket, (each for each in portion if each.listed), "backfill")
        progress.listed += seen.listed
        return portion[-1].key if len(portion) >= PORTION else None

    def _wait(self, progress: Progress, most: int) -> None:
        def enough(work: Backlog) -> bool:
            progress.owed, progress.parked = work.owed, work.parked
            return work.owed <= most

        with opened(self.database_url) as connection:
            _until(lambda: enough(backlog(connection, self.bucket, self.prefix)), self.stop)


def _whole_keys(differences: Iterator[Difference], least: int) -> Iterator[Difference]:
    """At least so many differences, ending with all of the last key's versions."""
    taken = 0
    for _, of_key in itertools.groupby(differences, attrgetter("key")):
        for difference in of_key:
            taken += 1
            yield difference
        if taken >= least:
            return


def _until(condition: Callable[[], bool], stop: Event) -> None:
    while not condition() and not stop.wait(PAUSE_LOOK):
        pass
