"""What `uv tool install .` and `pipx install .` get, which is not the checkout."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path, PurePath
from typing import Any

from infra.openwhisk import manifest

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


def test_the_version_is_one_everywhere() -> None:
    """In the package, the manifest and its image, what the embedded host says of itself, and the changelog."""
    version = PROJECT["project"]["version"]
    ((_, package),) = manifest.read().items()
    assert (package["version"], manifest.image()) == (version, f"pixwhisk/runtime:{version}")
    assert f'"buildno": "{version}"' in (ROOT / "infra/host/api/info.py").read_text()
    released = re.findall(r"^## \[(\d[\d.]*)\] - \d{4}-\d\d-\d\d$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert released[0] == version
