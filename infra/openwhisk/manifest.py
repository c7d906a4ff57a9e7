"""`manifest.yaml` → the entities it wants: pure, given the file, its variables and the actions' zips."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any

import yaml

from infra.errors import Misconfigured

PATH = Path(__file__).parents[1] / "manifest.yaml"

Parameters = Sequence[Mapping[str, Any]]


class BadManifest(Misconfigured):
    """The manifest cannot be deployed as it is; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class WantedRuntime:
    """What actions run in: the manifest's own image, another `image`, or a `kind` the operator declared."""

    image: str | None = None
    kind: str | None = None

    def execution(self, manifest_image: str, code: str) -> dict[str, Any]:
        """An action's `exec`, its code a base64 zip."""
        if self.kind:
            return {"kind": self.kind, "code": code, "binary": True, "main": "main"}
        image = self.image or manifest_image
        return {"kind": "blackbox", "image": image, "code": code, "binary": True, "main": "main"}


@dataclass(frozen=True, slots=True)
class WantedEntity:
    """One entity as it should be. `body` is what is PUT; `unset` are the inputs that were left out of it, for their
    variables are not set.
    """

    collection: str
    name: str
    body: Mapping[str, Any] = field(repr=False)
    unset: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class WantedFeed:
    """A trigger's subscription through a feed action."""

    trigger: str
    action: str
    inputs: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Everything a manifest wants, in the order in which it can be made."""

    package: str
    entities: Sequence[WantedEntity]
    feeds: Sequence[WantedFeed]


def read(path: Path = PATH) -> Mapping[str, Any]:
    """The manifest's only package, by name."""
    packages: Mapping[str, Any] = yaml.safe_load(path.read_text())["packages"]
    return packages


def image(path: Path = PATH) -> str:
    """The runtime image of the manifest's actions, with its tag: one for all."""
    ((_, described),) = read(path).items()
    (named,) = {action["docker"] for action in described["actions"].values()}
    return str(named)


def read_wanted(
    packages: Mapping[str, Any],
    namespace: str,
    variables: Mapping[str, str],
    zip_of: Callable[[str], bytes],
    runtime: WantedRuntime,
) -> Wanted:
    """What a manifest wants in `namespace`. `zip_of` gives a zip by its name, which several actions may share.

    Raises `BadManifest`.
    """
    ((package, described),) = packages.items()
    missing: list[str] = []
    inputs = _Inputs(variables, missing)
    entities = [WantedEntity("packages", package, {"annotations": [], "parameters": []})]
    entities += [
        WantedEntity(
            "actions",
            f"{package}/{name}",
            _action(action, inputs, zip_of(PurePath(action["function"]).stem), runtime),
            inputs.unset(action.get("inputs", {})),
        )
        for name, action in described.get("actions", {}).items()
    ]
    entities += [
        WantedEntity("actions", f"{package}/{name}", _sequence(sequence, f"/{namespace}/{package}"))
        for name, sequence in described.get("sequences", {}).items()
    ]
    triggers = described.get("triggers", {})
    entities += [WantedEntity("triggers", name, _trigger(each, inputs, namespace)) for name, each in triggers.items()]
    rules = described.get("rules", {})
    entities += [WantedEntity("rules", name, _rule(each, namespace, package)) for name, each in rules.items()]
    feeds = [
        WantedFeed(name, trigger["feed"], inputs.values(trigger.get("inputs", {})))
        for name, trigger in triggers.items()
        if "feed" in trigger
    ]
    if missing:
        raise BadManifest(f"not set: {', '.join(dict.fromkeys(missing))}; see `pixwhisk deploy --help`")
    return Wanted(package, entities, feeds)


@dataclass(frozen=True, slots=True)
class _Inputs:
    """Resolves inputs, noting the variables that should be set and are not."""

    variables: Mapping[str, str]
    missing: list[str]

    def values(self, described: Mapping[str, Any]) -> dict[str, Any]:
        """Values by name; an input whose variable is unset or empty is left out."""
        resolved = {name: self._value(each) for name, each in described.items()}
        return {name: value for name, value in resolved.items() if value not in (None, "")}

    def unset(self, described: Mapping[str, Any]) -> frozenset[str]:
        """Names of the inputs that are left out."""
        return frozenset(described.keys() - self.values(described).keys())

    def parameters(self, described: Mapping[str, Any]) -> Parameters:
        """As OpenWhisk binds them. Names in capitals are settings: environment at `/init`, and not to be overridden."""
        return [
            {"key": name, "value": value} | ({"init": True, "final": True} if name.isupper() else {})
            for name, value in sorted(self.values(described).items())
        ]

    def _value(self, described: Any) -> Any:
        value = described.get("value") if isinstance(described, Mapping) else described
        if isinstance(value, str) and value.startswith("$"):
            name, value = value[1:], self.variables.get(value[1:])
            if not value and isinstance(described, Mapping):
                value = described.get("default")
                if described.get("required"):
                    self.missing.append(name)
        return value


def _action(described: Mapping[str, Any], inputs: _Inputs, zipped: bytes, runtime: WantedRuntime) -> dict[str, Any]:
    limits = described.get("limits", {})
    annotations = dict(described.get("annotations", {}))
    if described.get("web"):
        annotations |= {"web-export": True, "raw-http": False, "final": True}
    return {
        "exec": runtime.execution(described["docker"], base64.b64encode(zipped).decode()),
        "annotations": key_values(annotations),
        "parameters": inputs.parameters(described.get("inputs", {})),
        "limits": {
            name: limits[key]
            for key, name in (("memorySize", "memory"), ("timeout", "timeout"), ("logSize", "logs"))
            if key in limits
        },
    }


def _sequence(described: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    names = [name.strip() for name in described["actions"].split(",")]
    components = [name if name.startswith("/") else f"{prefix}/{name}" for name in names]
    return {
        "exec": {"kind": "sequence", "components": components},
        "annotations": key_values(described.get("annotations", {})),
    }


def _trigger(described: Mapping[str, Any], inputs: _Inputs, namespace: str) -> dict[str, Any]:
    annotations = dict(described.get("annotations", {}))
    if feed := described.get("feed"):
        # As `wsk` and wskdeploy do: the feed gets the inputs, the trigger itself has no parameters.
        return {"annotations": key_values(annotations | {"feed": f"/{namespace}/{feed}"}), "parameters": []}
    return {"annotations": key_values(annotations), "parameters": inputs.parameters(described.get("inputs", {}))}


def _rule(described: Mapping[str, Any], namespace: str, package: str) -> dict[str, Any]:
    action = described["action"]
    path = action if "/" in action else f"{package}/{action}"
    return {"trigger": f"/{namespace}/{described['trigger']}", "action": f"/{namespace}/{path}"}


def key_values(mapping: Mapping[str, Any]) -> list[dict[str, Any]]:
    """OpenWhisk's way of writing a mapping."""
    return [{"key": key, "value": value} for key, value in sorted(mapping.items())]


def digest(code: str) -> str:
    """A short name for a base64 zip, for people."""
    return "sha256:" + hashlib.sha256(base64.b64decode(code)).hexdigest()[:12]
