"""The entities of OpenWhisk as frozen dataclasses; `dump` is the API's JSON, and what `load` reads back from disk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from infra.host.calls import ActionLimits
from infra.host.entities.limits import dump_limits, parse_limits
from infra.host.entities.parameters import Parameters, dump_parameters, parse_parameters
from infra.host.names import Name, parse_name

Collection = Literal["actions", "packages", "triggers", "rules"]
RuleStatus = Literal["active", "inactive"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entity:
    """What all have in common. `updated` is in ms since the epoch."""

    collection: ClassVar[Collection]
    name: Name
    version: str = "0.0.1"
    publish: bool = False
    annotations: Parameters = ()
    parameters: Parameters = ()
    updated: int = 0

    def summary(self) -> dict[str, Any]:
        """The entity as lists show it."""
        return {
            "namespace": self.name.path,
            "name": self.name.name,
            "version": self.version,
            "publish": self.publish,
            "annotations": dump_parameters(self.annotations),
            "updated": self.updated,
        }

    def dump(self) -> dict[str, Any]:
        """The entity as GET and PUT show it."""
        return self.summary() | {"parameters": dump_parameters(self.parameters)}


@dataclass(frozen=True, slots=True)
class Exec:
    """What an action runs: code of a kind, an image (`blackbox`), or components (`sequence`)."""

    kind: str
    code: str | None = None
    main: str | None = None
    binary: bool = False
    image: str | None = None
    components: tuple[Name, ...] = ()

    def dump(self, *, code: bool = True) -> dict[str, Any]:
        if self.kind == "sequence":
            return {"kind": self.kind, "components": [f"/{component}" for component in self.components]}
        shown: dict[str, Any] = {"kind": self.kind, "binary": self.binary}
        shown |= {key: value for key, value in (("image", self.image), ("main", self.main)) if value is not None}
        if code and self.code is not None:
            shown["code"] = self.code
        return shown

    @classmethod
    def load(cls, raw: Mapping[str, Any]) -> Exec:
        components = tuple(parse_name(component, "_") for component in raw.get("components", ()))
        rest = {key: raw.get(key) for key in ("code", "main", "image")}
        return cls(raw["kind"], binary=raw.get("binary", False), components=components, **rest)


@dataclass(frozen=True, slots=True, kw_only=True)
class Action(Entity):
    collection: ClassVar[Collection] = "actions"
    exec: Exec
    limits: ActionLimits = field(default_factory=ActionLimits)

    def summary(self) -> dict[str, Any]:
        # Named base: zero-argument super() does not survive slots=True on Python 3.11.
        return Entity.summary(self) | {
            "limits": dump_limits(self.limits),
            "exec": {"binary": self.exec.binary},
        }

    def dump(self, *, code: bool = True) -> dict[str, Any]:
        return self.summary() | {
            "parameters": dump_parameters(self.parameters),
            "exec": self.exec.dump(code=code),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Package(Entity):
    """A package, or a binding to the package named by `binding`."""

    collection: ClassVar[Collection] = "packages"
    binding: Name | None = None

    def summary(self) -> dict[str, Any]:
        return Entity.summary(self) | {"binding": _dump_binding(self.binding) or False}

    def dump(self) -> dict[str, Any]:
        return Entity.dump(self) | {"binding": _dump_binding(self.binding)}


def _dump_binding(binding: Name | None) -> dict[str, str]:
    return {"namespace": binding.namespace, "name": binding.name} if binding else {}


@dataclass(frozen=True, slots=True)
class TriggerRule:
    """A trigger's own note of a rule on it; a rule without one is inactive.

    On the trigger, as in OpenWhisk, so that a fire finds its rules without looking through all of them.
    """

    action: Name
    status: RuleStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger(Entity):
    collection: ClassVar[Collection] = "triggers"
    # None as long as there has been none at all: OpenWhisk shows an empty object once the last one is gone.
    rules: Mapping[str, TriggerRule] | None = None

    def dump(self) -> dict[str, Any]:
        shown = Entity.dump(self) | {"limits": {}}
        if self.rules is not None:
            shown["rules"] = {
                name: {"action": dump_reference(rule.action), "status": rule.status}
                for name, rule in self.rules.items()
            }
        return shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule(Entity):
    """Its status is not here: the trigger holds it, so that a trigger made anew starts with no active rule."""

    collection: ClassVar[Collection] = "rules"
    trigger: Name
    action: Name

    def summary(self) -> dict[str, Any]:
        return Entity.summary(self) | {
            "trigger": dump_reference(self.trigger),
            "action": dump_reference(self.action),
        }

    def dump(self) -> dict[str, Any]:
        return self.summary()


def dump_reference(name: Name) -> dict[str, str]:
    return {"path": name.path, "name": name.name}


def load(collection: Collection, raw: Mapping[str, Any]) -> Entity:
    """The entity that `dump` wrote."""
    common: dict[str, Any] = {
        "name": parse_name(f"{raw['namespace']}/{raw['name']}", "_"),
        "version": raw["version"],
        "publish": raw["publish"],
        "annotations": parse_parameters(raw["annotations"], "annotations"),
        "parameters": parse_parameters(raw.get("parameters", [])),
        "updated": raw["updated"],
    }
    match collection:
        case "actions":
            return Action(**common, exec=Exec.load(raw["exec"]), limits=parse_limits(raw["limits"], ActionLimits()))
        case "packages":
            bound = raw["binding"]
            name = Name(bound["namespace"], "", bound["name"]) if bound else None
            return Package(**common, binding=name)
        case "triggers":
            rules = raw.get("rules")
            noted = None if rules is None else {name: _load_rule(each) for name, each in rules.items()}
            return Trigger(**common, rules=noted)
        case "rules":
            return Rule(**common, trigger=parse_name(raw["trigger"], "_"), action=parse_name(raw["action"], "_"))


def _load_rule(raw: Mapping[str, Any]) -> TriggerRule:
    return TriggerRule(parse_name(raw["action"], "_"), raw["status"])
