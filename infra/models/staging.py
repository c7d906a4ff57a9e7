"""Where a model is put together: a hidden directory beside the others, which is none of them until it is renamed."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from infra import paths
from infra.files import try_lock

_PREFIX = ".unfinished-"


@contextmanager
def staging(name: str) -> Iterator[Path]:
    """An empty directory on the same file system, gone at the end of the block; and so is what killed runs left.

    It is held by a lock that ends with the process, so that nobody takes it for something left.
    """
    place = paths.models()
    place.mkdir(parents=True, exist_ok=True)
    with _alone(place):
        _discard_left(place)
        temporary = tempfile.TemporaryDirectory(prefix=f"{_PREFIX}{name}-", dir=place)
        held = os.open(temporary.name, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(held, fcntl.LOCK_EX)
    try:
        with temporary as directory:
            yield Path(directory)
    finally:
        os.close(held)


@contextmanager
def _alone(place: Path) -> Iterator[None]:
    """Nobody else makes or discards such a directory meanwhile."""
    holder = os.open(place, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(holder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(holder)


def _discard_left(place: Path) -> None:
    for left in place.glob(f"{_PREFIX}*"):
        found = os.open(left, os.O_RDONLY | os.O_DIRECTORY)
        try:
            if try_lock(found):
                shutil.rmtree(left, ignore_errors=True)
        finally:
            os.close(found)
