"""The plan of a deployment: what the manifest wants against what is there."""

from __future__ import annotations

import base64
import copy
from typing import Any

import pytest

from actions.events import SUBSCRIBED as EVENTS
from infra.cli.deploy import runtimes_snippet
from infra.openwhisk import manifest
from infra.openwhisk.manifest import BadManifest, Wanted, WantedRuntime
from infra.openwhisk.plan import Change, State, plan

VARIABLES = {
    "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9000",
    "PIXWHISK_CLASSIFY_ACCESS_KEY_ID": "reader",
    "PIXWHISK_CLASSIFY_SECRET_ACCESS_KEY": "hush-reader",
    "PIXWHISK_FEED_ACCESS_KEY_ID": "feed",
    "PIXWHISK_FEED_SECRET_ACCESS_KEY": "hush-feed",
    "PIXWHISK_STORE_DATABASE_URL": "postgresql://hush-store",
    "PIXWHISK_VIEW_DATABASE_URL": "postgresql://hush-view",
    "PIXWHISK_SWEEP_DATABASE_URL": "postgresql://hush-sweep",
    "PIXWHISK_TRIGGER_APIHOST": "http://127.0.0.1:3233",
    "PIXWHISK_BUCKET": "images",
    "PIXWHISK_MODEL": "/models/one",
}
SUBSCRIBED = {
    "trigger": "guest/image-uploaded",
    "bucket": "images",
    "target": "arn:minio:sqs::FAST:webhook",
    "prefix": "",
    "suffix": "",
}


def wanted(runtime: WantedRuntime = WantedRuntime(), zipped: bytes = b"zip", **variables: str) -> Wanted:  # noqa: B008 - frozen
    return manifest.read_wanted(manifest.read(), "guest", VARIABLES | variables, lambda _: zipped, runtime)


def live(desired: Wanted) -> State:
    """What OpenWhisk would answer once everything of `desired` was put."""
    entities: dict[tuple[str, str], Any] = {}
    for entity in desired.entities:
        body: dict[str, Any] = copy.deepcopy(dict(entity.body))
        if entity.collection == "actions":
            ours = {each["key"] for each in body["annotations"]}
            body["annotations"] += [{"key": "exec", "value": "blackbox"}] + (
                [] if "provide-api-key" in ours else [{"key": "provide-api-key", "value": False}]
            )
            body["version"] = "0.0.1"
        if entity.collection == "rules":
            for name in ("trigger", "action"):
                path, _, last = body[name][1:].rpartition("/")
                body[name] = {"path": path, "name": last}
        entities[entity.collection, entity.name] = body
    return State(entities, {"image-uploaded": [SUBSCRIBED | {"events": list(EVENTS)}]})


def names(changes: Any) -> list[str]:
    return [f"{change.verb} {change.name}" for change in changes]


def test_on_an_empty_namespace_everything_is_made_in_an_order_that_works() -> None:
    """Package before actions before the sequence; trigger and action before the rule; the feed last."""
    made = names(plan(wanted(), State({}, {})))
    order = ["package pixwhisk", "action pixwhisk/classify", "action pixwhisk/classify-and-store"]
    order += ["trigger image-uploaded", "rule classify-uploads"]
    assert [name for name in made if name.removeprefix("create ") in order] == [f"create {name}" for name in order]
    assert made[-1] == "subscribe feed pixwhisk/bucket of trigger image-uploaded"


def test_deploying_twice_changes_nothing() -> None:
    """Against its own outcome the plan is empty, whatever OpenWhisk adds by itself."""
    assert plan(wanted(), live(wanted())) == []


def test_a_changed_source_updates_only_its_action() -> None:
    """Only the action whose zip is another is updated, and the line names both zips."""
    state = live(wanted())
    state.entities["actions", "pixwhisk/store"]["exec"]["code"] = base64.b64encode(b"old").decode()
    (change,) = plan(wanted(), state)
    assert (change.verb, change.name) == ("update", "action pixwhisk/store")
    assert "sha256:" in change.differences[0]


def test_a_changed_secret_is_said_but_not_shown() -> None:
    """The difference names the parameter; neither the old nor the new value appears anywhere."""
    changes = plan(wanted(PIXWHISK_STORE_DATABASE_URL="postgresql://hush-new"), live(wanted()))
    text = "".join(map(str, changes)) + repr(changes)
    assert "parameter DATABASE_URL: *** → ***" in text
    assert "hush" not in text


