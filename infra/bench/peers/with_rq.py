"""RQ on Redis: `rq worker --worker-class rq.worker.SimpleWorker`, twice. A simple worker forks for no job."""

from __future__ import annotations

import os
from typing import Any

from redis import Redis
from rq import Queue, Retry

from infra.bench.peers import work

_queue = Queue("pixwhisk_bench", connection=Redis.from_url(os.environ["PIXWHISK_BENCH_REDIS"]))

if "PIXWHISK_BENCH_WORKER" in os.environ:
    work.get_ready()


def classify_and_store(event: dict[str, Any]) -> None:
    """One event."""
    work.classify_and_store(event)


async def enqueue(event: dict[str, Any]) -> None:
    """Hand one event to Redis."""
    _queue.enqueue(classify_and_store, event, retry=Retry(max=3), result_ttl=0)
