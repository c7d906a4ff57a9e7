"""`pixwhisk audit --every`: one audit after the other, each a process of its own, so that nothing is held meanwhile."""

from __future__ import annotations

import signal
import subprocess
import threading
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from infra import paths
from infra.errors import Exit

if TYPE_CHECKING:
    from infra.deployment.record import Deployment

# When an audit could not look, or the database does not say when the last one was.
PAUSE_AWAY = timedelta(seconds=60)
# How long an audit may go on after it was told to end.
SECONDS_END = 10


def watch(deployment: Deployment, bucket: str, every: timedelta, arguments: Sequence[str], *, at_once: bool) -> None:
    """Returns at Ctrl-C or SIGTERM. The first audit is due `every` after the last that looked at everything; where
    there was none, now, or without `at_once` as late.
    """
    stop = threading.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, lambda *_: stop.set())
    pause = _read_pause(deployment, bucket, every, at_once=at_once)
    while not stop.wait(pause.total_seconds()):
        looked = _run([*paths.module_command("infra.cli"), "audit", *arguments], stop) in (Exit.OK, Exit.FAILED)
        pause = every if looked else min(every, PAUSE_AWAY)


def _read_pause(deployment: Deployment, bucket: str, every: timedelta, *, at_once: bool) -> timedelta:
    import psycopg

    from infra.audit.records import read_standing
    from infra.database.queries import connect

    try:
        with connect(deployment.database_url) as connection:
            last = read_standing(connection, bucket).last
    except psycopg.Error:
        return min(every, PAUSE_AWAY)
    if last is None:
        return timedelta(0) if at_once else every
    return max(every - last.ago, timedelta(0))


def _run(command: Sequence[str], stop: threading.Event) -> int:
    """One audit to its end, or to `stop`."""
    process = subprocess.Popen(command)
    while not stop.is_set():
        try:
            return process.wait(timeout=1)
        except subprocess.TimeoutExpired:
            continue
    process.terminate()
    try:
        return process.wait(timeout=SECONDS_END)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()
