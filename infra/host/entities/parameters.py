"""Parameters and annotations: lists of `{"key", "value"}` on the wire, and how they are merged."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from infra.host.errors import malformed, too_large
from infra.host.json_bodies import dump

LIMIT_BYTES = 1_048_576
# Of annotations, too.
PARAMETERS_MALFORMED = "parameters malformed!"


@dataclass(frozen=True, slots=True)
class Parameter:
    """A bound value. `init` sends it to the environment at `/init`, not to `/run`; `final` refuses to be overridden."""

    key: str
    value: Any
    init: bool = False
    final: bool = False

    def dump(self) -> dict[str, Any]:
        flags = {name: True for name in ("init", "final") if getattr(self, name)}
        return {"key": self.key, "value": self.value, **flags}


Parameters = tuple[Parameter, ...]


def parse_parameters(raw: object, field: str = "parameters") -> Parameters:
    """Read a list of parameters; of two with one key the last counts. More than 1 MiB in all is a 413."""
    if raw is None:
        return ()
    if not isinstance(raw, list):
        raise malformed(PARAMETERS_MALFORMED)
    parsed = merge(_parse_parameter(each) for each in raw)
    size = parameters_size(parsed)
    if size > LIMIT_BYTES:
        raise too_large(field, size, LIMIT_BYTES)
    return parsed


def _parse_parameter(raw: object) -> Parameter:
    if not isinstance(raw, dict) or not isinstance(raw.get("key"), str) or not raw["key"]:
        raise malformed(PARAMETERS_MALFORMED)
    return Parameter(raw["key"], raw.get("value"), raw.get("init") is True, raw.get("final") is True)


def dump_parameters(parameters: Parameters) -> list[dict[str, Any]]:
    return [parameter.dump() for parameter in parameters]


def parameters_size(parameters: Parameters) -> int:
    """Bytes of the keys and the values as JSON."""
    return sum(len(parameter.key.encode(errors="replace")) + len(dump(parameter.value)) for parameter in parameters)


def merge(*layers: Iterable[Parameter]) -> Parameters:
    """One list out of several, the later layer winning key by key."""
    return tuple({parameter.key: parameter for layer in layers for parameter in layer}.values())


def without(parameters: Parameters, keys: Iterable[str]) -> Parameters:
    unwanted = frozenset(keys)
    return tuple(parameter for parameter in parameters if parameter.key not in unwanted)


def value_of(parameters: Parameters, key: str, default: Any = None) -> Any:
    """The value bound to `key`, which may itself be None."""
    return next((parameter.value for parameter in parameters if parameter.key == key), default)


def truthy(value: Any) -> bool:
    """OpenWhisk's idea of a set annotation: anything but null, false, zero and the empty text."""
    return value is not None and value is not False and value not in (0, "")


def arguments_of(parameters: Parameters) -> dict[str, Any]:
    """What `/run` gets: the parameters that do not go to the environment."""
    return {parameter.key: parameter.value for parameter in parameters if not parameter.init}


def environment_of(parameters: Parameters) -> dict[str, str]:
    """What `/init` gets, as text: OpenWhisk writes null as nothing and anything structured as compact JSON."""
    return {parameter.key: _as_text(parameter.value) for parameter in parameters if parameter.init}


def immutable_keys(parameters: Parameters, annotations: Parameters) -> frozenset[str]:
    """Keys a caller may not pass: all with a value under a `final` annotation, else those marked `final` themselves."""
    every = value_of(annotations, "final") is True
    return frozenset(each.key for each in parameters if (every or each.final) and each.value is not None)


def as_mapping(parameters: Parameters) -> Mapping[str, Any]:
    return {parameter.key: parameter.value for parameter in parameters}


def _as_text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
