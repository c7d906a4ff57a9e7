"""What the processes of a container hold, as /proc tells: looked at twenty times a second while it runs.

Resident and swapped memory; what the kernel keeps to know where that is; and, so that nobody hoards what no process
shows, something for each process and thread, zombies included, and the buffers of sockets where there are many.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from infra.host.containers.buffers import count_buffered, count_descriptors

# A structure each, a stack in the kernel, a signal handler's table.
BYTES_PER_TASK = 32 << 10
# As many as OpenWhisk lets a container of its own have; nobody goes on looking beyond.
LIMIT_TASKS = 1024
# Below that buffers hold no more than some megabytes, and looking at them is not worth it.
QUIET_DESCRIPTORS = 24


def find_family(process_ids: Sequence[int]) -> tuple[list[int], int]:
    """Processes and their descendants, as far as they can be seen, and how many tasks (threads) they have."""
    found, tasks = list(process_ids), 0
    for each in found:
        with suppress(OSError):
            for task in os.listdir(f"/proc/{each}/task"):  # noqa: PTH208 - 20 times a second
                tasks += 1
                children = Path(f"/proc/{each}/task/{task}/children").read_text()
                found.extend(int(child) for child in children.split())
        if tasks > LIMIT_TASKS:
            break
    return found, tasks


def measure(process_ids: Sequence[int], most: int) -> int:
    """Bytes that these processes hold with all below them; more than `most` where there are too many tasks."""
    found, tasks = find_family(process_ids)
    if tasks > LIMIT_TASKS:
        return most + 1
    held = sum(held_bytes(each) for each in found) + tasks * BYTES_PER_TASK
    if sum(count_descriptors(each) for each in found) > QUIET_DESCRIPTORS:
        held += count_buffered(found)
    return held


def held_bytes(process_id: int) -> int:
    """Resident, swapped out, and what the kernel keeps to know where it is; 0 for a process that is gone."""
    try:
        status = read_status(process_id)
    except OSError:
        return 0
    return sum(kilobytes(status, name) for name in (b"VmRSS:", b"VmSwap:", b"VmPTE:")) * 1024


def read_status(process_id: int) -> bytes:
    """/proc/…/status, of another thread where the first has ended and says nothing of memory any more."""
    status = Path(f"/proc/{process_id}/status").read_bytes()
    return status if b"VmRSS:" in status else _read_living(process_id)


def _read_living(process_id: int) -> bytes:
    for task in os.listdir(f"/proc/{process_id}/task"):  # noqa: PTH208 - as above
        with suppress(OSError):
            status = Path(f"/proc/{process_id}/task/{task}/status").read_bytes()
            if b"VmRSS:" in status:
                return status
    return b""


def kilobytes(status: bytes, name: bytes) -> int:
    """A field of /proc/…/status; 0 where it has none, as of a process that has ended."""
    _, found, after = status.partition(name)
    return int(after.split(None, 1)[0]) if found else 0


def peak_bytes(status: bytes) -> int:
    return kilobytes(status, b"VmHWM:") * 1024
