"""A post office for MinIO's hooks that loses, doubles and delays them: `python -m tests.e2e.faults.hooks --help`.

`PUT /mode` with a mode's name changes how it behaves from now on; `GET /score` says what it did.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from random import Random
from typing import Literal, get_args

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

# faithful: every hook goes on at once. lossy: by lot. hanging: accepted, never answered while it lasts. refusing: 503.
Mode = Literal["faithful", "lossy", "hanging", "refusing"]

SWALLOWED, REFUSED, DOUBLED, HELD, LATE = 0.10, 0.20, 0.30, 0.42, 0.54
LONGEST_HELD, LONGEST_LATE = 1.5, 8.0


@dataclass
class PostOffice:
    """One per process. What it will do with the nth hook depends on the seed alone."""

    client: httpx.AsyncClient
    random: Random
    mode: Mode = "faithful"
    score: Counter[str] = field(default_factory=Counter)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _underway: set[asyncio.Task[int]] = field(default_factory=set)

    async def take(self, request: Request) -> Response:
        """A hook."""
        self.score["hooks"] += 1
        letter = _Letter(request.url.path, await request.body(), request.headers.get("authorization", ""))
        match self.mode:
            case "faithful":
                return Response(status_code=await self._send(letter))
            case "refusing":
                self.score["refused"] += 1
                return Response(status_code=503)
            case "hanging":
                self.score["hung"] += 1
                await self._changed.wait()
                return Response(status_code=504)
            case "lossy":
                return Response(status_code=await self._gamble(letter))

    async def change(self, request: Request) -> Response:
        """`PUT /mode`: whoever hangs is let go."""
        wanted = (await request.body()).decode()
        self.mode = next(mode for mode in get_args(Mode) if mode == wanted)
        self._changed.set()
        self._changed = asyncio.Event()
        return Response(status_code=204)

    async def tell(self, _request: Request) -> Response:
        """`GET /score`; `underway` is how many letters are still to come."""
        return JSONResponse({**self.score, "mode": self.mode, "underway": len(self._underway)})

    async def _gamble(self, letter: _Letter) -> int:
        lot, delay = self.random.random(), self.random.random()
        if lot < SWALLOWED:
            self.score["dropped"] += 1
            return 202
        if lot < REFUSED:
            self.score["dropped"] += 1
            return 503
        if lot < DOUBLED:
            self.score["doubled"] += 1
            self._send_later(letter, delay * LONGEST_LATE)
        elif lot < HELD:
            self.score["held"] += 1
            await asyncio.sleep(delay * LONGEST_HELD)
        elif lot < LATE:
            self.score["late"] += 1
            self._send_later(letter, delay * LONGEST_LATE)
            return 202
        return await self._send(letter)

    def _send_later(self, letter: _Letter, delay: float) -> None:
        async def send() -> int:
            await asyncio.sleep(delay)
            return await self._send(letter)

        task = asyncio.create_task(send())
        self._underway.add(task)
        task.add_done_callback(self._underway.discard)

    async def _send(self, letter: _Letter) -> int:
        headers = {"Authorization": letter.authorization, "Content-Type": "application/json"}
        try:
            answer = await self.client.post(letter.path, content=letter.body, headers=headers)
        except httpx.TransportError:
            self.score["unreachable"] += 1
            return 502
        self.score[f"answered {answer.status_code}"] += 1
        return answer.status_code


@dataclass(frozen=True, slots=True)
class _Letter:
    path: str
    body: bytes
    authorization: str


def application(upstream: str, seed: str) -> Starlette:
    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        async with office.client:
            yield

    office = PostOffice(httpx.AsyncClient(base_url=upstream, timeout=60), Random(seed))
    routes = [
        Route("/mode", office.change, methods=["PUT"]),
        Route("/score", office.tell, methods=["GET"]),
        Route("/{path:path}", office.take, methods=["POST"]),
        # MinIO asks whether the endpoint is there.
        Route("/{path:path}", lambda _request: Response(), methods=["GET", "HEAD"]),
    ]
    return Starlette(routes=routes, lifespan=lifespan)


def main() -> None:
    parser = argparse.ArgumentParser(description="Pass MinIO's hooks on, or not.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--upstream", required=True, help="OpenWhisk's URL")
    parser.add_argument("--seed", required=True)
    given = parser.parse_args()
    uvicorn.run(application(given.upstream, given.seed), port=given.port, log_level="warning", backlog=2048)


if __name__ == "__main__":
    main()
