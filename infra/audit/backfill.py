"""Enqueues what a bucket held before it was watched: never more at once than a sweep has soon done.

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
from infra.audit.rows import Unsettled, count_unsettled, enqueue, opened

# Differences enqueued a portion, and how many may be pending before the next portion is.
PORTION = 1000
WINDOW = 2000
PAUSE_LOOK = 0.2


@dataclass
class Progress:
    """Versions looked at and enqueued so far, those still pending or parked, and all there are once counted."""

    listed: int = 0
    enqueued: int = 0
    pending: int = 0
    parked: int = 0
    total: int | None = None

    @property
    def done(self) -> int:
        return max(0, self.listed - self.pending)


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
        """Enqueue until the bucket is through, and wait until nothing of it is pending, or `stop` is set."""
        after: str | None = ""
        while after is not None and not self.stop.is_set():
            after = self._enqueue_portion(after, progress)
            self._wait(progress, WINDOW)
        self._wait(progress, 0)

    def count(self, progress: Progress) -> None:
        """Count what there is, for whoever wants to know how long it will take."""
        unless_stopped = itertools.takewhile(lambda _: not self.stop.is_set(), list_versions(self.fetch, self.prefix))
        progress.total = sum(entry.key.endswith(self.suffix) for entry in unless_stopped)

    def _enqueue_portion(self, after: str, progress: Progress) -> str | None:
        """Enqueue the next differences; the key to go on after, None at the end."""
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
                every=True,
            )
            portion = list(_whole_keys(found, PORTION))
            progress.enqueued += enqueue(connection, self.bucket, (each for each in portion if each.listed), "backfill")
        progress.listed += seen.listed
        return portion[-1].key if len(portion) >= PORTION else None

    def _wait(self, progress: Progress, most: int) -> None:
        def enough(found: Unsettled) -> bool:
            progress.pending, progress.parked = found.pending, found.parked
            return found.pending <= most

        with opened(self.database_url) as connection:
            _until(lambda: enough(count_unsettled(connection, self.bucket, self.prefix)), self.stop)


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
