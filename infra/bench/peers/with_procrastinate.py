"""Procrastinate in a schema of its own in the deployment's Postgres: `procrastinate worker`, twice."""

from __future__ import annotations

import os
from typing import Any

from procrastinate import App, PsycopgConnector

from infra.bench.peers import work

app = App(
    connector=PsycopgConnector(
        conninfo=os.environ["PIXWHISK_BENCH_QUEUE"],
        kwargs={"options": f"-c search_path={os.environ['PIXWHISK_BENCH_SCHEMA']}"},
    )
)

if "PIXWHISK_BENCH_WORKER" in os.environ:
    work.get_ready()


@app.task(retry=3)  # type: ignore[untyped-decorator]  # types only once `make setup-bench` has run
def classify_and_store(event: dict[str, Any]) -> None:
    """One event."""
    work.classify_and_store(event)


async def enqueue(event: dict[str, Any]) -> None:
    """Hand one event to Postgres."""
    await classify_and_store.defer_async(event=event)
