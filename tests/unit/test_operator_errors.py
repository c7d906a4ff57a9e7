"""Errors that end a command: one tree, drawn where it is defined."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import infra.errors
from infra.errors import Exit, Misconfigured, OperatorError, ServiceAway
from infra.openwhisk.client import Unreachable, WhiskError

INFRA = Path(infra.errors.__file__).parent
ROOTS = {"OperatorError", "Misconfigured", "ServiceAway"}


def test_the_drawing_has_every_class_once() -> None:
    """What derives from the tree's classes directly is in its picture, and nothing else is."""
    derived = {
        node.name
        for path in INFRA.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef) and ROOTS & {base.id for base in node.bases if isinstance(base, ast.Name)}
    }
    drawing = re.findall(r"^[ │├└─]*((?:[A-Z]\w+(?:, )?)+)", infra.errors.__doc__ or "", re.MULTILINE)
    drawn = [name for line in drawing[1:] for name in line.rstrip(", ").split(", ")]
    assert {name for name in drawn if name in derived | ROOTS} == derived | ROOTS
    assert len(drawn) == len(set(drawn))


def test_each_class_has_its_exit_code() -> None:
    """One of two kinds takes that of the more telling one."""
    assert (OperatorError.exit_code, Misconfigured.exit_code, ServiceAway.exit_code) == (1, 2, 3)
    assert (WhiskError.exit_code, Unreachable.exit_code) == (Exit.FAILED, Exit.UNREACHABLE)
