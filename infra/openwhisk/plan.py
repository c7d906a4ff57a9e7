"""Brings an OpenWhisk namespace to what the manifest wants: the difference is computed first, then applied.

Only what differs is changed, so deploying twice changes nothing; what others made in the namespace is not touched.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from actions.messages import ModelReference
from infra.openwhisk import bundles, manifest
from infra.openwhisk.client import ActivationFailed, Collection, NotFound, Whisk, WhiskError
from infra.openwhisk.manifest import Wanted, WantedEntity, WantedFeed, WantedRuntime
from infra.reports import Report
from triggers.feed.request import FedTrigger, parse_request
from triggers.feed.subscription import resolve_subscription

Live = Mapping[str, Any]
ReadFeed = Callable[[WantedFeed], Sequence[Mapping[str, Any]]]


@dataclass(frozen=True, slots=True)
class Change:
    """One thing to do, and why: `differences` are lines for people, secrets masked."""

    verb: Literal["create", "update", "subscribe"]
    target: WantedEntity | WantedFeed = field(repr=False)
    differences: Sequence[str] = ()

    @property
    def name(self) -> str:
        if isinstance(self.target, WantedFeed):
            return f"feed {self.target.action} of trigger {self.target.trigger}"
        return f"{self.target.collection.removesuffix('s')} {self.target.name}"

    def __str__(self) -> str:
        return "\n  ".join((f"{self.verb} {self.name}", *self.differences))


@dataclass(frozen=True, slots=True)
class State:
    """What is there now: entities by (collection, name), and what each trigger's feed says when read."""

    entities: Mapping[tuple[str, str], Live]
    subscriptions: Mapping[str, Sequence[Mapping[str, Any]]]


def plan(wanted: Wanted, state: State) -> Sequence[Change]:
    """What to do, in order; nothing where everything is as wanted."""
    changes = [change for entity in wanted.entities if (change := _entity_change(entity, state)) is not None]
    subscribed = [
        Change("subscribe", feed, lines)
        for feed in wanted.feeds
        if (lines := _feed_differences(feed, state.subscriptions.get(feed.trigger, ())))
    ]
    return [*changes, *subscribed]


def differences(entity: WantedEntity, live: Live) -> Sequence[str]:
    """How a live entity differs from the wanted one, a line each; values of secret parameters are not shown."""
    return [line for name, desired in entity.body.items() for line in _COMPARED[name](desired, live.get(name))]


def prepare(
    whisk: Whisk,
    variables: Mapping[str, str],
    runtime: WantedRuntime = WantedRuntime(),  # noqa: B008 - frozen
    read_feed: ReadFeed | None = None,
) -> tuple[Wanted, State]:
    """Read the manifest, build the zips, and ask OpenWhisk what is there. `read_feed` spares the feed's action."""
    packages = manifest.read()
    wanted = manifest.read_wanted(
        packages, whisk.namespace(), variables, lambda name: bundles.bundle(bundles.ENTRIES[name]), runtime
    )
    return wanted, observe(whisk, wanted, read_feed)


def observe(whisk: Whisk, wanted: Wanted, read_feed: ReadFeed | None = None) -> State:
    """What is there of what is wanted."""
    found = {
        (entity.collection, entity.name): whisk.get(cast(Collection, entity.collection), entity.name)
        for entity in wanted.entities
    }
    entities = {key: live for key, live in found.items() if live is not None}
    read = read_feed or functools.partial(_read_feed, whisk)
    subscriptions = {feed.trigger: read(feed) for feed in wanted.feeds if ("actions", feed.action) in entities}
    return State(entities, subscriptions)


def apply(whisk: Whisk, auth: str, changes: Sequence[Change], report: Report) -> None:
    """Do what was planned. Stops at the first error; applying a new plan goes on from there."""
    for change in changes:
        if isinstance(change.target, WantedFeed):
            _feed(whisk, auth, change.target, "CREATE")
        else:
            whisk.put(cast(Collection, change.target.collection), change.target.name, change.target.body)
        report(f"{change.verb}d {change.name}")


