"""What holds of the sources as a whole, and no tool of `make check` looks at."""

from __future__ import annotations

import ast
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PRODUCT = sorted(path for folder in ("actions", "triggers", "infra") for path in (ROOT / folder).rglob("*.py"))
LIMIT_LINES = 400


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


def test_no_file_is_long() -> None:
    """A file that does not fit into a reader's head is two."""
    long = {name_of(path): lines for path in PRODUCT if (lines := len(path.read_text().splitlines())) > LIMIT_LINES}
    assert long == {}


def test_no_file_has_section_banners() -> None:
    """A banner means two modules."""
    banner = re.compile(r"^\s*#\s*(?:[-=*#~]{3,}|.*[-=*#~]{3,}$)", re.MULTILINE)
    found = {name_of(path): match[0] for path in PRODUCT if (match := banner.search(path.read_text()))}
    assert found == {}


def test_class_names_are_unique() -> None:
    """Of two in one traceback, or one search, each is told by its name alone."""
    places = defaultdict(list)
    for path in PRODUCT:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(name_of(path))
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


# These are verbs, what they do nothing with, or the logger's own word.
VERBS = {"bring", "_nothing", "warning", "embed", "_feed", "feed", "_feed_action", "_feed_differences"}
# Functions that ask something of an argument.
PREDICATES = {"asked_by_another_site"}
# What OpenWhisk's API refuses, by HTTP's words for it, as in `raise malformed(detail)`.
REFUSALS = {"malformed", "oversized", "unauthorized"}
# Its sources are part of a recipe: another name there is another model to build.
RECIPE = ROOT / "infra/model"


def test_participles_name_context_managers_alone() -> None:
    """`with holding(…)`; whatever else a function does has a verb for its name, unless it is listed above."""
    participles = {
        f"{name_of(path)}: {node.name}"
        for path in PRODUCT
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.strip("_").partition("_")[0].endswith(("ing", "ed"))
        and node.name not in VERBS | PREDICATES | REFUSALS
        and RECIPE not in path.parents
        and not is_context_manager(node)
        and not is_property(node)
    }
    assert participles == set()


def is_context_manager(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any("contextmanager" in ast.unparse(each) for each in node.decorator_list)


def is_property(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any(ast.unparse(each).endswith("property") for each in node.decorator_list)