@pytest.mark.parametrize(
    ("collection", "name", "field", "value", "words"),
    [
        ("actions", "pixwhisk/classify", "limits", {"memory": 256, "timeout": 60000, "logs": 1}, "limit memory: 256"),
        ("actions", "pixwhisk/bucket", "annotations", [], "annotation feed"),
        ("actions", "pixwhisk/store", "parameters", [], "parameter DATABASE_URL: none"),
        ("actions", "pixwhisk/classify-and-store", "exec", {"kind": "sequence", "components": []}, "components"),
        ("rules", "classify-uploads", "action", {"path": "guest", "name": "other"}, "/guest/other →"),
    ],
)
def test_whatever_was_changed_by_hand_is_put_right(
    collection: str, name: str, field: str, value: Any, words: str
) -> None:
    """The one entity that differs is updated, with the difference in words."""
    state = live(wanted())
    entity: Any = state.entities[collection, name]
    entity[field] = value
    (change,) = plan(wanted(), state)
    assert change.name.endswith(name)
    assert words in "\n".join(change.differences)


def test_another_bucket_subscribes_again() -> None:
    """The feed is asked when what it says differs from the manifest."""
    (change,) = plan(wanted(PIXWHISK_BUCKET="photos"), live(wanted()))
    assert str(change).splitlines()[1:] == ["  bucket: 'images' → 'photos'"]


def test_settings_are_bound_so_that_no_caller_sees_or_overrides_them() -> None:
    """Every input in capitals is an `init` and `final` parameter, and the action's annotation says `final`."""
    actions = [entity for entity in wanted().entities if "parameters" in entity.body and entity.collection == "actions"]
    parameters = [each for entity in actions for each in entity.body["parameters"]]
    assert parameters
    assert all(each["init"] is True and each["final"] is True for each in parameters)
    assert all({"key": "final", "value": True} in entity.body["annotations"] for entity in actions)


def test_what_is_missing_is_named_all_at_once() -> None:
    """Two unset variables are two names in one error."""
    with pytest.raises(BadManifest, match="PIXWHISK_STORE_DATABASE_URL, PIXWHISK_VIEW_DATABASE_URL"):
        wanted(PIXWHISK_STORE_DATABASE_URL="", PIXWHISK_VIEW_DATABASE_URL="")


def test_an_optional_variable_is_left_out() -> None:
    """Without PIXWHISK_MODEL no such parameter is bound: the image's own model serves."""
    classify = next(entity for entity in wanted(PIXWHISK_MODEL="").entities if entity.name == "pixwhisk/classify")
    assert "PIXWHISK_MODEL" not in [each["key"] for each in classify.body["parameters"]]


def test_image_and_kind_replace_the_manifests_runtime() -> None:
    """--image is another blackbox; --kind is no blackbox at all."""
    by_image = wanted(WantedRuntime(image="me/img:2")).entities[1].body["exec"]
    by_kind = wanted(WantedRuntime(kind="python:3-pixwhisk")).entities[1].body["exec"]
    assert (by_image["kind"], by_image["image"]) == ("blackbox", "me/img:2")
    assert by_kind["kind"] == "python:3-pixwhisk"
    assert "image" not in by_kind


def test_the_snippet_for_runtimes_json_declares_the_manifest_s_image_with_stem_cells() -> None:
    """A stem cell serves only actions of exactly its memory: theirs."""
    (described,) = runtimes_snippet("python:3-pixwhisk", manifest.image())["runtimes"]["python"]
    actions = manifest.read()["pixwhisk"]["actions"]
    image = described["image"]
    assert {action["docker"] for action in actions.values()} == {"{prefix}/{name}:{tag}".format(**image)}
    (memory,) = {action["limits"]["memorySize"] for name, action in actions.items() if name != "classify-large"}
    assert described["stemCells"] == [{"initialCount": 2, "memory": f"{memory} MB"}]
    assert described["default"] is False


def test_the_smallest_memory_limit_is_enough_for_every_action() -> None:
    """All actions but the one for large pictures are declared with OpenWhisk's smallest limit, 128 MB."""
    limits = {each.name: each.body["limits"]["memory"] for each in wanted().entities if "limits" in each.body}
    assert {name for name, memory in limits.items() if memory != 128} == {"pixwhisk/classify-large"}


def test_a_change_reads_well() -> None:
    """Its first line says what is done to what."""
    entity = wanted().entities[0]
    assert str(Change("create", entity)) == "create package pixwhisk"
