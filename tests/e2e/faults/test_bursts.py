"""Bursts go by batch: with OpenWhisk's own quotas, and as fast as the machine can without."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence

import pytest

from tests.e2e.faults.chaos import Plan, Run, explained, judged
from tests.e2e.faults.conftest import Say
from tests.e2e.faults.form import LONG, seed
from tests.e2e.faults.gallery import Picture
from tests.e2e.faults.stage import DEFAULT_QUOTAS, staged
from tests.e2e.faults.uploads import PlainUser

THREADS = 4
# OpenWhisk's own, but for invocations: those may be used up for the rest of a minute, which is long for a short test.
QUOTAS_SHORT = {"PIXWHISK_QUOTA_FIRES": "60", "PIXWHISK_QUOTA_CONCURRENT": "30"}
# What is promised of a burst under the default quotas.
SECONDS_UNDER_QUOTAS = 180.0


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("settings", "uploads"),
    [
        pytest.param(DEFAULT_QUOTAS if LONG else QUOTAS_SHORT, 3000 if LONG else 200, id="under-quotas"),
        pytest.param({}, 1000, id="without-quotas", marks=pytest.mark.skipif(not LONG, reason="`make chaos` runs it")),
    ],
)
def test_a_burst(pictures: Sequence[Picture], settings: Mapping[str, str], uploads: int, say: Say) -> None:
    """Every upload is a row within three minutes, though most of its hooks are refused."""
    name = seed()
    with staged(name, directly=True, settings=settings) as stage:
        run = Run(stage, name, Plan(users=THREADS))
        with explained(run):
            began = time.time()
            uploaded = upload(run, pictures, uploads)
            run.settle(within=SECONDS_UNDER_QUOTAS)
            judged(run)
        (row,) = stage.deployment.query("SELECT extract(epoch FROM max(stored_at)) AS last FROM results")
        seconds = float(row["last"]) - began
        say(
            f"{run.score()}\nburst of {uploads} uploaded in {uploaded:.1f} s, all rows after {seconds:.1f} s:"
            f" {uploads / seconds:.0f} rows/s"
        )


def upload(run: Run, pictures: Sequence[Picture], count: int) -> float:
    """`count` new keys, as fast as four threads can; how long it took, in s."""
    users = [user for user in run.users(pictures) if isinstance(user, PlainUser)]
    began = time.monotonic()
    threads = [
        threading.Thread(target=lambda each=user: [each.put() for _ in range(count // len(users))]) for user in users
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.monotonic() - began
