"""Whatever is done to a deployment while users upload, afterwards every object has its one right outcome."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.e2e.faults.chaos import Plan, Run, chaos
from tests.e2e.faults.conftest import Say
from tests.e2e.faults.form import LONG, MINUTES, seed
from tests.e2e.faults.gallery import Picture
from tests.e2e.faults.stage import staged


@pytest.mark.skipif(LONG, reason="the long form is run")
@pytest.mark.timeout(300)
def test_every_fault_once(pictures: Sequence[Picture], both_models: Sequence[Path], say: Say) -> None:
    """Within 60 s of the last fault the audit is clean, and nothing is missing, doubled or wrong, by either model."""
    name = seed()
    with staged(name, models=both_models) as stage:
        say(chaos(stage, name, Plan(pause=(0.2, 1.0), spell=(0.5, 1.5)), pictures, Run.every_fault).score())


@pytest.mark.skipif(not LONG, reason="`make chaos` runs it")
@pytest.mark.timeout(MINUTES * 60 + 600)
def test_faults_for_minutes(pictures: Sequence[Picture], both_models: Sequence[Path], say: Say) -> None:
    """The same for as long as one likes, with faults on top of each other."""
    name = seed()
    say(f"seed {name}, {MINUTES:g} minutes")
    with staged(name, models=both_models) as stage:
        say(chaos(stage, name, Plan(), pictures, lambda run: run.faults_for(MINUTES * 60)).score())
