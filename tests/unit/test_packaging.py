"""What `uv tool install .` and `pipx install .` get, which is not the checkout."""

from __future__ import annotations

import subprocess
import tomllib
from pathlib import Path, PurePath
from typing import Any

ROOT = Path(__file__).parents[2]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
# Of use in a checkout only: what makes the next migration, and what makes the image.
LEFT_OUT = {"actions/store/migrations/script.py.mako"}


def members(group: str) -> set[str]:
    """A dependency group with those that it includes."""
    found: set[str] = set()
    for each in PROJECT["dependency-groups"][group]:
        found |= members(each["include-group"]) if isinstance(each, dict) else {each}
    return found


def test_the_embedded_actions_find_what_they_import() -> None:
    """Whatever is in the runtime image is installed with the program as well."""
    assert members("runtime") <= set(PROJECT["project"]["dependencies"])


def test_every_file_that_is_read_is_installed() -> None:
    """Beside the modules, of what git knows: each is named as data of its package."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "actions", "triggers", "infra"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    ).stdout.splitlines()  # fmt: skip
    data = PROJECT["tool"]["setuptools"]["package-data"]
    patterns = [f"{package.replace('.', '/')}/{name}" for package, names in data.items() for name in names]
    missing = [
        path
        for path in listed
        if not path.endswith(".py") and not any(PurePath(path).match(pattern) for pattern in patterns)
    ]
    assert set(missing) <= LEFT_OUT
