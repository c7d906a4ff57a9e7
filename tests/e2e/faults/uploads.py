"""Users: threads that put, overwrite, copy, delete and bring back, with an S3 client that never tries twice."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from typing import Any, ClassVar

from botocore.exceptions import BotoCoreError, ClientError, ConnectTimeoutError, EndpointConnectionError

from tests.e2e.faults.gallery import Picture, draw
from tests.e2e.faults.truth import Operation, Truth
from tests.fixtures.clock import Clock

PATTERNS = (
    "plain {n}.jpg",
    "with spaces and  two {n}.jpg",
    "plus+plus+{n}.jpg",
    "per%cent%20%2F {n}.jpg",
    "ünï/cödé/日本/🐼 {n}.jpg",
    "a/b/c..d/{n}.jpg",
    "quote'\"`;--{n}",
    "<b>&amp;</b>?x=y#{n}.jpg",
    "\\back\\slash {n}",
    "trailing.{n}.",
)
# Where users leave what lifecycle rules expire, by its age.
OLD, AGE = "expiring/", timedelta(days=30)
# Keys that all users write to, and how many versions of its keys a user has.
SHARED, VERSIONED_KEYS = 4, 5
# After an operation without an answer, in s.
PAUSE_AWAY = 0.3


@dataclass
class User:
    """One thread, with keys of its own. `pace` is in operations a second, between bursts."""

    number: int
    bucket: str
    s3: Any
    pictures: Sequence[Picture]
    truth: Truth
    seed: str
    pace: float
    stop: threading.Event
    shares: ClassVar[Mapping[str, int]] = {}
    random: Random = field(init=False)
    clock: Clock = field(default_factory=Clock)
    count: int = 0

    def __post_init__(self) -> None:
        self.random = Random(f"{self.seed} user {self.number}")

    def run(self) -> None:
        """Until `stop` is set; now and then in a burst without a pause."""
        pause = 0.0
        while not self.stop.wait(pause):
            (act,) = self.random.choices(list(self.shares), list(self.shares.values()))
            getattr(self, act)()
            pause = self.random.choice((0.0, self.random.expovariate(self.pace)))

    def new_key(self) -> str:
        self.count += 1
        return f"{self.number}/" + self.random.choice(PATTERNS).format(n=self.count)

    def drawn(self) -> bytes:
        """A body, which the truth then knows by the ETags it may get."""
        self.count += 1
        picture, body = draw(self.pictures, self.random, f"{self.number}-{self.count}")
        for etag in (etag_of(body), multipart_etag_of(body)):
            self.truth.expect(etag, picture.expected(body))
        return body

    def expire(self) -> None:
        """Leave something old, and look at it: that is when a rule, if there is one, has it expire."""
        body, key = self.drawn(), OLD + self.new_key()
        left = Operation("put", self.bucket, key, etag=etag_of(body))
        with self.trying(left), self.clock.wrong(-AGE):
            left.version = self.s3.put_object(Bucket=self.bucket, Key=key, Body=body).get("VersionId")
        gone = [Operation("delete", self.bucket, key)]
        gone += [Operation("remove", self.bucket, key, version=left.version)] if left.version else []
        # Whether or not it has expired by now, it still may.
        self.truth.doubt(*gone)
        with suppress(BotoCoreError, ClientError):
            self.s3.head_object(Bucket=self.bucket, Key=key)

    @contextmanager
    def trying(self, *operations: Operation) -> Iterator[None]:
        """What fails half-way stays in doubt; what is refused has not happened."""
        try:
            with self.truth.doing(*operations):
                yield
        except ClientError as error:
            refused = error.response["ResponseMetadata"]["HTTPStatusCode"] < 500
            for operation in operations:
                operation.refused = refused
        except (EndpointConnectionError, ConnectTimeoutError):
            for operation in operations:
                operation.refused = True
            self.stop.wait(PAUSE_AWAY)
        except BotoCoreError:
            self.stop.wait(PAUSE_AWAY)


@dataclass
class PlainUser(User):
    """In a bucket without versioning. `alive` are its own keys with their ETags, `dead` those it deleted."""

    alive: dict[str, str] = field(default_factory=dict)
    dead: list[str] = field(default_factory=list)
    shares: ClassVar[Mapping[str, int]] = {
        "put": 40,
        "overwrite": 15,
        "share": 4,
        "copy": 9,
        "multipart": 4,
        "delete": 12,
        "delete_several": 3,
        "bring_back": 8,
        "expire": 6,
    }

    def put(self) -> None:
        self._put(self.new_key())

    def overwrite(self) -> None:
        self._put(self._any() or self.new_key())

    def bring_back(self) -> None:
        self._put(self.dead.pop(self.random.randrange(len(self.dead))) if self.dead else self.new_key())

    def share(self) -> None:
        """Put or delete a key that others put and delete at the same time."""
        key = f"shared/{self.random.randrange(SHARED)}.jpg"
        if self.random.random() < 0.8:
            self._put(key)
        else:
            self._delete(key)
        self.alive.pop(key, None)

    def copy(self) -> None:
        source = self._any()
        if source is None or "-" in self.alive[source] or self.truth.doubtful((self.bucket, source)):
            return
        copied = Operation("copy", self.bucket, self.new_key(), etag=self.alive[source])
        with self.trying(copied):
            self.s3.copy_object(Bucket=self.bucket, Key=copied.key, CopySource={"Bucket": self.bucket, "Key": source})
        self._note(copied)

    def multipart(self) -> None:
        body, key = self.drawn(), self.new_key()
        where = {"Bucket": self.bucket, "Key": key}
        done = Operation("multipart", self.bucket, key, etag=multipart_etag_of(body))
        with self.trying():
            upload = self.s3.create_multipart_upload(**where)["UploadId"]
            part = self.s3.upload_part(**where, UploadId=upload, PartNumber=1, Body=body)
            parts = {"Parts": [{"ETag": part["ETag"], "PartNumber": 1}]}
            with self.trying(done):
                self.s3.complete_multipart_upload(**where, UploadId=upload, MultipartUpload=parts)
        self._note(done)

    def delete(self) -> None:
        if key := self._any():
            self._delete(key)

    def delete_several(self) -> None:
        keys = self.random.sample(sorted(self.alive), min(3, len(self.alive)))
        if not keys:
            return
        deleted = [Operation("delete", self.bucket, key) for key in keys]
        with self.trying(*deleted):
            answer = self.s3.delete_objects(Bucket=self.bucket, Delete={"Objects": [{"Key": key} for key in keys]})
            # Whatever failed is in doubt, and so is the rest: that is merely less to check.
            if answer.get("Errors"):
                raise BotoCoreError
        for key in keys:
            self._note_dead(key)

    def _put(self, key: str) -> None:
        body = self.drawn()
        operation = Operation("put", self.bucket, key, etag=etag_of(body))
        with self.trying(operation):
            self.s3.put_object(Bucket=self.bucket, Key=key, Body=body)
        self._note(operation)

    def _delete(self, key: str) -> None:
        with self.trying(Operation("delete", self.bucket, key)):
            self.s3.delete_object(Bucket=self.bucket, Key=key)
        self._note_dead(key)

    def _any(self) -> str | None:
        return self.random.choice(sorted(self.alive)) if self.alive else None

    def _note(self, operation: Operation) -> None:
        if operation.acknowledged and operation.etag:
            self.alive[operation.key] = operation.etag

    def _note_dead(self, key: str) -> None:
        if self.alive.pop(key, None):
            self.dead.append(key)


@dataclass
class VersioningUser(User):
    """In a bucket with versioning. `versions` and `markers` are (key, version id) that it made and has not removed."""

    versions: list[tuple[str, str]] = field(default_factory=list)
    markers: list[tuple[str, str]] = field(default_factory=list)
    shares: ClassVar[Mapping[str, int]] = {"put": 8, "mark": 4, "remove_version": 2, "remove_marker": 3, "expire": 2}

    def put(self) -> None:
        body = self.drawn()
        operation = Operation("put", self.bucket, self._key(), etag=etag_of(body))
        with self.trying(operation):
            answer = self.s3.put_object(Bucket=self.bucket, Key=operation.key, Body=body)
            operation.version = answer["VersionId"]
            self.versions.append((operation.key, answer["VersionId"]))

    def mark(self) -> None:
        """Delete as most people do: it only adds a marker."""
        operation = Operation("delete", self.bucket, self._key())
        with self.trying(operation):
            answer = self.s3.delete_object(Bucket=self.bucket, Key=operation.key)
            # A key that never was gets no marker from MinIO.
            operation.version = answer.get("VersionId")
            operation.refused = operation.version is None
        if operation.version:
            self.markers.append((operation.key, operation.version))

    def remove_version(self) -> None:
        self._remove(self.versions)

    def remove_marker(self) -> None:
        self._remove(self.markers)

    def _remove(self, known: list[tuple[str, str]]) -> None:
        if not known:
            return
        key, version = known.pop(self.random.randrange(len(known)))
        with self.trying(Operation("remove", self.bucket, key, version=version)):
            self.s3.delete_object(Bucket=self.bucket, Key=key, VersionId=version)

    def _key(self) -> str:
        number = self.random.randrange(VERSIONED_KEYS)
        return f"{self.number}/" + PATTERNS[number % len(PATTERNS)].format(n=number)


@contextmanager
def uploading(users: Sequence[User]) -> Iterator[None]:
    """All of them at work inside; each has its last answer outside."""
    threads = [threading.Thread(target=user.run, name=f"user {user.number}", daemon=True) for user in users]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        for user in users:
            user.stop.set()
        for thread in threads:
            thread.join(90)
            assert not thread.is_alive(), f"{thread.name} waits for an answer for ever"


def etag_of(body: bytes) -> str:
    """S3's ETag of an object put as a whole."""
    return hashlib.md5(body, usedforsecurity=False).hexdigest()


def multipart_etag_of(body: bytes) -> str:
    """S3's ETag of an object uploaded in one part."""
    return hashlib.md5(bytes.fromhex(etag_of(body)), usedforsecurity=False).hexdigest() + "-1"
