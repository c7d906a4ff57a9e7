"""What the Go client inside `wsk` and wskdeploy makes of a reply: which refusals it understands, what it can decode.

Where its decoder meets a value of another type than it expects, it goes on in silence with what it has, and the user
sees an empty field. So the types of a reply are as much part of the contract as the values.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.contract.clients.replay import Step, path_of

# A type of JSON value (a list of one: of all items; a mapping: field by field), or None where anything goes.
Shape = Any

PAIRS: Shape = [{"key": str, "value": None}]
LIMITS: Shape = {"timeout": int, "memory": int, "logs": int, "concurrency": int}
NAMED: Shape = {"namespace": str, "name": str, "version": str, "publish": bool, "annotations": PAIRS, "updated": int}
EXECUTABLE: Shape = {"kind": str, "code": str, "image": str, "main": str, "components": [str], "binary": bool}
ACTION: Shape = {**NAMED, "exec": EXECUTABLE, "parameters": PAIRS, "limits": LIMITS}
TRIGGER: Shape = {**NAMED, "parameters": PAIRS, "limits": LIMITS, "rules": {}, "activationId": str}
PACKAGE: Shape = {**NAMED, "parameters": PAIRS, "actions": [ACTION], "feeds": [ACTION]}
RULE: Shape = {**NAMED, "status": str}
ACTIVATION: Shape = {
    **{name: shape for name, shape in NAMED.items() if name != "updated"},
    **dict.fromkeys(("subject", "activationId", "cause"), str),
    **dict.fromkeys(("start", "end", "duration", "statusCode"), int),
    "response": {"status": str, "statusCode": int, "success": bool, "result": None},
    "logs": [str],
}
RUNTIME: Shape = {"kind": str, "default": bool, "deprecated": bool}
QUOTAS: Shape = dict.fromkeys(("actions_per_minute", "triggers_per_minute", "concurrent_actions"), int)
DOCUMENTS = {
    "/": {"description": str, "api_paths": [str], "runtimes": {"python": [RUNTIME]}, "limits": QUOTAS},
    "/api/v1": {"build": str, "buildno": str},
    "/api/v1/namespaces": [str],
}
ENTITIES = {"actions": ACTION, "triggers": TRIGGER, "packages": PACKAGE, "rules": RULE, "activations": ACTIVATION}


def understood(status: int, body: Any) -> bool:
    """Whether `wsk` prints the refusal, and not that the connection failed."""
    if not isinstance(body, dict):
        return False
    if body.get("code") is None and status == 502:
        response = body.get("response")
        return body.get("error") is not None or (isinstance(response, dict) and response.get("status") is not None)
    return body.get("code") is not None and body.get("error") is not None


def exit_code(status: int) -> int:
    """What `wsk` exits with after a refusal."""
    return (status - 256) % 256


def shape_of(step: Step) -> Shape:
    """What the client decodes the reply to a step into; None where it takes any object."""
    path = path_of(step).partition("?")[0]
    if path in DOCUMENTS:
        return DOCUMENTS[path]
    collection, _, rest = path.removeprefix("/api/v1/namespaces/_/").partition("/")
    if (
        collection not in ENTITIES
        or step.method == "OPTIONS"
        or (step.method == "POST" and collection in ("actions", "rules"))
    ):
        return None
    if rest.endswith(("/logs", "/result")):
        return {"logs": [str]} if rest.endswith("/logs") else ACTIVATION["response"]
    single = rest and not rest.endswith("/")
    return ENTITIES[collection] if single else [ENTITIES[collection]]


def undecodable(shape: Shape, value: Any, where: str = "body") -> list[str]:
    """Fields that the client would leave empty. Go takes null for anything, and ignores fields it does not know."""
    if shape is None or value is None:
        return []
    if isinstance(shape, list):
        if not isinstance(value, list):
            return [f"{where}: a list is expected, got {value!r}"]
        return [each for at, item in enumerate(value) for each in undecodable(shape[0], item, f"{where}[{at}]")]
    if isinstance(shape, Mapping):
        if not isinstance(value, dict):
            return [f"{where}: an object is expected, got {value!r}"]
        return [
            each for name, inner in shape.items() for each in undecodable(inner, value.get(name), f"{where}.{name}")
        ]
    fits = isinstance(value, shape) and (shape is bool or not isinstance(value, bool))
    return [] if fits else [f"{where}: {shape.__name__} is expected, got {value!r}"]
