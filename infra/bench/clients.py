"""What measures from outside: uploads, calls and looks at the rows, each over one kept connection and with little of
its own work, so that the time is the system's."""

from __future__ import annotations

import base64
import http.client
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlsplit

import psycopg
from minio import Minio

from infra.services.minio import Credentials

TIMEOUT = 60.0
# OpenWhisk lists so many at once.
PAGE = 200
# How often a row is looked for: what is measured is late by half of it on average.
PAUSE_LOOK = 0.001
# MinIO's journal tells of an event within 3 s.
QUIET, PAUSE_FORGET = 4.0, 0.5


class BenchFailed(Exception):
    """Something that is measured does not do its work; the message says what."""


@dataclass(frozen=True, slots=True)
class Place:
    """One bucket of one object store, and the keys to it."""

    endpoint: str
    credentials: Credentials
    bucket: str

    def client(self) -> Minio:
        """For what is not measured."""
        scheme, _, address = self.endpoint.partition("://")
        keys = self.credentials.access_key, self.credentials.secret_key
        return Minio(address, *keys, secure=scheme == "https", region="us-east-1")


class Connection:
    """One HTTP connection that stays open."""

    def __init__(self, url: str) -> None:
        address = urlsplit(url)
        kind = http.client.HTTPSConnection if address.scheme == "https" else http.client.HTTPConnection
        self._connection = kind(address.hostname or "", address.port, timeout=TIMEOUT)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_raised: object) -> None:
        self._connection.close()

    def send(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
        """Status and body of the answer."""
        self._connection.request(method, path, body, dict(headers))
        answer = self._connection.getresponse()
        return answer.status, answer.read()


class Uploader(Connection):
    """Puts objects into one bucket. Signed ahead, so that a put itself costs the client next to nothing."""

    def __init__(self, place: Place) -> None:
        super().__init__(place.endpoint)
        self.bucket = place.bucket
        self.client = place.client()

    def sign(self, key: str) -> str:
        """What `put` takes to put this key."""
        url = urlsplit(self.client.presigned_put_object(bucket_name=self.bucket, object_name=key))
        return f"{url.path}?{url.query}"

    def put(self, signed: str, body: bytes) -> None:
        status, said = self.send("PUT", signed, body, {})
        if status != 200:
            raise BenchFailed(f"an upload was answered {status}: {said[:200].decode(errors='replace')}")


class Caller(Connection):
    """Invokes actions, blocking."""

    def __init__(self, apihost: str, auth: str) -> None:
        super().__init__(apihost)
        basic = base64.b64encode(auth.encode()).decode()
        self._headers = {"Authorization": f"Basic {basic}", "Content-Type": "application/json"}

    def invoke(self, action: str, body: bytes) -> dict[str, Any]:
        """The action's result."""
        path = f"/api/v1/namespaces/_/actions/{action}?blocking=true&result=true"
        status, said = self.send("POST", path, body, self._headers)
        if status != 200:
            raise BenchFailed(f"{action} was answered {status}: {said[:200].decode(errors='replace')}")
        return dict(json.loads(said))

    def activations(self, action: str, since: float, most: int = 2000) -> list[dict[str, Any]]:
        """The newest records of an action's activations that began at `since` (seconds since the epoch) or later."""
        found: list[dict[str, Any]] = []
        while len(found) < most:
            page = self._page(f"name={action}&since={int(since * 1000)}&docs=true&limit={PAGE}&skip={len(found)}")
            found += page
            if len(page) < PAGE:
                break
        return found

    def _page(self, query: str) -> list[dict[str, Any]]:
        status, said = self.send("GET", f"/api/v1/namespaces/_/activations?{query}", b"", self._headers)
        if status != 200:
            raise BenchFailed(f"the list of activations was answered {status}")
        return list(json.loads(said))


class RowReader:
    """Outcomes as another client of the database sees them: once they are committed."""

    def __init__(self, database_url: str) -> None:
        self._connection = psycopg.connect(database_url, autocommit=True, prepare_threshold=0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_raised: object) -> None:
        self._connection.close()

    def wait(self, bucket: str, key: str, deadline: float = TIMEOUT) -> None:
        """Return as soon as the key has an outcome."""
        until = time.monotonic() + deadline
        while not self._connection.execute(ONE, (bucket, key)).fetchone():
            if time.monotonic() > until:
                raise BenchFailed(f"no row for {bucket}/{key} after {deadline:.0f} s: `pixwhisk status` may say why")
            time.sleep(PAUSE_LOOK)

    def count(self, bucket: str, prefix: str) -> int:
        """How many keys that begin so have an outcome."""
        row = self._connection.execute(MANY, (bucket, prefix, prefix + "\x7f")).fetchone()
        return int(row[0]) if row else 0

    def forget(self, buckets: Sequence[str], prefix: str) -> None:
        """Delete what a measurement wrote, and what comes in about it until the journal has told all."""
        quiet, until = 0.0, time.monotonic() + TIMEOUT
        while quiet < QUIET and time.monotonic() < until:
            time.sleep(PAUSE_FORGET)
            quiet = 0.0 if self._delete(buckets, prefix) else quiet + PAUSE_FORGET

    def _delete(self, buckets: Sequence[str], prefix: str) -> int:
        return sum(
            self._connection.execute(
                f"DELETE FROM {table} WHERE bucket = ANY(%s) AND key >= %s AND key < %s",  # noqa: S608 - ours
                (list(buckets), prefix, prefix + "\x7f"),
            ).rowcount
            for table in ("objects", "inbox")
        )


ONE = "SELECT 1 FROM objects JOIN outcomes ON object_id = id WHERE bucket = %s AND key = %s"
MANY = "SELECT count(*) FROM objects JOIN outcomes ON object_id = id WHERE bucket = %s AND key >= %s AND key < %s"
