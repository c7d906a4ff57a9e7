"""The npm package `openwhisk`, driven by the program in `clients/node`, finds the OpenWhisk it knows."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra import paths
from tests.fixtures.needs import need
from tests.fixtures.whisk import Whisk, expect_difference

PROGRAM = Path(__file__).parent / "clients" / "node"


@pytest.fixture(scope="session")
def node_modules() -> Path:
    """What the lock file names, installed once per lock file: the checkout stays as it is."""
    need(shutil.which("node") and shutil.which("npm"), "node and npm are needed: install Node.js 20 or later")
    lock = (PROGRAM / "package-lock.json").read_bytes()
    directory = paths.cache() / "npm" / hashlib.sha256(lock).hexdigest()[:16]
    if not (directory / "complete").exists():
        directory.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(PROGRAM / name, directory)
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        subprocess.run(command, cwd=directory, check=True, capture_output=True, timeout=150)
        (directory / "complete").touch()
    return directory / "node_modules"


@pytest.fixture
def program(node_modules: Path, tmp_path: Path) -> Path:
    """The program beside its packages, as Node looks for them."""
    copied = Path(shutil.copytree(PROGRAM, tmp_path / "program"))
    (copied / "node_modules").symlink_to(node_modules)
    return copied / "run.mjs"


# A real OpenWhisk grants sixty calls a minute, and the program waits for the next one.
@pytest.mark.timeout(900)
def test_npm_client(whisk: Whisk, program: Path, subtests: pytest.Subtests) -> None:
    """Every check of the program passes."""
    reports = list(_run(whisk, program))
    assert reports, "the program ran no check"
    for report in reports:
        with subtests.test(report["name"]):
            expect_difference(whisk, report["name"], None if report["ok"] else report["detail"])


def _run(whisk: Whisk, program: Path) -> Iterator[dict[str, str]]:
    """Its lines, and one more where it ended before its end."""
    # Through a proxy of the developer's the client would not find a host on loopback.
    environment = {name: value for name, value in whisk.environment.items() if not name.lower().endswith("_proxy")}
    command = ["node", str(program)]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=880, check=False)
    yield from (json.loads(line) for line in ended.stdout.splitlines())
    if ended.returncode not in (0, 1) or ended.stderr:
        yield {"name": "the program itself", "ok": "", "detail": ended.stderr or f"exited {ended.returncode}"}
