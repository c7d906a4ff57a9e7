"""The virtual environment that has TensorFlow: one per user, interpreter and lock, kept in the cache."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from infra import paths

LOCKS = (paths.ROOT / "requirements/model.txt", paths.ROOT / "requirements/model-data.txt")


def directory(environ: Mapping[str, str] = os.environ) -> Path:
    """Its place. Another lock or Python has another, so that checkouts never pull it from under each other."""
    key = hashlib.sha256(f"{sys.base_prefix}\0{sys.version}".encode())
    for lock in LOCKS:
        key.update(lock.read_bytes())
    return paths.cache(environ) / "environments" / f"model-{key.hexdigest()[:12]}"


def stamp(directory: Path) -> Path:
    """Written last: without it the environment may be half installed."""
    return directory / ".complete"


def python(environ: Mapping[str, str] = os.environ) -> Path | None:
    """Its interpreter, or None while set-up has not made it."""
    place = directory(environ)
    return place / "bin/python" if stamp(place).is_file() else None
