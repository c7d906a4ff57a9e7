"""What becomes of many at once: a thousand uploads as fast as they go, and a thousand that are pending already."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from minio.error import S3Error

from infra.audit.backfill import Backfill, Progress
from infra.audit.listing import find_listing
from infra.bench.clients import BenchFailed, Place, RowReader, Uploader
from infra.deployment.record import Deployment

UPLOADERS = 4
PAUSE_LOOK = 0.1
TIMEOUT = 600.0
# Nobody watches it, so what is uploaded waits until somebody asks for it.
BUCKET_BACKLOG = "pixwhisk-bench-backlog"

# What `put` takes, and what is put.
Work = Sequence[tuple[str, bytes]]


@dataclass(frozen=True, slots=True)
class Burst:
    """`curve` is how many rows there were after how many seconds since the first PUT began."""

    uploads: int
    upload_seconds: float
    seconds: float
    curve: Sequence[tuple[float, int]]

    @property
    def rows_a_second(self) -> float:
        """From the first PUT to the last row, the uploads' own work included."""
        return self.uploads / self.seconds

    @property
    def uploads_a_second(self) -> float:
        return self.uploads / self.upload_seconds

    @property
    def drained_a_second(self) -> float:
        """Of the rows that were missing when the last PUT had been acknowledged."""
        done = max((count for moment, count in self.curve if moment <= self.upload_seconds), default=0)
        return (self.uploads - done) / max(self.seconds - self.upload_seconds, PAUSE_LOOK)


def place_of(deployment: Deployment, bucket: str = "") -> Place:
    """Where the deployment's uploads go, or another bucket beside it."""
    return Place(deployment.endpoint, deployment.credentials, bucket or deployment.bucket)


@dataclass(frozen=True)
class ManyUploads:
    """Uploads of many pictures to one place, under one prefix."""

    place: Place
    rows: RowReader
    pictures: Iterator[bytes]
    prefix: str

    def burst(self, count: int, report: Callable[[int], None]) -> Burst:
        """Upload `count` pictures over a few connections, and wait until all are rows."""
        signed = self._sign(count)
        began = time.monotonic()
        with self._uploading(signed) as uploading:
            curve = _until_rows(self._count, count, began, report)
            ended = uploading()
        return Burst(count, ended - began, curve[-1][0], curve)

    def burst_until_quiet(self, count: int, report: Callable[[int], None], quiet: float) -> int:
        """Upload as above; how many are rows once all are, or none has come for so many seconds."""
        with self._uploading(self._sign(count)) as uploading:
            found, since = 0, time.monotonic()
            while found < count and time.monotonic() - since < quiet:
                time.sleep(PAUSE_LOOK)
                if (now := self._count()) > found:
                    found, since = now, time.monotonic()
                report(found)
            uploading()
        return found

    def put(self, count: int) -> None:
        """Upload so many."""
        with self._uploading(self._sign(count)) as uploading:
            uploading()

    def _count(self) -> int:
        return self.rows.count(self.place.bucket, self.prefix)

    def _sign(self, count: int) -> Work:
        with Uploader(self.place) as uploader:
            return [(uploader.sign(f"{self.prefix}{number}"), next(self.pictures)) for number in range(count)]

    @contextmanager
    def _uploading(self, work: Work) -> Iterator[Callable[[], float]]:
        """Uploads go on inside; what is given waits for their end and says when it was (monotonic seconds)."""

        def upload(share: Work) -> float:
            with Uploader(self.place) as uploader:
                for signed, picture in share:
                    uploader.put(signed, picture)
            return time.monotonic()

        with ThreadPoolExecutor(UPLOADERS) as pool:
            futures = [pool.submit(upload, work[number::UPLOADERS]) for number in range(UPLOADERS)]
            yield lambda: max(future.result() for future in futures)


def backfill_many(deployment: Deployment, uploads: ManyUploads, count: int, report: Callable[[int], None]) -> Burst:
    """Upload to a bucket that nobody watches; then have it all classified, from the asking to the last row."""
    place, prefix = uploads.place, uploads.prefix
    client = place.client()
    if not client.bucket_exists(bucket_name=place.bucket):
        client.make_bucket(bucket_name=place.bucket)
    uploads.put(count)
    began = time.monotonic()
    with _backfilling(deployment, place.bucket, prefix):
        curve = _until_rows(lambda: uploads.rows.count(place.bucket, prefix), count, began, report)
    return Burst(count, 0.0, curve[-1][0], curve)


@contextmanager
def _backfilling(deployment: Deployment, bucket: str, prefix: str) -> Iterator[None]:
    """A backfill goes on inside."""
    stop = threading.Event()
    backfill = Backfill(find_listing(deployment).fetcher(bucket), deployment.database_url, bucket, prefix, "", stop)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(backfill.run, Progress())
        try:
            yield
        finally:
            stop.set()
        running.result()


def remove(place: Place, prefix: str, *, with_bucket: bool) -> None:
    """Delete the objects that were uploaded."""
    client, bucket = place.client(), place.bucket
    with suppress(S3Error):
        for found in client.list_objects(bucket_name=bucket, prefix=prefix, recursive=True):
            client.remove_object(bucket_name=bucket, object_name=str(found.object_name))
        if with_bucket:
            client.remove_bucket(bucket_name=bucket)


def _until_rows(
    look: Callable[[], int], count: int, began: float, report: Callable[[int], None]
) -> list[tuple[float, int]]:
    curve = [(0.0, 0)]
    while curve[-1][1] < count:
        time.sleep(PAUSE_LOOK)
        found = look()
        curve.append((time.monotonic() - began, found))
        report(found)
        if curve[-1][0] > TIMEOUT:
            raise BenchFailed(f"{count - found} of {count} are no rows after {TIMEOUT:.0f} s: see `pixwhisk status`")
    return curve
