"""Whether a data directory is this user's alone: who else may write in it, or above it, could choose its secrets."""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import stat
from collections.abc import Iterator
from pathlib import Path

from infra.errors import OperatorError

ROOT = 0
# Of which only the owner may know what is in them.
_SECRET = ("wskprops", "secrets", "host/entities.db")


class NotPrivate(OperatorError):
    """Somebody else owns or may change a data directory; the message says what mends it."""


def check_ownership(data: Path) -> None:
    """Raises `NotPrivate` where anybody but this user and root could have put something there, or still could.

    A directory that others may only read is closed to them. One that is not there yet is judged by those above it.
    """
    for above in data.parents:
        if above.exists():
            _check_above(above)
    if not os.path.lexists(data):
        return
    found = data.lstat()
    if not stat.S_ISDIR(found.st_mode):
        raise NotPrivate(f"{data} is no directory: choose another --data")
    _check_owner(data, found)
    _check_mode(data, found)
    for path in _secrets(data):
        # What is just being written has another name in the next moment.
        with contextlib.suppress(FileNotFoundError):
            _check_secret(path, path.lstat())


def _check_secret(path: Path, found: os.stat_result) -> None:
    _check_owner(path, found)
    if stat.S_ISLNK(found.st_mode):
        raise NotPrivate(f"{path} is a link: its secret may be somebody else's; remove it")
    if found.st_mode & 0o077:
        raise NotPrivate(f"{path} is open to others: `chmod go= {path}` closes it")


def _check_above(directory: Path) -> None:
    found = directory.stat()
    if found.st_uid not in _find_trusted():
        raise NotPrivate(
            f"{directory} belongs to {_user(found.st_uid)}, who may put another directory in its place: choose a --data"
            " below one of your own"
        )
    if _writable(found) and not found.st_mode & stat.S_ISVTX:
        raise NotPrivate(
            f"others may write in {directory} and put another directory in its place: `chmod go-w {directory}`, or"
            " choose another --data"
        )


def _check_owner(path: Path, found: os.stat_result) -> None:
    if found.st_uid != os.geteuid():
        raise NotPrivate(
            f"{path} belongs to {_user(found.st_uid)}: run pixwhisk as that user, or choose another --data;"
            " what is there may be of somebody else's making"
        )


def _check_mode(data: Path, found: os.stat_result) -> None:
    if _writable(found) and any(data.iterdir()):
        raise NotPrivate(
            f"others may write in {data}: look at what is there, then `chmod go-w {data}`, or choose another --data"
        )
    # As root Postgres may run as `nobody`, who has to pass.
    passing = found.st_mode & 0o001 if os.geteuid() == ROOT else 0
    if stat.S_IMODE(found.st_mode) & 0o077 != passing:
        data.chmod(0o700 | passing)


def _secrets(data: Path) -> Iterator[Path]:
    for path in (data / name for name in _SECRET):
        if os.path.lexists(path):
            yield path
            if path.is_dir():
                yield from path.iterdir()


def _writable(found: os.stat_result) -> bool:
    """Whether others may write. A group that has nobody else in it is not others."""
    group = bool(found.st_mode & stat.S_IWGRP) and not _is_own_group(found.st_gid)
    return group or bool(found.st_mode & stat.S_IWOTH)


def _is_own_group(group: int) -> bool:
    """Whether it is root's, or this user's alone."""
    if group == ROOT:
        return True
    try:
        members, me = set(grp.getgrgid(group).gr_mem), pwd.getpwuid(os.geteuid())
    except KeyError:
        return False
    return group == me.pw_gid and members <= {me.pw_name} and grp.getgrgid(group).gr_name == me.pw_name


def _find_trusted() -> frozenset[int]:
    """Root and this user; in a user namespace also whoever has no number in it, as root outside."""
    unknown = int(Path("/proc/sys/fs/overflowuid").read_text())
    everybody = Path("/proc/self/uid_map").read_text().split() == ["0", "0", "4294967295"]
    return frozenset({ROOT, os.geteuid()} | (set() if everybody else {unknown}))


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"user {number}"
