"""Reading the `exec` of an action: code of a known kind, an image, or a sequence of what exists."""

from __future__ import annotations

import string
from collections.abc import Mapping
from typing import Any

from infra.host.containers.kinds import Runtimes, UnknownKind
from infra.host.entities.models import Action, Exec, Package
from infra.host.entities.registry import Registry
from infra.host.entities.resolution import package_of, within
from infra.host.errors import (
    SEQUENCE_COMPONENT_MISSING,
    SEQUENCE_CYCLIC,
    SEQUENCE_EMPTY,
    SEQUENCE_TOO_LONG,
    Refusal,
    malformed,
    too_large,
)
from infra.host.json_bodies import dump, expect_object
from infra.host.names import Name, parse_name

LIMIT_CODE_BYTES = 48 * 2**20
LIMIT_COMPONENTS = 50
BASE64 = (string.ascii_letters + string.digits + "+/").encode()


def parse_exec(raw: object, runtimes: Runtimes, own: str) -> Exec:
    """The exec as it is kept: kind resolved, components qualified, and binary code recognised."""
    given: Mapping[str, Any] = expect_object(raw)
    kind = given.get("kind")
    if not isinstance(kind, str):
        raise malformed("'kind' must be a string defined in 'exec'")
    if kind == "sequence":
        return Exec(kind, components=tuple(parse_name(component, own) for component in _components(given)))
    main = given.get("main")
    if main is not None and not isinstance(main, str):
        raise malformed(f"if defined, 'main' be a string in 'exec' for '{kind}' actions")
    code = _code(given, kind)
    binary = code is not None and is_binary(code)
    if kind == "blackbox":
        return Exec(kind, code, main, binary, image=_image(given))
    try:
        resolved = runtimes.resolve(kind)
    except UnknownKind as unknown:
        raise malformed(str(unknown)) from None
    if code is None:
        raise malformed(f"'code' must be a string or attachment object defined in 'exec' for '{kind}' actions")
    return Exec(resolved, code, main, binary)


def is_binary(code: str) -> bool:
    """OpenWhisk's test for a base64 archive: any text that could be base64 counts, `test` included.

    A stricter one would be wrong: an action that is binary there must not be text here.
    """
    trimmed = code.strip()
    if not trimmed or len(trimmed) % 4 or not trimmed.isascii():
        return False
    body = trimmed[:-2] + trimmed[-2:].rstrip("=")
    return not body.encode().translate(None, BASE64)


def _code(given: Mapping[str, Any], kind: str) -> str | None:
    code = given.get("code")
    if code is None or (kind == "blackbox" and code == ""):
        return None
    if not isinstance(code, str):
        raise malformed(f"Could not deserialize as attachment record: {dump(code).decode()[:256]}")
    # Only what comes near the limit is measured exactly: encoding 48 MB costs.
    size = len(code) if code.isascii() else len(code.encode(errors="replace"))
    if size > LIMIT_CODE_BYTES:
        raise too_large("exec", size, LIMIT_CODE_BYTES)
    return code


def _image(given: Mapping[str, Any]) -> str:
    image = given.get("image")
    if not isinstance(image, str) or not image:
        raise malformed("'image' must be a string defined in 'exec' for 'blackbox' actions")
    return image


def _components(given: Mapping[str, Any]) -> list[Any]:
    named = given.get("components")
    if named is None:
        raise malformed("'components' must be defined for sequence kind")
    if not isinstance(named, list):
        raise malformed("'components' must be an array")
    return named


def check_components(exec_: Exec, name: Name, registry: Registry) -> None:
    """Every component must exist; the sequence must not reach itself, nor hold more than 50 actions all told."""
    if not exec_.components:
        raise Refusal(400, SEQUENCE_EMPTY)
    if _atomic_count(exec_, name, registry) > LIMIT_COMPONENTS:
        raise Refusal(400, SEQUENCE_TOO_LONG)


def _atomic_count(exec_: Exec, name: Name, registry: Registry) -> int:
    count = 0
    waiting = list(exec_.components)
    while waiting and count <= LIMIT_COMPONENTS:
        found = follow(waiting.pop(), registry)
        if found == name:
            raise Refusal(400, SEQUENCE_CYCLIC)
        action = registry.find(Action, found)
        if action is None:
            raise Refusal(400, SEQUENCE_COMPONENT_MISSING)
        waiting += action.exec.components
        count += not action.exec.components
    return count


def follow(name: Name, registry: Registry) -> Name:
    """The action's own name, where `name` reaches it through a binding."""
    package = registry.find(Package, package_of(name)) if name.package else None
    return within(package.binding, name.name) if package and package.binding else name
