"""What holds of the sources as a whole, and no tool of `make check` looks at."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PRODUCT = sorted(path for folder in ("actions", "triggers", "infra") for path in (ROOT / folder).rglob("*.py"))


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", sorted((ROOT / "infra/runtime/proxy").glob("*.py")), ids=name_of)
def test_the_proxy_imports_only_the_standard_library(path: Path) -> None:
    """It runs in images that hold nothing else, and beside actions that bring whatever they like."""
    strange = {name for name in imports(path) if name.partition(".")[0] not in sys.stdlib_module_names}
    assert strange == set()


def imports(path: Path) -> Iterator[str]:
    """Modules named by absolute imports; those of a file's own package are relative."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


def test_no_file_has_section_banners() -> None:
    """A banner means two modules."""
    banner = re.compile(r"^\s*#\s*(?:[-=*#~]{3,}|.*[-=*#~]{3,}$)", re.MULTILINE)
    found = {name_of(path): match[0] for path in PRODUCT if (match := banner.search(path.read_text()))}
    assert found == {}
