"""What users did and were promised, and what a bucket may therefore hold: pure, and kept by nobody but the test.

An operation without an answer is in doubt: it may have happened, or may still happen, so either is right. One that was
answered has happened, between its beginning and its end.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

from tests.e2e.faults.gallery import Expected

Kind = Literal["put", "copy", "multipart", "delete", "remove"]
Name = tuple[str, str]
NEVER = float("inf")


@dataclass(slots=True)
class Operation:
    """One call on one key. `etag` is what it leaves there, None for nothing; `version` what it made or removed.

    `delete` in a versioned bucket makes the delete marker `version`; `remove` takes `version` away for good.
    """

    kind: Kind
    bucket: str
    key: str
    etag: str | None = None
    version: str | None = None
    began: float = 0.0
    ended: float = NEVER
    refused: bool = False

    @property
    def acknowledged(self) -> bool:
        return self.ended != NEVER and not self.refused

    @property
    def doubtful(self) -> bool:
        return self.ended == NEVER and not self.refused


@dataclass(frozen=True, slots=True)
class Listed:
    """A bucket's entry at the end; `version` is empty without versioning."""

    bucket: str
    key: str
    version: str
    etag: str
    marker: bool
    latest: bool


@dataclass
class Truth:
    """All operations, by key; used by several threads."""

    operations: dict[Name, list[Operation]] = field(default_factory=lambda: defaultdict(list))
    expected: dict[str, Expected] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def expect(self, etag: str, expected: Expected) -> None:
        """Whatever object has this ETag has the bytes that this is expected of."""
        with self._lock:
            self.expected[etag] = expected

    @contextmanager
    def doing(self, *operations: Operation) -> Iterator[None]:
        """Remember the operations; they are acknowledged when the block ends, in doubt when it raises."""
        self.doubt(*operations)
        yield
        ended = time.monotonic()
        for operation in operations:
            operation.ended = ended

    def doubt(self, *operations: Operation) -> None:
        """Remember operations that begin now and may end at any time, or never."""
        began = time.monotonic()
        with self._lock:
            for operation in operations:
                operation.began = began
                self.operations[operation.bucket, operation.key].append(operation)

    def all(self) -> list[Operation]:
        """As they are now; users may go on meanwhile."""
        with self._lock:
            return list(itertools.chain.from_iterable(self.operations.values()))

    def acknowledged(self) -> int:
        return sum(operation.acknowledged for operation in self.all())

    def doubtful(self, name: Name) -> bool:
        """Whether some operation on this key never got an answer."""
        return any(operation.doubtful for operation in self.operations[name])

    def untold(self, bucket: str, spans: Sequence[tuple[float, float]]) -> set[Name]:
        """The bucket's keys on which an operation was under way within one of these spans of time."""
        return {
            (each.bucket, each.key)
            for each in self.all()
            if each.bucket == bucket and any(each.began < end and each.ended > begin for begin, end in spans)
        }


def possible(operations: Sequence[Operation]) -> set[str | None]:
    """The ETags that may be the last of a key without versioning; None stands for no object."""
    effective = [operation for operation in operations if not operation.refused]
    acknowledged = [operation for operation in effective if operation.acknowledged]
    last = {
        operation.etag
        for operation in effective
        if not any(later.began > operation.ended for later in acknowledged if later is not operation)
    }
    return last if acknowledged else last | {None}


def broken_promises(truth: Truth, listed: Sequence[Listed]) -> list[tuple[Name, str]]:
    """Where the bucket itself is not what the operations allow: then MinIO is at fault, or the test."""
    here: dict[Name, list[Listed]] = defaultdict(list)
    for entry in listed:
        here[entry.bucket, entry.key].append(entry)
    found = []
    for name, operations in truth.operations.items():
        versioned = any(operation.version for operation in operations) or any(each.version for each in here[name])
        check = _broken_versions if versioned else _broken_key
        found += [(name, fault) for fault in check(operations, here[name])]
    return found + [(name, "nobody put it there") for name in here if name not in truth.operations]


def _broken_key(operations: Sequence[Operation], listed: Sequence[Listed]) -> Iterable[str]:
    etag = listed[0].etag if listed else None
    if etag not in possible(operations):
        yield f"the bucket holds {etag}, possible are {possible(operations)}"


def _broken_versions(operations: Sequence[Operation], listed: Sequence[Listed]) -> Iterable[str]:
    made = {operation.version for operation in operations if operation.kind != "remove" and operation.acknowledged}
    removed = {operation.version for operation in operations if operation.kind == "remove" and operation.acknowledged}
    maybe = {operation.version for operation in operations if operation.kind == "remove" and operation.doubtful}
    here = {entry.version for entry in listed}
    doubts = sum(operation.doubtful for operation in operations if operation.kind != "remove")
    if lost := made - removed - maybe - here:
        yield f"versions {lost} were acknowledged and are gone"
    if kept := removed & here:
        yield f"versions {kept} were removed and are there"
    if len(unknown := here - made) > doubts:
        yield f"versions {unknown} are there, though only {doubts} operations are in doubt"


def ever_there(operations: Sequence[Operation], listed: Iterable[Listed]) -> Mapping[str, str]:
    """Every version (empty without versioning) that certainly was once there, with the words for it."""
    found = {entry.version: "is there" for entry in listed}
    for operation in operations:
        if operation.acknowledged and operation.etag is not None:
            found.setdefault(operation.version or "", "was there")
        elif operation.acknowledged and operation.kind == "delete" and operation.version:
            found.setdefault(operation.version, "was a delete marker")
    return found
