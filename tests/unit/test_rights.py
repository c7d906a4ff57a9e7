"""What a deployment may do to bindings that serve only when it is asked for."""

from __future__ import annotations

from typing import Any

import pytest

from infra.openwhisk.manifest import WantedRuntime, read, read_wanted
from infra.openwhisk.plan import State, plan
from infra.openwhisk.rights import Deployer, Unintended, find_unintended

OWN = {
    "AWS_ENDPOINT_URL_S3": "https://minio.example",
    "PIXWHISK_CLASSIFY_ACCESS_KEY_ID": "reader",
    "PIXWHISK_CLASSIFY_SECRET_ACCESS_KEY": "hush-reader",
    "PIXWHISK_FEED_ACCESS_KEY_ID": "feeder",
    "PIXWHISK_FEED_SECRET_ACCESS_KEY": "hush-feeder",
    "PIXWHISK_STORE_DATABASE_URL": "postgresql://pixwhisk_store:hush@db.example/pixwhisk",
    "PIXWHISK_VIEW_DATABASE_URL": "postgresql://pixwhisk_view:hush@db.example/pixwhisk",
    "PIXWHISK_SWEEP_DATABASE_URL": "postgresql://pixwhisk_sweep:hush@db.example/pixwhisk",
    "PIXWHISK_TRIGGER_APIHOST": "https://whisk.example",
    "PIXWHISK_JOURNAL_TARGET": "JOURNAL",
    "PIXWHISK_DECLARE_TARGETS": "on",
    "PIXWHISK_BUCKET": "images",
}
OWNER = "postgresql://owner:hush@db.example/pixwhisk"
DEPLOYER = Deployer(OWNER, "root")
ONE_FOR_ALL = {
    name: {"URL": OWNER, "KEY": "hush-root", "_ID": "root"}[name[-3:]]
    for name in OWN
    if name[-3:] in ("URL", "KEY", "_ID")
}


def found(live: dict[str, str], told: dict[str, str]) -> list[str]:
    """What deploying with `told` would do to what was deployed with `live`."""

    def made(variables: dict[str, str]) -> Any:
        return read_wanted(read(), "guest", variables, lambda _: b"", WantedRuntime())

    state = State({(each.collection, each.name): dict(each.body) for each in made(live).entities}, {})
    return list(find_unintended(plan(made(told), state), state, DEPLOYER))


def test_one_key_for_all_where_each_had_its_own() -> None:
    """Each action that would act with the deployer's rights is named, and no value."""
    lines = found(OWN, OWN | ONE_FOR_ALL)
    assert [line for line in lines if "DATABASE_URL" in line] == [
        f"action pixwhisk/{name}: DATABASE_URL would be the deployer's, which may do more than its own"
        for name in ("store", "view", "sweep")
    ]
    assert {line.split(":")[0] for line in lines if "AWS_ACCESS_KEY_ID" in line} == {
        f"action pixwhisk/{name}" for name in ("classify", "classify-large", "view", "bucket")
    }
    assert not [line for line in lines if "hush" in line or "root" in line]


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        (
            {"PIXWHISK_STORE_DATABASE_URL": "postgresql://pixwhisk_store:hush@elsewhere:6432/app"},
            "action pixwhisk/store: DATABASE_URL would be app at elsewhere:6432 instead of pixwhisk at db.example:5432",
        ),
        ({"PIXWHISK_DECLARE_TARGETS": ""}, "action pixwhisk/bucket: PIXWHISK_DECLARE_TARGETS would be unset"),
        (
            {"AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9000"},
            "action pixwhisk/classify: AWS_ENDPOINT_URL_S3 would be http://127.0.0.1:9000 instead of https://minio.example",
        ),
    ],
)
def test_another_service_or_none(changed: dict[str, str], line: str) -> None:
    """Both places are said."""
    assert line in found(OWN, OWN | changed)


@pytest.mark.parametrize(
    ("live", "told"),
    [
        (OWN, OWN),
        (OWN, OWN | {"PIXWHISK_STORE_DATABASE_URL": "postgresql://pixwhisk_store:new@db.example/pixwhisk"}),
        (OWN, OWN | {"PIXWHISK_FEED_ACCESS_KEY_ID": "feeder2"}),
        (OWN, OWN | {"PIXWHISK_BUCKET": "photos", "PIXWHISK_MODEL": "/models/second"}),
        (OWN | ONE_FOR_ALL, OWN),
        (
            {
                name: value.replace("owner", "former").replace("root", "former")
                for name, value in (OWN | ONE_FOR_ALL).items()
            },
            OWN | ONE_FOR_ALL,
        ),
    ],
    ids=["nothing", "a password", "a key", "more", "fewer rights", "one for all, renamed"],
)
def test_what_a_deployment_may_do_unasked(live: dict[str, str], told: dict[str, str]) -> None:
    """Secrets that are renewed, keys of no more rights, settings that were not set."""
    assert found(live, told) == []


def test_the_error_says_what_to_do() -> None:
    """Every binding, then what may be meant."""
    text = str(Unintended(["action a: X would be unset", "action b: Y would be unset"]))
    assert text.splitlines()[1:3] == ["  action a: X would be unset", "  action b: Y would be unset"]
    assert "--force" in text
