"""Files that only their owner may read, seen as a whole or not at all; and locks that end with their holder."""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
from pathlib import Path


def write_private(path: Path, text: str, *, overwrite: bool = True) -> None:
    """Write a 0600 file: a reader sees the old text or the new. Missing directories are made, 0700.

    Without `overwrite`, what is there stays, also if somebody else writes it in this very moment.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # A name of its own: two writers at once each finish a whole file.
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
        if overwrite:
            unfinished.rename(path)
        else:
            with contextlib.suppress(FileExistsError):
                path.hardlink_to(unfinished)
    finally:
        unfinished.unlink(missing_ok=True)


def try_lock(descriptor: int, *, shared: bool = False) -> bool:
    """Take the lock of an open file unless somebody else has it. The kernel gives it back when the file is closed,
    which the end of a process does as well, however it ends.
    """
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
