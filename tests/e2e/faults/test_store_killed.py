"""What MinIO has acknowledged before it was killed, it has also told."""

from __future__ import annotations

from collections.abc import Sequence

import psutil
import pytest

from tests.e2e.faults.chaos import Plan, Run, explained, judged
from tests.e2e.faults.conftest import Say
from tests.e2e.faults.form import LONG, seed
from tests.e2e.faults.gallery import Picture
from tests.e2e.faults.stage import staged
from tests.e2e.faults.uploads import uploading
from tests.fixtures.deployment import eventually

KILLS = 10 if LONG else 3
BETWEEN_KILLS = 40


@pytest.mark.timeout(600)
def test_kill_9_under_four_uploading_threads(pictures: Sequence[Picture], say: Say) -> None:
    """Every acknowledged operation has its row afterwards, without an audit."""
    name = seed()
    with staged(name) as stage:
        run = Run(stage, name, Plan(users=4, pace=50))
        with explained(run):
            with uploading(run.users(pictures)):
                for _ in range(KILLS):
                    kill_store_at_work(run)
            run.heal()
            run.settle(within=180)
            judged(run, excusing_doubts=True)
        say(run.score())


def kill_store_at_work(run: Run) -> None:
    """Once it has acknowledged some more operations."""
    before = run.truth.acknowledged()
    eventually(lambda: run.truth.acknowledged() >= before + BETWEEN_KILLS, "more operations", within=60)
    store: psutil.Process = eventually(lambda: run.stage.deployment.service("minio"), "MinIO")
    run.faults["kill -9 minio"] += 1
    store.kill()
