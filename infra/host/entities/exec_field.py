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
from infra.host.json_bodies import expect
from infra.host.names import Name, parse_name

LIMIT_CODE_BYTES = 48 * 2**20
LIMIT_COMPONENTS = 50
BASE64 = (string.ascii_letters + string.digits + "+/").encode()


def parse_exec(raw: object, runtimes: Runtimes, own: str) -> Exec:
    """The exec as it is kept: kind resolved, components qualified, and binary code recognised."""
    given: Mapping[str, Any] = expect(raw, dict, "exec")
    kind = expect(given.get("kind"), str, "exec.kind")
    if kind == "sequence":
        named = expect(given.get("components", []), list, "exec.components")
        return Exec(kind, components=tuple(parse_name(component, own) for component in named))
    code = _code(given, kind)
    main = _optional_text(given, "main")
    binary = code is not None and is_binary(code)
    if kind == "blackbox":
        return Exec(kind, code, main, binary, image=_image(given))
    try:
        resolved = runtimes.resolve(kind)
    except UnknownKind as unknown:
        raise Refusal(400, str(unknown)) from None
    if code is None:
        raise malformed(f"'code' must be a string or attachment object defined in 'exec' for '{resolved}' actions")
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
    code = _optional_text(given, "code")
    if code is None or (kind == "blackbox" and not code):
        return None
    # Only what comes near the limit is measured exactly: encoding 48 MB costs.
    size = len(code) if code.isascii() else len(code.encode(errors="replace"))
    if size > LIMIT_CODE_BYTES:
        raise too_large("exec", size, LIMIT_CODE_BYTES)
    return code


def _image(given: Mapping[str, Any]) -> str:
    image = _optional_text(given, "image")
    if not image:
        raise malformed("'image' must be a string defined in 'exec' for 'blackbox' actions")
    return image


def _optional_text(given: Mapping[str, Any], name: str) -> str | None:
    value = given.get(name)
    return None if value is None else str(expect(value, str, f"exec.{name}"))


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
