"""Names of entities: which are legal, and how a qualified one (`/guest/package/action`) is read and written."""

from __future__ import annotations

import re
from dataclasses import dataclass

from infra.host.errors import NAME_ILLEGAL, NAME_MALFORMED, NAMESPACE_ILLEGAL, Refusal, malformed

# Java's `\w` is ASCII; so must ours be, or names would be accepted here that a real OpenWhisk refuses.
LEGAL = re.compile(r"\A(\w|\w[\w@ .&-]{0,254}[\w@.&-])\Z", re.ASCII)
# The namespace of the shared catalogue.
SYSTEM = "whisk.system"
LIMIT_NAME = 256


@dataclass(frozen=True, slots=True)
class Name:
    """Where an entity lives: `package` is empty in the default package, and for anything but actions."""

    namespace: str
    package: str
    name: str

    @property
    def path(self) -> str:
        """`guest/package`: what OpenWhisk calls the entity's namespace."""
        return f"{self.namespace}/{self.package}" if self.package else self.namespace

    def __str__(self) -> str:
        return f"{self.path}/{self.name}" if self.name else self.path


def check_name(name: str) -> str:
    """`name` if it is legal for an entity; else a 400 in OpenWhisk's words."""
    if len(name) > LIMIT_NAME:
        raise Refusal(400, f"Name segement longer than allowed: {len(name)} > {LIMIT_NAME}.")
    if not LEGAL.match(name):
        raise Refusal(400, NAME_ILLEGAL)
    return name


def check_namespace(name: str, own: str) -> str:
    """The namespace meant by `name`: `_` is the caller's own."""
    if name == "_":
        return own
    if len(name) > LIMIT_NAME or not LEGAL.match(name):
        raise Refusal(400, NAMESPACE_ILLEGAL)
    return name


def parse_name(text: object, own: str) -> Name:
    """Read `/guest/package/name`, `/_/name` or `guest/name`; `{"path", "name"}` is the shape rules are shown in."""
    if isinstance(text, dict):
        text = f"{text.get('path')}/{text.get('name')}"
    if not isinstance(text, str):
        raise malformed("fully qualified name malformed")
    parts = text.removeprefix("/").split("/")
    if len(parts) not in (2, 3):
        raise malformed(f"requirement failed: {NAME_MALFORMED}")
    package = check_name(parts[1]) if len(parts) == 3 else ""
    return Name(check_namespace(parts[0], own), package, check_name(parts[-1]))
