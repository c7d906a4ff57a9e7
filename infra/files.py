"""Files that only their owner may read, seen by readers as a whole or not at all."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def write_private(path: Path, text: str) -> None:
    """Write a 0600 file: a reader sees the old text or the new. Missing directories are made, 0700."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # A name of its own: two writers at once each finish a whole file, and the later one stays.
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
        unfinished.rename(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
