"""What the kernel keeps in the buffers of sockets, asked of it by netlink (`sock_diag`), as `ss -m` does.

No process's resident memory shows it, and 1024 sockets hold hundreds of megabytes.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress

_SOCK_DIAG = 4
_BY_FAMILY = 20
_REQUEST, _DUMP = 1, 0x300
_ERROR, _DONE = 2, 3
_LIMIT_ANSWER = 1 << 18
_HEADER = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")
_ALL_STATES = 0xFFFF_FFFF
# In receive buffers, their limit, on the way out, its limit, taken ahead (now and then less than nothing), queued.
_MEMORY = struct.Struct("=6I")

_UNIX_REQUEST = struct.pack("=BBHIIIII", socket.AF_UNIX, 0, 0, _ALL_STATES, 0, 0x20, 0, 0)
# Where an answer has the socket's inode and where its attributes begin; which attribute is its memory.
_UNIX_ANSWER = (4, 16, 5)
_INTERNET_ANSWER = (68, 72, 7)


def count_buffered(process_ids: Iterable[int]) -> int:
    """Bytes in the buffers of all sockets that these processes have open. Sockets on their way from one process to
    another, and those not accepted yet, are nobody's.
    """
    inodes = {inode for each in process_ids for inode in _find_sockets(each)}
    if not inodes:
        return 0
    held = _read_held()
    return sum(held.get(inode, 0) for inode in inodes)


def count_descriptors(process_id: int) -> int:
    """How many a process has open; 0 for one that is gone."""
    place = f"/proc/{process_id}/fd"
    with suppress(OSError):
        # Linux 6.2 and later tells it as the directory's size.
        return os.stat(place).st_size or len(os.listdir(place))  # noqa: PTH116, PTH208 - 20 times a second
    return 0


def _find_sockets(process_id: int) -> Iterator[int]:
    place = f"/proc/{process_id}/fd"
    with suppress(OSError):
        for each in os.listdir(place):  # noqa: PTH208 - as above
            with suppress(OSError):
                link = os.readlink(f"{place}/{each}")  # noqa: PTH115 - as above
                if link.startswith("socket:["):
                    yield int(link[8:-1])


def _read_held() -> Mapping[int, int]:
    """Bytes by a socket's inode, of all sockets there are."""
    held: dict[int, int] = {}
    requests = [(_UNIX_REQUEST, _UNIX_ANSWER)]
    for family in (socket.AF_INET, socket.AF_INET6):
        for protocol in (socket.IPPROTO_TCP, socket.IPPROTO_UDP):
            asked = struct.pack("=BBBBI48x", family, protocol, 1 << 6, 0, _ALL_STATES)
            requests.append((asked, _INTERNET_ANSWER))
    for request, answer in requests:
        # A kernel without one of these has no such sockets, or does not tell.
        with suppress(OSError):
            held.update(_ask(request, *answer))
    return held


def _ask(request: bytes, inode_at: int, attributes_at: int, memory: int) -> Iterator[tuple[int, int]]:
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _SOCK_DIAG) as asking:
        asking.send(_HEADER.pack(_HEADER.size + len(request), _BY_FAMILY, _REQUEST | _DUMP, 0, 0) + request)
        while True:
            answer = asking.recv(_LIMIT_ANSWER)
            while answer:
                length, kind, *_ = _HEADER.unpack_from(answer)
                if kind in (_ERROR, _DONE):
                    return
                message = answer[_HEADER.size : length]
                (inode,) = struct.unpack_from("=I", message, inode_at)
                yield inode, _read_memory(message[attributes_at:], memory)
                answer = answer[(length + 3) & ~3 :]


def _read_memory(attributes: bytes, wanted: int) -> int:
    while len(attributes) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(attributes)
        if kind == wanted:
            received, _, leaving, _, _, queued = _MEMORY.unpack_from(attributes, _ATTRIBUTE.size)
            return int(received + max(leaving, queued))
        attributes = attributes[(length + 3) & ~3 :]
    return 0
