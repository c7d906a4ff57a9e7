"""From an action's name to what can be invoked: bindings followed, parameters merged once per change of entities."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from infra.host.auth import Identity
from infra.host.calls import Executable
from infra.host.entities.models import Action, Exec, Package
from infra.host.entities.parameters import (
    Parameters,
    arguments_of,
    environment_of,
    immutable_keys,
    merge,
    truthy,
    value_of,
)
from infra.host.entities.registry import Registry
from infra.host.errors import PARAMETERS_NOT_ALLOWED, Refusal, forbidden
from infra.host.json_bodies import dump
from infra.host.names import Name


@dataclass(frozen=True, slots=True)
class Invocable:
    """An action as one caller's path to it has it. `executable` is None for a sequence."""

    action: Action
    parameters: Parameters
    arguments: Mapping[str, Any]
    arguments_size: int
    immutable: frozenset[str]
    executable: Executable | None
    provides_key: bool
    binding: Name | None = None

    def check(self, payload: Mapping[str, Any]) -> None:
        """Refuse a payload that overrides final parameters."""
        if self.immutable and not self.immutable.isdisjoint(payload):
            raise Refusal(400, PARAMETERS_NOT_ALLOWED)


class Resolver:
    """Resolves names, remembering the result until any entity changes."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        # Merging parameters and digesting 48 MB of code at every call would cost more than the call. Thrown away whole
        # at any change, because an action depends on its package, its binding and that one's provider.
        self._known: dict[str, tuple[Invocable, bool]] = {}
        registry.watch(self._known.clear)

    def resolve(self, name: Name, caller: Identity) -> Invocable:
        """The action, if `caller` may invoke it: in an own namespace, or in a published package of another."""
        known = self._known.get(str(name))
        # Kept for all callers alike; whether this one may is asked each time, and before it can hear what there is.
        if known is None:
            self._check_reachable(name, caller)
            known = self._known[str(name)] = self._resolve(name)
        invocable, public = known
        if not public and name.namespace != caller.namespace:
            raise forbidden(str(package_of(name) if name.package else name))
        return invocable

    def _check_reachable(self, name: Name, caller: Identity) -> None:
        if name.namespace == caller.namespace:
            return
        package = self._registry.find(Package, package_of(name)) if name.package else None
        if package is None or not package.publish:
            raise forbidden(str(package_of(name) if name.package else name))

    def _resolve(self, name: Name) -> tuple[Invocable, bool]:
        if not name.package:
            return invocable(self._registry.get(Action, name), ()), False
        package = self._registry.get(Package, package_of(name))
        if package.binding is None:
            return invocable(self._registry.get(Action, name), package.parameters), package.publish
        provider = self._registry.get(Package, package.binding)
        if not provider.publish and provider.name.namespace != name.namespace:
            raise forbidden(str(provider.name))
        action = self._registry.get(Action, within(provider.name, name.name))
        return invocable(action, merge(provider.parameters, package.parameters), package.name), package.publish

    def find_preloaded(self) -> list[Executable]:
        """What the pool should preload for: the actions with a `preload` annotation."""
        wanted = (each for each in self._registry.all(Action) if value_of(each.annotations, "preload"))
        found = [self._resolve(action.name)[0].executable for action in wanted]
        return [executable for executable in found if executable is not None]


def package_of(name: Name) -> Name:
    return Name(name.namespace, "", name.package)


def within(package: Name, name: str) -> Name:
    return Name(package.namespace, package.name, name)


def invocable(action: Action, inherited: Parameters, binding: Name | None = None) -> Invocable:
    """`action` over the parameters of its package and binding."""
    parameters = merge(inherited, action.parameters)
    arguments = arguments_of(parameters)
    return Invocable(
        action=action,
        parameters=parameters,
        arguments=arguments,
        arguments_size=len(dump(arguments)),
        immutable=immutable_keys(parameters, action.annotations),
        executable=None if action.exec.kind == "sequence" else _executable(action, parameters),
        # Missing counts as wanted: so it is for actions older than the annotation.
        provides_key=truthy(value_of(action.annotations, "provide-api-key", default=True)),
        binding=binding,
    )


def _executable(action: Action, parameters: Parameters) -> Executable:
    environment = environment_of(parameters)
    preload = value_of(action.annotations, "preload")
    return Executable(
        name=action.name.name,
        revision=_revision(action, environment),
        runtime=_runtime(action.exec),
        main=action.exec.main or "main",
        code=action.exec.code or "",
        binary=action.exec.binary,
        environment=environment,
        limits=action.limits,
        preload=tuple(each.strip() for each in preload.split(",") if each.strip()) if isinstance(preload, str) else (),
    )


def _runtime(exec_: Exec) -> str:
    return f"blackbox:{exec_.image}" if exec_.kind == "blackbox" else exec_.kind


def _revision(action: Action, environment: Mapping[str, str]) -> str:
    """Changes with whatever a container is initialised with, and with nothing else: a new version alone stays warm."""
    basis = [str(action.name), _exec_digest(action.exec), environment, asdict(action.limits)]
    return hashlib.sha256(dump(basis)).hexdigest()


@functools.lru_cache(maxsize=1024)
def _exec_digest(exec_: Exec) -> str:
    """Remembered, because code may be 48 MB and every change of any entity asks again."""
    return hashlib.sha256(dump(exec_.dump())).hexdigest()
