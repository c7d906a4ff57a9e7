"""A zygote on this host's side: a process that has preloaded, of which containers are copies.

It is a sandbox like any other but for two things: it may put its copies into process groups of their own, and it may
write where all of them will. Each copy takes both away from itself before it is handed anything (`proxy/zygote.py`).
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import struct
from base64 import b64encode
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from infra.host.containers import landlock, seccomp
from infra.host.containers.ends import Ends
from infra.host.containers.landlock import Confinement
from infra.host.containers.sandbox import Sandbox, Started, describe_environment, make_work, watch_over

# Preloading, and then one copy.
TIMEOUT_ORDER = 30.0
_CREDENTIALS = struct.Struct("3i")


class NoCopy(Exception):
    """The zygote has ended, or answers no more; another may do better."""


class CannotBeCopied(NoCopy):
    """What it has preloaded runs threads, or there may be no more processes; another will do no better."""


class Zygote:
    """Makes one container at a time. `directory` is its own, with its containers' below it."""

    def __init__(self, sandbox: Sandbox, directory: Path) -> None:
        self.sandbox = sandbox
        self._directory = directory
        self._control = sandbox.take_connection()
        self._control.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._control.setblocking(False)
        self._turn = asyncio.Lock()
        self._count = 0

    async def copy(self, environment: Mapping[str, str], memory: int, confinement: Confinement) -> Sandbox:
        """A container of `memory` bytes, once the zygote has preloaded. Raises `NoCopy` or `OSError`; after a
        `NoCopy` the zygote is of no more use.
        """
        async with self._turn:
            self._count += 1
            directory = self._directory / str(self._count)
            ends = Ends()
            try:
                process = await self._order(environment, make_work(directory), memory, ends, confinement)
                ends.kill_with_us(process)
            except BaseException:
                ends.close()
                shutil.rmtree(directory, ignore_errors=True)
                raise
            finally:
                ends.close_given()
        return watch_over(Started(process, process, ends), directory, memory)

    async def _order(
        self, environment: Mapping[str, str], work: Path, memory: int, ends: Ends, confinement: Confinement
    ) -> int:
        order = {
            "environment": describe_environment(environment, work, memory),
            "directory": str(work),
            "filter": describe_filter(),
        }
        rules = landlock.make_rules(confinement, work) if landlock.read_version() else None
        try:
            given = [*ends.given, *([] if rules is None else [rules])]
            self._send(json.dumps(order).encode() + b"\n", given)
        finally:
            if rules is not None:
                os.close(rules)
        try:
            async with asyncio.timeout(TIMEOUT_ORDER):
                return await self._receive_process()
        except TimeoutError:
            self.sandbox.kill()
            raise NoCopy("it does not answer") from None

    def _send(self, line: bytes, descriptors: list[int]) -> None:
        try:
            sent = socket.send_fds(self._control, [line], descriptors)
        except OSError as failure:
            raise NoCopy(str(failure)) from None
        if sent < len(line):
            self.sandbox.kill()
            raise NoCopy("it takes no order")

    async def _receive_process(self) -> int:
        """The new container's process number, which it cannot make up; it is our child by then."""
        senders: dict[bytes, int] = {}
        # In either order.
        while len(senders) < len(b"+."):
            said, sender = await self._receive()
            if said == b"-":
                raise CannotBeCopied("it says so, and why in its log")
            senders[said] = sender
        return senders[b"+"]

    async def _receive(self) -> tuple[bytes, int]:
        """One byte, and which process sent it."""
        await self._becomes_readable()
        said, attached, _, _ = self._control.recvmsg(1, socket.CMSG_SPACE(_CREDENTIALS.size))
        if not said or not attached:
            raise NoCopy("it has ended")
        return said, _CREDENTIALS.unpack(attached[0][2])[0]

    async def _becomes_readable(self) -> None:
        loop, readable = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(self._control, readable.set)
        try:
            await readable.wait()
        finally:
            loop.remove_reader(self._control)

    async def await_end(self) -> None:
        """Wait for it to be gone. What its containers live in stays: they may outlive it."""
        await self.sandbox.await_end()
        with suppress(OSError):
            self._control.close()


def describe_filter() -> Mapping[str, object] | None:
    """What a copy needs to take on its filter by itself; None where there is none. It may enter no process group."""
    if not seccomp.is_available():
        return None
    program, number, flags = seccomp.describe()
    return {"program": b64encode(program).decode(), "number": number, "flags": flags}
