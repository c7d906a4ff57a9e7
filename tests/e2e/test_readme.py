"""README, typed as it stands in a fresh clone: every block of commands, in order, and what is shown of their output."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra import paths
from infra.services.postgres import programs
from tests.fixtures.deployment import free_ports

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
# Blocks of commands say that they are, what they print follows without a word.
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
MARK = "=== block"


@pytest.fixture(scope="module")
def clone() -> Iterator[Path]:
    """What git would clone if all that is here were committed; the name is short, for sockets lie below it."""
    made = Path(tempfile.mkdtemp(prefix="px-"))
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.run(listed, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")[:-1]:
        if (ROOT / name).is_file():
            (made / "clone" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, made / "clone" / name)
    yield made / "clone"
    down = [str(made / "clone/.venv/bin/pixwhisk"), "down", "--data", str(made / "clone/.pixwhisk")]
    subprocess.run(down, check=False)
    shutil.rmtree(made)


def environment(home: Path) -> dict[str, str]:
    """A new user's, but for caches: what is built and downloaded once for all."""
    found = home / "programs"
    found.mkdir(parents=True)
    for name in ("aws", "wsk"):
        if not shutil.which(name):
            (found / name).write_text(f'#!/bin/sh\nexec {sys.executable} {ROOT}/tests/e2e/programs/{name} "$@"\n')
            (found / name).chmod(0o755)
    if not shutil.which("psql"):
        (found / "psql").symlink_to(programs() / "psql")
    caches = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    kept = {name: value for name, value in os.environ.items() if name in ("LANG", "TMPDIR") or "_proxy" in name.lower()}
    kept |= {name: value for name, value in os.environ.items() if name.startswith(("UV_", "PIP_", "SSL_"))}
    return {
        "UV_CACHE_DIR": str(caches / "uv"),
        **kept,
        "HOME": str(home),
        "PIXWHISK_CACHE": str(paths.cache()),
        "PATH": f"{found}:{os.environ['PATH']}",
        "PAGER": "cat",
    }


def script() -> str:
    """All blocks for one shell, each announced. What would run this very test is left out; ports are free ones."""
    ports = "--api-port {} --s3-port {}".format(*free_ports(2))
    typed = [f"echo '{MARK}' {number}\n{block}" for number, (kind, block) in enumerate(BLOCKS) if kind == "sh"]
    text = "\n".join(["set -e -o pipefail", *typed])
    text = re.sub(r"^make test .*\n", "", text, flags=re.MULTILINE)
    return text.replace("pixwhisk up --detach", f"pixwhisk up --detach {ports}")


@pytest.mark.timeout(900)
def test_every_block_works_as_it_stands(clone: Path) -> None:
    """In one shell, from `make demo` to the last; each prints what the block behind it shows."""
    done = subprocess.run(
        ["bash", "-c", script()],
        cwd=clone, env=environment(clone.parent / "home"), capture_output=True, text=True, timeout=800, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    printed = dict(re.findall(rf"^{MARK} (\d+)\n(.*?)(?=^{MARK}|\Z)", done.stdout, re.DOTALL | re.MULTILINE))
    for number, (kind, block) in enumerate(BLOCKS):
        typed = [before for before in range(number) if BLOCKS[before][0] == "sh"]
        # The first is a drawing, the last names services of somebody's own.
        if not kind and typed and "…" not in block:
            assert [line for line in alike(block) if line not in alike(printed[str(typed[-1])])] == []
    assert "look at it" not in done.stdout
    assert (clone / "labels.csv").read_text().count("\n") == 4


def alike(text: str) -> list[str]:
    """Lines without what differs from run to run: times and ports."""
    lines = re.sub(r"\d+\.\d ms|127\.0\.0\.1:\d+", "#", text).splitlines()
    return [" ".join(line.split()) for line in lines if line.strip() and "All of it as a page" not in line]