def undeploy(whisk: Whisk, auth: str, report: Report) -> None:
    """Take away everything the manifest names, and every action of its package; feeds are told first."""
    packages = manifest.read()
    ((package, described),) = packages.items()
    for name in find_fed_triggers(whisk, package):
        try:
            _feed(whisk, auth, WantedFeed(name, _feed_action(whisk, name, package), {}), "DELETE")
        except (ActivationFailed, NotFound) as error:
            # The feed may be gone or its MinIO away; the trigger goes all the same, as `wsk trigger delete` does.
            report(f"left a subscription of trigger {name} behind: {error}")
    doomed: list[tuple[Collection, str]] = [("rules", name) for name in described.get("rules", {})]
    doomed += [("triggers", name) for name in described.get("triggers", {})]
    doomed += [("actions", name) for name in _actions(whisk, package, described)]
    doomed += [("packages", package)]
    deleted = [name for collection, name in doomed if _delete(whisk, collection, name, report)]
    if not deleted:
        report(f"nothing to take away: there is no {package} in the namespace {whisk.namespace()}")


def _delete(whisk: Whisk, collection: Collection, name: str, report: Report) -> bool:
    found = whisk.delete(collection, name)
    if found:
        report(f"deleted {collection.removesuffix('s')} {name}")
    return found


def find_serving_models(whisk: Whisk) -> Sequence[ModelReference]:
    """The models that the deployed `classify` asks about every image. Raises `WhiskError` where it does not say."""
    answer = whisk.invoke("pixwhisk/classify", {"Records": []})
    try:
        return [ModelReference(each["name"], each["digest"]) for each in answer.result["models"]]
    except (LookupError, TypeError):
        raise WhiskError("classify does not say which models it has") from None


def find_fed_triggers(whisk: Whisk, package: str) -> Sequence[str]:
    """Triggers of anybody's whose feed is in the package: once it is gone, nobody else can end their subscriptions."""
    return [
        each["name"]
        for each in whisk.list("triggers")
        # `/namespace/package/feed`, or as wskdeploy writes it, without the namespace.
        if str(_key_values(each.get("annotations")).get("feed", {}).get("value", "")).split("/")[-2:-1] == [package]
    ]


def _entity_change(entity: WantedEntity, state: State) -> Change | None:
    live = state.entities.get((entity.collection, entity.name))
    if live is None:
        return Change("create", entity)
    lines = differences(entity, live)
    return Change("update", entity, lines) if lines else None


def _key_values(live: Any) -> dict[str, Mapping[str, Any]]:
    return {each["key"]: each for each in live or ()}


def _compare_annotations(desired: Any, live: Any) -> list[str]:
    # OpenWhisk adds some of its own (`exec`, `provide-api-key`): only ours count.
    there = {key: each.get("value") for key, each in _key_values(live).items()}
    return [
        f"annotation {each['key']}: {there.get(each['key'])!r} → {each['value']!r}"
        for each in desired
        if there.get(each["key"]) != each["value"]
    ]


def _compare_parameters(desired: Any, live: Any) -> list[str]:
    there, here = _key_values(live), _key_values(desired)
    changed = [key for key in sorted(there.keys() | here.keys()) if _bound(there.get(key)) != _bound(here.get(key))]
    return [f"parameter {key}: {_shown(there.get(key))} → {_shown(here.get(key))}" for key in changed]


def _bound(parameter: Mapping[str, Any] | None) -> object:
    return None if parameter is None else (parameter.get("value"), bool(parameter.get("init")))


def _shown(parameter: Mapping[str, Any] | None) -> str:
    if parameter is None:
        return "none"
    return "***" if parameter.get("init") or str(parameter["key"]).isupper() else repr(parameter.get("value"))


