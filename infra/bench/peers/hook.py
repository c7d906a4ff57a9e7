"""What MinIO's webhook calls: one FastAPI application that hands each event to the task queue that is named.

`python -m infra.bench.peers.hook celery` takes its settings from the environment and prints the port it listens on.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module
from typing import Any

import uvicorn
from fastapi import FastAPI

from infra.services.minio import LOOPBACK


def application(peer: Any) -> FastAPI:
    """An event is acknowledged once the queue has it; a queue that does not take it is a 500, and MinIO's to repeat."""

    @asynccontextmanager
    async def opened(_: FastAPI) -> AsyncIterator[None]:
        if not hasattr(peer, "app") or not hasattr(peer.app, "open_async"):
            yield
            return
        async with peer.app.open_async():
            yield

    hook = FastAPI(lifespan=opened)

    @hook.post("/")  # type: ignore[untyped-decorator]  # types only once `make setup-bench` has run
    async def receive(event: dict[str, Any]) -> dict[str, str]:
        if event.get("Records"):
            await peer.enqueue(event)
        return {}

    @hook.head("/")  # type: ignore[untyped-decorator]
    async def answer() -> dict[str, str]:
        return {}

    return hook


def main(name: str) -> None:
    """Serve until ended."""
    peer = import_module(f"infra.bench.peers.with_{name}")
    with socket.create_server((LOOPBACK, 0), backlog=1024) as listening:
        print(listening.getsockname()[1], flush=True)
        uvicorn.Server(uvicorn.Config(application(peer), log_level="warning")).run(sockets=[listening])


if __name__ == "__main__":
    main(sys.argv[1])
