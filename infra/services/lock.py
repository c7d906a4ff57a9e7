"""One `pixwhisk up` per data directory: a kernel lock that ends with its holder, however that ends."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from infra.errors import OperatorError
from infra.files import try_lock

_NAME = "lock"


@dataclass(frozen=True, slots=True)
class Holder:
    """Who runs the deployment: process id, and since when (seconds since the epoch)."""

    pid: int
    since: float

    def __str__(self) -> str:
        return f"process {self.pid}, since {time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(self.since))}"


class Held(OperatorError):
    """The data directory is in use."""

    def __init__(self, holder: Holder | None) -> None:
        super().__init__(
            f"the data directory is in use by {holder or 'another process'}: `pixwhisk down` ends it, or choose another"
            " --data"
        )
        self.holder = holder


@contextlib.contextmanager
def held(data: Path) -> Iterator[None]:
    """Hold a data directory. Raises `Held` when somebody else does; the lock of a killed holder is simply free."""
    descriptor = os.open(data / _NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if not try_lock(descriptor):
            raise Held(_read(data))
        text = json.dumps({"pid": os.getpid(), "since": time.time()})
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, text.encode(), 0)
        yield
        os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def holder(data: Path) -> Holder | None:
    """Who holds a data directory now; None when nobody does."""
    try:
        descriptor = os.open(data / _NAME, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        return None if try_lock(descriptor, shared=True) else _read(data) or Holder(0, 0.0)
    finally:
        os.close(descriptor)


def _read(data: Path) -> Holder | None:
    try:
        text = json.loads((data / _NAME).read_text())
        return Holder(int(text["pid"]), float(text["since"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None  # being written this very moment
