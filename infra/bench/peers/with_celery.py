"""Celery on Redis: `celery -A infra.bench.peers.with_celery worker --concurrency 2` (prefork)."""

from __future__ import annotations

import os
from typing import Any

from celery import Celery
from celery.signals import worker_process_init

from infra.bench.peers import work

# Celery has a name of its own for a Redis behind a socket.
_BROKER = os.environ["PIXWHISK_BENCH_REDIS"].replace("unix://", "redis+socket://")
app = Celery("pixwhisk_bench", broker=_BROKER)
# A task is acknowledged once it is done, and no worker holds more than the one that it works at: what Celery's
# documentation advises for tasks that must survive their worker.
app.conf.update(
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
    task_ignore_result=True,
    worker_hijack_root_logger=False,
)


@worker_process_init.connect  # type: ignore[untyped-decorator]  # Celery publishes no types
def get_ready(**_said: object) -> None:
    """Each forked worker loads its own model."""
    work.get_ready()


@app.task  # type: ignore[untyped-decorator]
def classify_and_store(event: dict[str, Any]) -> None:
    """One event."""
    work.classify_and_store(event)


async def enqueue(event: dict[str, Any]) -> None:
    """Hand one event to the broker."""
    classify_and_store.delay(event)
