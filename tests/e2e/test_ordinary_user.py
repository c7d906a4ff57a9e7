"""What photos become, and what keeps attackers out, is for an ordinary user as for root: the tests of it as one."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fixtures.needs import need
from tests.fixtures.ordinary import run_as_ordinary_user

TIMEOUT = 600
# Whole files where the kernel is asked to keep somebody out, or Postgres and MinIO; of what the host answers, by name.
AGAIN = {
    "main job": ["tests/e2e/test_main_job.py", "-k", "whatever_its_key or no_image"],
    "kernel": ["tests/integration/test_confinement.py", "tests/integration/test_system_calls.py"],
    "containers": ["tests/integration/test_pool.py", "tests/integration/test_ends.py"],
    "deployment": [
        "tests/e2e/test_security.py",
        "tests/unit/test_ownership.py::test_what_others_may_change_or_read_is_refused",
    ],
    "credentials": ["tests/integration/test_database.py", "tests/integration/test_minio.py"],
    "host": [
        *(
            "tests/contract/host/test_rules.py",
            "tests/contract/host/test_actions.py",
            "tests/contract/host/test_web.py",
        ),
        *("-k", "key or fire_runs or namespace or protects or scripts or lead_here"),
    ],
}


@pytest.fixture
def home() -> Iterator[Path]:
    """An ordinary user's home, in which it may reach Python and the checkout."""
    if os.geteuid() != 0:
        pytest.skip("all tests of this run are an ordinary user's")
    made = Path(tempfile.mkdtemp(prefix="px-home-"))
    probe = run_as_ordinary_user([sys.executable, "-c", "import infra.paths"], made, os.environ, timeout=TIMEOUT)
    need(probe.returncode == 0, f"nobody can be given a view of Python and of this checkout: {probe.stderr}")
    yield made
    shutil.rmtree(made)


@pytest.mark.timeout(TIMEOUT)
@pytest.mark.parametrize("what", list(AGAIN))
def test_an_ordinary_user_is_served_and_defended_alike(home: Path, what: str) -> None:
    """From `up` on photos become rows; nothing that is refused to an action or a caller of root's deployment is granted
    to one of an ordinary user's.
    """
    tests = [
        sys.executable,
        "-P",
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        "--basetemp",
        str(home / "tmp"),
        *AGAIN[what],
    ]
    done = run_as_ordinary_user(tests, home, os.environ, timeout=TIMEOUT)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr
    assert " skipped" not in done.stdout or os.environ.get("CI") != "true"
