"""What a container writes to stdout and stderr, as the lines OpenWhisk stores, split by the proxy's sentinels."""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import suppress
from functools import lru_cache
from typing import Literal

from infra.logs import EventLogger

log = EventLogger(__name__)

SENTINEL = b"XXX_THE_END_OF_A_WHISK_ACTIVATION_XXX"
# A longer line is stored in pieces.
LIMIT_LINE = 64 << 10
TRUNCATED = "Logs were truncated because the total bytes size exceeds the limit of {} bytes."
INCOMPLETE = "The action did not initialize or run as expected. Log data might be missing."

Name = Literal["stdout", "stderr"]


def format_line(name: Name, text: str, nanoseconds: int) -> str:
    """A line as activations keep it: time in 30 columns, stream, text."""
    seconds, fraction = divmod(nanoseconds, 1_000_000_000)
    return f"{_moment(seconds)}.{fraction:09d}Z {name}: {text}"


@lru_cache(maxsize=1)
def _moment(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


class Store:
    """The stored lines of one activation, up to `limit` bytes; 0 keeps none."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.lines: list[str] = []
        self._size = 0
        self._full = limit == 0

    def add(self, name: Name, text: bytes, nanoseconds: int) -> None:
        if self._full:
            return
        line = format_line(name, text.decode(errors="replace").rstrip("\r"), nanoseconds)
        # Counted as stored, so that a million empty lines are not free.
        self._size += len(line)
        if self._size > self.limit:
            self._full = True
            line = format_line("stderr", TRUNCATED.format(self.limit), nanoseconds)
        self.lines.append(line)

    def note(self, text: str) -> None:
        """Add a line of the host's own, whatever the size so far."""
        if self.limit:
            self.lines.append(format_line("stderr", text, time.time_ns()))


class Stream:
    """One of a container's two pipes; owns `descriptor`."""

    def __init__(self, name: Name, descriptor: int) -> None:
        self.name = name
        self.descriptor = descriptor
        self.ended = False
        self.store: Store | None = None
        self.woken: asyncio.Future[None] | None = None
        self._rest = b""
        os.set_blocking(descriptor, False)
        asyncio.get_running_loop().add_reader(descriptor, self.read)

    def read(self) -> bool:
        """Take in what is there; True if there may be more."""
        try:
            data = os.read(self.descriptor, 65536)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        if not data:
            self.close()
            return False
        self._take(data)
        return True

    # With the answer here, the lines before it are in the pipe: asking the event loop for them would cost a turn.
    def drain(self) -> None:
        """Read up to the sentinel, as far as it has come already."""
        while not self.ended and self.descriptor >= 0 and self.read():
            pass

    def close(self) -> None:
        if self.descriptor >= 0:
            asyncio.get_running_loop().remove_reader(self.descriptor)
            os.close(self.descriptor)
            self.descriptor = -1
        self._wake()

    def _take(self, data: bytes) -> None:
        now = time.time_ns()
        *lines, rest = (self._rest + data).split(b"\n")
        for line in lines:
            # Behind text that did not end its line, too.
            if line.endswith(SENTINEL):
                line = line[: -len(SENTINEL)]  # noqa: PLW2901
                self.ended = True
                self._wake()
                if not line:
                    continue
            self._keep(line, now)
        if len(rest) > LIMIT_LINE:
            self._keep(rest[: -len(SENTINEL)], now)
            rest = rest[-len(SENTINEL) :]
        self._rest = rest

    def _keep(self, line: bytes, now: int) -> None:
        if self.store is not None:
            self.store.add(self.name, line, now)
        else:
            log.debug("container-said", stream=self.name, text=line.decode(errors="replace"))

    def finish_line(self) -> None:
        """Keep what never ended its line."""
        if self._rest:
            self._keep(self._rest, time.time_ns())
            self._rest = b""

    def _wake(self) -> None:
        if self.woken is not None and not self.woken.done():
            self.woken.set_result(None)


class Capture:
    """Both streams of one container. Takes the pipes' read ends over and closes them."""

    def __init__(self, stdout: int, stderr: int) -> None:
        self._streams = (Stream("stdout", stdout), Stream("stderr", stderr))

    def begin(self, limit: int) -> Store:
        """From here on, lines belong to one activation."""
        store = Store(limit)
        for stream in self._streams:
            stream.drain()
            stream.ended = False
            stream.store = store
        return store

    async def end(self, patience: float) -> bool:
        """Collect until both sentinels; False if they have not come after `patience` seconds."""
        for stream in self._streams:
            stream.drain()
        if not all(stream.ended for stream in self._streams):
            with suppress(TimeoutError):
                async with asyncio.timeout(patience):
                    await self._await_both_ends()
        for stream in self._streams:
            if not stream.ended:
                stream.finish_line()
            stream.store = None
        return all(stream.ended for stream in self._streams)

    async def _await_both_ends(self) -> None:
        for stream in self._streams:
            while not stream.ended and stream.descriptor >= 0:
                stream.woken = asyncio.get_running_loop().create_future()
                await stream.woken

    def close(self) -> None:
        for stream in self._streams:
            stream.close()
