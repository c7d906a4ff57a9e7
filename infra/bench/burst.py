"""What becomes of many at once: a thousand uploads as fast as they go, and a thousand that are owed already."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from minio.error import S3Error

from infra.audit.backfill import Backfill, Progress
from infra.audit.listing import fetcher_of
from infra.bench.clients import Failed, Rows, Uploader
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


@dataclass(frozen=True)
class Crowd:
    """Uploads to one deployment, under one prefix."""

    deployment: Deployment
    rows: Rows
    pictures: Iterator[bytes]
    prefix: str

    def burst(self, count: int, tell: Callable[[int], None]) -> Burst:
        """Upload `count` pictures over a few connections, and wait until all are rows."""
        bucket, prefix = self.deployment.bucket, f"{self.prefix}burst/"
        work = self._signed(bucket, prefix, count)
        began = time.monotonic()
        with self._uploading(bucket, work) as uploading:
            curve = _until_rows(lambda: self.rows.count(bucket, prefix), count, began, tell)
            ended = uploading()
        return Burst(count, ended - began, curve[-1][0], curve)

    def backlog(self, count: int, tell: Callable[[int], None]) -> Burst:
        """Upload to a bucket that nobody watches; then have it all classified, from the asking to the last row."""
        prefix = f"{self.prefix}backlog/"
        with self._uploader(BUCKET_BACKLOG) as uploader:
            if not uploader.client.bucket_exists(bucket_name=BUCKET_BACKLOG):
                uploader.client.make_bucket(bucket_name=BUCKET_BACKLOG)
        with self._uploading(BUCKET_BACKLOG, self._signed(BUCKET_BACKLOG, prefix, count)) as uploading:
            uploading()
        began = time.monotonic()
        with self._filling(prefix):
            curve = _until_rows(lambda: self.rows.count(BUCKET_BACKLOG, prefix), count, began, tell)
        return Burst(count, 0.0, curve[-1][0], curve)

    @contextmanager
    def _filling(self, prefix: str) -> Iterator[None]:
        """A backfill goes on inside."""
        deployment, stop = self.deployment, threading.Event()
        fetch = fetcher_of(deployment, BUCKET_BACKLOG)
        backfill = Backfill(fetch, deployment.database_url, BUCKET_BACKLOG, prefix, "", stop)
        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(backfill.run, Progress())
            try:
                yield
            finally:
                stop.set()
            running.result()

    def _uploader(self, bucket: str) -> Uploader:
        return Uploader(self.deployment.endpoint, self.deployment.credentials, bucket)

    def _signed(self, bucket: str, prefix: str, count: int) -> Work:
        with self._uploader(bucket) as uploader:
            return [(uploader.sign(f"{prefix}{number}"), next(self.pictures)) for number in range(count)]

    @contextmanager
    def _uploading(self, bucket: str, work: Work) -> Iterator[Callable[[], float]]:
        """Uploads go on inside; what is given waits for their end and says when it was (monotonic seconds)."""

        def upload(share: Work) -> float:
            with self._uploader(bucket) as uploader:
                for signed, picture in share:
                    uploader.put(signed, picture)
            return time.monotonic()

        with ThreadPoolExecutor(UPLOADERS) as pool:
            futures = [pool.submit(upload, work[number::UPLOADERS]) for number in range(UPLOADERS)]
            yield lambda: max(future.result() for future in futures)


def remove(deployment: Deployment, bucket: str, prefix: str) -> None:
    """Delete the objects that were uploaded."""
    with Uploader(deployment.endpoint, deployment.credentials, bucket) as uploader, suppress(S3Error):
        for found in uploader.client.list_objects(bucket_name=bucket, prefix=prefix, recursive=True):
            uploader.client.remove_object(bucket_name=bucket, object_name=str(found.object_name))
        if bucket != deployment.bucket:
            uploader.client.remove_bucket(bucket_name=bucket)


def _until_rows(
    look: Callable[[], int], count: int, began: float, tell: Callable[[int], None]
) -> list[tuple[float, int]]:
    curve = [(0.0, 0)]
    while curve[-1][1] < count:
        time.sleep(PAUSE_LOOK)
        found = look()
        curve.append((time.monotonic() - began, found))
        tell(found)
        if curve[-1][0] > TIMEOUT:
            raise Failed(f"{count - found} of {count} are no rows after {TIMEOUT:.0f} s: see `pixwhisk status`")
    return curve
