"""Run a program as an ordinary user that ends with whoever started it: `unprivileged.py DIRECTORY PROGRAM [ARGUMENT…]`.

Postgres refuses user id 0. Started by root, this puts the program into a user namespace in which it sees itself as an
ordinary user while its files stay root's. Where the kernel forbids that, it becomes `nobody`, to whom DIRECTORY is
given, if that account can reach both. Only the standard library is imported: it runs under `python -I -S`, in 10 ms.
"""

from __future__ import annotations

import ctypes
import os
import signal
import stat
import sys
from pathlib import Path

PR_SET_PDEATHSIG = 1
CLONE_NEWUSER = 0x10000000
# Inside the namespace; any id but 0 would do.
ORDINARY = 1000
# What every kernel shows for "nobody in particular".
NOBODY = 65534
REFUSAL = (
    "Postgres does not run as root, and this machine allows neither a user namespace nor the account `nobody` to run "
    "it: run pixwhisk as an ordinary user, or set DATABASE_URL to a server of your own"
)


def main(directory: Path, arguments: list[str]) -> None:
    """Never returns: the program takes this process over, or an error is printed and the exit status is 1."""
    parent = os.getppid()
    if os.geteuid() == 0 and not enter_user_namespace() and not become_nobody(directory, Path(arguments[0])):
        sys.exit(REFUSAL)
    end_with_parent(parent)
    os.execv(arguments[0], arguments)  # noqa: S606 - our own program, no shell


def enter_user_namespace() -> bool:
    """Be `ORDINARY` to ourselves and root to everybody else; False where the kernel forbids it."""
    group = os.getegid()  # before: inside the namespace it has no name yet
    if ctypes.CDLL(None).unshare(CLONE_NEWUSER) != 0:
        return False
    try:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/gid_map").write_text(f"{ORDINARY} {group} 1")
        Path("/proc/self/uid_map").write_text(f"{ORDINARY} 0 1")
    except OSError:
        return False
    return True


def become_nobody(directory: Path, program: Path) -> bool:
    """Give `directory` and all in it to `nobody` and become that; False if it cannot reach both even so.

    The directory above is made passable, not readable: what else is in there is closed on its own account.
    """
    try:
        directory.parent.chmod(stat.S_IMODE(directory.parent.stat().st_mode) | 0o001)
        for path in (directory, *directory.rglob("*")):
            os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    except OSError:
        return False
    return os.access(program, os.X_OK) and os.access(directory, os.W_OK)


def end_with_parent(parent: int) -> None:
    """Have the kernel interrupt us (Postgres: fast shutdown) when the thread that started us ends."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGINT, 0, 0, 0)
    if os.getppid() != parent:  # it ended before we asked
        sys.exit("the process that started this one is gone")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
