"""`pixwhisk bench --peers` as a user runs it. Nothing here says how fast anything is, or who loses what."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.fixtures.deployment import pixwhisk
from tests.fixtures.needs import need


@pytest.mark.timeout(400)
def test_everything_that_people_would_use_instead_is_measured_in_one_run(tmp_path: Path) -> None:
    """Each contender has its times, a rate and a count of what its killed workers lost; we lose nothing."""
    need(find_spec("celery") is not None, "Celery, RQ and Procrastinate are not installed: `make setup-bench`")
    written = tmp_path / "peers.json"
    done = pixwhisk("bench", "--peers", "--quick", "--json", "--output", str(written), timeout=360)
    found = json.loads(written.read_text())["peers"]
    by_name = {each["name"]: each for each in found["contenders"]}
    assert set(by_name) >= {"pixwhisk", "inline", "procrastinate"}
    assert len(by_name) + len(found["left_out"]) == 5
    for name, contender in by_name.items():
        assert 0 < contender["upload_to_row"]["p50"] <= contender["upload_to_row"]["p99"]
        assert contender["title"] in done.stdout
        if name != "inline":
            assert contender["burst_rows_a_second"] > 0
            assert 0 <= contender["missing_after_kill"] < found["plan"]["killed"]
    assert by_name["pixwhisk"]["missing_after_kill"] == 0
