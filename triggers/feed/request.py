"""What a client asks of the feed, read and checked: lifecycle event, trigger, and the filters of a subscription."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from actions.errors import BadRequest
from actions.events import CREATED, SUBSCRIBED

Lifecycle = Literal["CREATE", "READ", "UPDATE", "DELETE"]

# What may be asked for in place of exact names. `*` never reaches MinIO: it would include tagging and retention,
# and whoever writes labels back as tags would be called for ever.
_GROUPS = {
    "s3:ObjectCreated:*": SUBSCRIBED[: len(CREATED)],
    "s3:ObjectRemoved:*": tuple(name for name in SUBSCRIBED if name.startswith("s3:ObjectRemoved:")),
}


@dataclass(frozen=True, slots=True)
class FedTrigger:
    """A trigger, its namespace resolved, and the caller's key to fire it with.

    `mark` tells apart the deployments that share a MinIO; empty where there is but one. No namespace has a colon.
    """

    namespace: str
    name: str
    key: str = field(repr=False)
    mark: str = ""

    def __str__(self) -> str:
        return f"{self.mark}:{self.namespace}/{self.name}" if self.mark else f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class FeedParameters:
    """The feed parameters that were given; None where one was not, which an UPDATE leaves as it is.

    `target` names a webhook target of the MinIO server; `journal` says whether events also go to the journal.
    """

    bucket: str | None = None
    prefix: str | None = None
    suffix: str | None = None
    events: tuple[str, ...] | None = None
    target: str | None = None
    journal: bool | None = None


@dataclass(frozen=True, slots=True)
class Request:
    lifecycle: Lifecycle
    trigger: FedTrigger
    parameters: FeedParameters


def parse_request(params: Mapping[str, Any], namespace: str, mark: str = "") -> Request:
    """Read the parameters of one feed call to the deployment with this mark; `_` in the trigger's name means
    `namespace`. Raises `BadRequest`.
    """
    lifecycle: Any = params.get("lifecycleEvent")
    if lifecycle not in get_args(Lifecycle):
        raise BadRequest("lifecycleEvent: expected CREATE, READ, UPDATE or DELETE, as `wsk trigger` sends them")
    return Request(lifecycle, _trigger(params, namespace, mark), _parameters(params))


def _trigger(params: Mapping[str, Any], namespace: str, mark: str) -> FedTrigger:
    match = re.fullmatch(r"/?([^/]+)/([^/]+)", _text(params, "triggerName") or "")
    if not match:
        raise BadRequest("triggerName: expected /namespace/trigger")
    key = _text(params, "authKey") or ""
    if not re.fullmatch(r"[^\s:]+:[^\s:]+", key):
        raise BadRequest("authKey: expected an OpenWhisk key, uuid:secret")
    return FedTrigger(namespace if match[1] == "_" else match[1], match[2], key, mark)


def _parameters(params: Mapping[str, Any]) -> FeedParameters:
    target = _text(params, "target")
    if target is not None and not re.fullmatch(r"[A-Za-z0-9_-]{1,64}|arn:[!-~]{1,200}", target):
        raise BadRequest("target: expected the name of one of MinIO's webhook targets, such as FAST, or its ARN")
    return FeedParameters(
        bucket=_text(params, "bucket") or None,
        prefix=_filter(params, "prefix"),
        suffix=_filter(params, "suffix"),
        events=_events(params.get("events")),
        target=target,
        journal=_flag(params, "journal"),
    )


def _text(params: Mapping[str, Any], name: str) -> str | None:
    value = params.get(name)
    if value is not None and not isinstance(value, str):
        raise BadRequest(f"{name}: expected text")
    return value


def _filter(params: Mapping[str, Any], name: str) -> str | None:
    value = _text(params, name)
    if value is None:
        return None
    # MinIO's own rules; `*` and `?` are wildcards in its patterns, `\` it refuses.
    if len(value.encode(errors="replace")) > 1024 or re.search(r"[\\*?\x00-\x1f\ud800-\udfff]", value):
        raise BadRequest(f"{name}: at most 1024 bytes, without *, ?, \\ and control characters")
    if {".", ".."} & set(value.split("/")):
        raise BadRequest(f"{name}: MinIO takes no . or .. between slashes")
    return value


def _events(value: object) -> tuple[str, ...] | None:
    if value is None:
        return None
    names = [name.strip() for name in value.split(",")] if isinstance(value, str) else value
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise BadRequest("events: expected a list of names, or names separated by commas")
    exact = {each for name in names for each in _GROUPS.get(name, (name,))}
    if unknown := sorted(exact - set(SUBSCRIBED)):
        raise BadRequest(f"events: {unknown[0]!r} is not one of {', '.join(SUBSCRIBED)}")
    return tuple(name for name in SUBSCRIBED if name in exact)


def _flag(params: Mapping[str, Any], name: str) -> bool | None:
    value = params.get(name)
    if value is None or isinstance(value, bool):
        return value
    if value in ("true", "false"):
        return bool(value == "true")
    raise BadRequest(f"{name}: expected true or false")
