"""What this machine's kernel cannot keep actions from, in words for whoever starts the host."""

from __future__ import annotations

from infra.host.containers import landlock, seccomp
from infra.host.containers.base import find_base, is_in_memory


def find_gaps() -> list[str]:
    """A sentence for each; none where the kernel has all that containers are confined with."""
    gaps = []
    version = landlock.read_version()
    if not version:
        gaps.append("actions read and write what this user may: no Landlock (Linux 5.13 or later has it)")
    elif version < landlock.SINCE_SIGNALS:
        gaps.append("actions may signal this user's processes: Landlock knows no signals (Linux 6.12 or later does)")
    if is_in_memory(base := find_base()):
        gaps.append(
            f"files that actions write are memory that is not counted: {base} is in memory, set TMPDIR to a disk"
        )
    if not seccomp.is_available():
        gaps.append(
            "actions may change modes and times of this user's files, limit its processes, hold memory that is not "
            "counted and outlive their container: no filter of system calls (seccomp, on x86-64 and ARM)"
        )
    return gaps
