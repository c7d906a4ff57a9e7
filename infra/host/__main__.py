"""`python -m infra.host`: the embedded OpenWhisk as a process."""

from __future__ import annotations

import logging
import os
import resource
import signal
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

import uvloop

from actions.malloc import keep_memory
from infra.files import try_lock
from infra.host.api.routes import application
from infra.host.api.server import listen, server
from infra.host.assembly import assemble
from infra.host.containers.kinds import local_runtimes
from infra.host.containers.pool import PoolSettings, open_pool
from infra.host.settings import BadHostSettings, HostSettings, from_arguments
from infra.logs import EventLogger, start_logging
from infra.orphans import adopt_orphans

USAGE, UNREACHABLE = 2, 3
LIMIT_DESCRIPTORS = 8192
# One that was told to end, because its `up` was killed, has closed its port and finishes what it had begun.
TIMEOUT_LOCK, PAUSE_LOCK = 6.0, 0.05

log = EventLogger("infra.host")


def main(arguments: Sequence[str], environ: Mapping[str, str] = os.environ) -> int:
    """Serve until SIGTERM or SIGINT; then 0."""
    start_logging(environ)
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    try:
        settings = from_arguments(arguments, environ)
        lock = _hold(settings.data)
    except BadHostSettings as bad:
        return _fail(str(bad), USAGE)
    except OSError as error:
        return _fail(f"{error.filename}: {error.strerror}", USAGE)
    try:
        listening = listen(settings)
    except OSError as error:
        words = f"cannot listen on {settings.host}:{settings.port}: {error.strerror}; choose another --port"
        return _fail(words, UNREACHABLE)
    # uvicorn hands each signal on once it has stopped; here that must not turn a clean stop into a death by signal.
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, lambda *_: None)
    _raise_descriptors()
    keep_memory()
    adopt_orphans()
    with lock, listening:
        uvloop.run(_serve(settings, listening))
    return 0


async def _serve(settings: HostSettings, listening: socket.socket) -> None:
    scheme = "https" if settings.tls_certificate else "http"
    address = f"{scheme}://{settings.host}:{listening.getsockname()[1]}"
    runtimes = local_runtimes({**settings.container_environment, "__OW_API_HOST": address}, settings.readable)
    host = assemble(settings, open_pool(PoolSettings(runtimes, **settings.pool)), runtimes)
    log.info("host-starting", address=address, settings=repr(settings))
    # For whoever started us on port 0; connections are taken from now on, and answered once all is loaded.
    print(address, flush=True)
    await server(host, application(host)).serve(sockets=[listening])


def _raise_descriptors() -> None:
    """The usual soft limit of 1024 open files would end before the bound on connections does."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = LIMIT_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, LIMIT_DESCRIPTORS)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _hold(data: Path) -> IO[str]:
    """Keep the directory to this process as long as the file is open."""
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = (data / "lock").open("a+", encoding="ascii")
    deadline = time.monotonic() + TIMEOUT_LOCK
    while not try_lock(lock.fileno()):
        if time.monotonic() > deadline:
            lock.close()
            raise BadHostSettings(f"{data} is in use by another host: stop it, or choose another --data")
        time.sleep(PAUSE_LOCK)
    return lock


def _fail(message: str, code: int) -> int:
    print(message, file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
