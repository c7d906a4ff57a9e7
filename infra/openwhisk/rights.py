"""What a plan would do to actions that serve already and that was hardly meant: give one more rights than it has, point
it at another service, or take a setting away.

Whoever deploys with one key for all, where each action had one of its own, gives all of them that key; a shell in which
another deployment's variables are still set is enough. So such changes are made only when they are asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from infra.database.address import database_parts, database_place
from infra.errors import OperatorError
from infra.openwhisk.manifest import WantedEntity
from infra.openwhisk.plan import Change, Live, State

DATABASE, STORE, KEY = "DATABASE_URL", "AWS_ENDPOINT_URL_S3", "AWS_ACCESS_KEY_ID"


class Unintended(OperatorError):
    """Bindings that serve would be replaced by ones that were hardly meant; nothing was changed."""

    def __init__(self, lines: Sequence[str]) -> None:
        listed = "".join(f"\n  {line}" for line in lines)
        super().__init__(
            f"nothing was changed, for this was hardly meant:{listed}\n"
            "Are another deployment's variables set in this shell? Give each part its own key, as before, or --force."
        )


@dataclass(frozen=True, slots=True)
class Deployer:
    """Keys that may everything: what actions get that have none of their own."""

    database_url: str | None = field(default=None, repr=False)
    access_key: str | None = field(default=None, repr=False)


def find_unintended(changes: Sequence[Change], state: State, deployer: Deployer) -> Sequence[str]:
    """A line for each binding, without its value if that is secret; empty where the plan only does what it may."""
    return [
        f"{change.name}: {line}"
        for change in changes
        if change.verb == "update" and isinstance(change.target, WantedEntity)
        for line in _list_unintended(change.target, state, deployer)
    ]


def _list_unintended(entity: WantedEntity, state: State, deployer: Deployer) -> Iterator[str]:
    live = _settings(state.entities[entity.collection, entity.name])
    desired = _settings(entity.body)
    for name in sorted(live.keys() & entity.unset):
        yield f"{name} would be unset"
    for name in sorted(live.keys() & desired.keys()):
        there, here = _place(name, live[name]), _place(name, desired[name])
        if there != here:
            yield f"{name} would be {here} instead of {there}"
        elif _has_own(name, live[name], state) and _is_deployers(name, desired[name], deployer):
            yield f"{name} would be the deployer's, which may do more than its own"


def _has_own(name: str, value: str, state: State) -> bool:
    """Whether a live action has a user that is not everybody's: one for all is the deployer's, whatever its name."""
    bound = (_settings(live).get(name) for live in state.entities.values())
    return bool(_user(name, value)) and len({_user(name, each) for each in bound if each}) > 1


def _is_deployers(name: str, value: str, deployer: Deployer) -> bool:
    everything = {DATABASE: deployer.database_url, KEY: deployer.access_key}.get(name)
    return _user(name, value) is not None and _user(name, value) == _user(name, everything)


def _place(name: str, value: str) -> str:
    """Which service a setting names, as may be shown; the same for all where it names none."""
    if name == STORE:
        address = urlsplit(value)
        return f"{address.scheme}://{address.netloc.rpartition('@')[2]}"
    if name == DATABASE:
        return database_place(value)
    return ""


def _user(name: str, value: str | None) -> str | None:
    """Whose rights a setting gives."""
    if value is None or name not in (DATABASE, KEY):
        return None
    return database_parts(value).get("user", "") if name == DATABASE else value


def _settings(body: Live) -> dict[str, str]:
    """Bound settings with a value; what is bound for callers is nobody's right."""
    parameters: Sequence[Mapping[str, Any]] = body.get("parameters") or ()
    return {each["key"]: str(each["value"]) for each in parameters if str(each["key"]).isupper() and each.get("value")}