def _compare_limits(desired: Any, live: Any) -> list[str]:
    there = live or {}
    return [f"limit {key}: {there.get(key)} → {value}" for key, value in desired.items() if there.get(key) != value]


def _compare_execution(desired: Any, live: Any) -> list[str]:
    there = live or {}
    lines = [
        f"{key}: {there.get(key)} → {desired[key]}"
        for key in ("kind", "image", "components")
        if key in desired and there.get(key) != desired[key]
    ]
    if "code" in desired and there.get("code") != desired["code"]:
        lines.append(f"code: {_name_code(there.get('code'))} → {manifest.digest(desired['code'])}")
    return lines


def _name_code(code: object) -> str:
    try:
        return manifest.digest(code) if isinstance(code, str) else "none"
    except ValueError:
        return "another"


def _compare_reference(desired: Any, live: Any) -> list[str]:
    there = f"/{live['path']}/{live['name']}" if isinstance(live, Mapping) else str(live)
    return [] if there == desired else [f"{there} → {desired}"]


_COMPARED: Mapping[str, Callable[[Any, Any], list[str]]] = {
    "annotations": _compare_annotations,
    "parameters": _compare_parameters,
    "limits": _compare_limits,
    "exec": _compare_execution,
    "trigger": _compare_reference,
    "action": _compare_reference,
}


def _feed_differences(feed: WantedFeed, found: Sequence[Mapping[str, Any]]) -> list[str]:
    if not found:
        return [f"{name}: {value}" for name, value in feed.inputs.items()]
    # What CREATE would make of the inputs, by the feed's own code; the journal is the action's setting, not compared.
    asked = parse_request({"lifecycleEvent": "CREATE", "triggerName": "/_/t", "authKey": "-:-", **feed.inputs}, "_")
    namespace, _, name = str(found[0]["trigger"]).partition("/")
    desired = resolve_subscription(FedTrigger(namespace, name, key=""), asked.parameters, None, None).dump()
    return [
        f"{setting}: {found[0].get(setting)!r} → {desired[setting]!r}"
        for setting in ("bucket", "prefix", "suffix", "events", "target")
        if _plain(found[0].get(setting)) != _plain(desired[setting])
    ]


def _plain(value: Any) -> Any:
    # MinIO puts its region into ARNs.
    if isinstance(value, str) and value.startswith("arn:minio:sqs:"):
        return value.split(":", 4)[-1]
    return value


def _read_feed(whisk: Whisk, feed: WantedFeed) -> Sequence[Mapping[str, Any]]:
    try:
        result = _feed(whisk, "-:-", feed, "READ")
    except WhiskError:
        return ()  # whatever is wrong with it: CREATE will say so, or mend it
    return result.get("subscriptions", ()) if isinstance(result, Mapping) else ()


def _feed(whisk: Whisk, auth: str, feed: WantedFeed, lifecycle: str) -> Any:
    inputs = feed.inputs if lifecycle == "CREATE" else {}
    name = f"/{whisk.namespace()}/{feed.trigger}"
    params = {**inputs, "lifecycleEvent": lifecycle, "triggerName": name, "authKey": auth}
    return whisk.invoke(feed.action, params).result


def _feed_action(whisk: Whisk, trigger: str, package: str) -> str:
    live = whisk.get("triggers", trigger) or {}
    value = str(_key_values(live.get("annotations")).get("feed", {}).get("value", ""))
    return f"{package}/{value.rpartition('/')[2]}"


def _actions(whisk: Whisk, package: str, described: Mapping[str, Any]) -> Sequence[str]:
    live = whisk.get("packages", package) or {}
    sequences = list(described.get("sequences", {}))
    held = [each["name"] for each in (*live.get("actions", ()), *live.get("feeds", ()))]
    return [f"{package}/{name}" for name in (*sequences, *(name for name in held if name not in sequences))]
