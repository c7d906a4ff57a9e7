"""What callers may send `classify`, and what its settings may be."""

from __future__ import annotations

import base64
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actions.classify.inputs import Inputs, parse_inputs, without_injected
from actions.classify.settings import ClassifySettings
from actions.errors import BadEvent, BadRequest, BadSettings
from actions.events import ObjectEvent
from tests.unit.test_event_properties import json_values

BODY = bytes(range(256))
BASE64 = base64.b64encode(BODY).decode()


@pytest.mark.parametrize(
    "text",
    [
        BASE64,
        "\n".join(BASE64[start : start + 76] for start in range(0, len(BASE64), 76)) + "\n",
        f"data:image/png;base64,{BASE64}",
        f"data:;base64,{BASE64}",
        f"data:image/svg+xml;charset=utf-8;base64,{BASE64}",
    ],
)
def test_base64_comes_in_lines_and_data_urls(text: str) -> None:
    """Base64 as `base64` wraps it and as browsers prefix it is understood."""
    assert parse_inputs({"image": text}).image == BODY


@pytest.mark.parametrize("value", ["not base64!", "AAA", "====", "é", "data:image/png,AAAA", 7, ["AAAA"], {}, True])
def test_what_is_not_base64_is_refused(value: object) -> None:
    """A wrong image argument says what was expected."""
    with pytest.raises(BadRequest, match="base64"):
        parse_inputs({"image": value})


def test_an_object_is_named_by_bucket_and_key() -> None:
    """`versionId` is optional, and the word null means none."""
    expected = ObjectEvent("created", "images", "a b+%.jpg", "v1")
    assert parse_inputs({"bucket": "images", "key": "a b+%.jpg", "versionId": "v1"}).records == (expected,)
    unversioned = parse_inputs({"bucket": "images", "key": "k", "versionId": "null"}).records[0]
    assert isinstance(unversioned, ObjectEvent)
    assert unversioned.version_id is None


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"bucket": "images"},
        {"key": "k"},
        {"image": BASE64, "bucket": "images", "key": "k"},
        {"image": BASE64, "Records": []},
        {"bucket": "images", "key": "k", "Records": []},
        {"EventName": "s3:ObjectCreated:Put", "Key": "images/k"},
    ],
)
def test_exactly_one_input_is_wanted(params: dict[str, Any]) -> None:
    """None or several at once is an error that lists what is accepted."""
    with pytest.raises(BadRequest, match=r"image.*bucket and key.*Records"):
        parse_inputs(params)


@pytest.mark.parametrize(
    "params", [{"bucket": 1, "key": "k"}, {"bucket": "b", "key": ""}, {"bucket": "../b", "key": "k"}]
)
def test_a_badly_named_object_is_the_callers_fault(params: dict[str, Any]) -> None:
    """A name that no object can have is refused before anything is fetched."""
    with pytest.raises(BadRequest):
        parse_inputs(params)


@pytest.mark.parametrize(("value", "count"), [(None, 5), (1, 1), (1000, 1000), ("3", 3)])
def test_topk_is_a_number_or_its_text(value: object, count: int) -> None:
    """`topk` is 1 to 1000, 5 unless given."""
    assert parse_inputs({"image": "", "topk": value}).topk == count


@pytest.mark.parametrize("value", [0, -1, 1001, 2.5, True, "many", [], "1e2", "\u0663"])
def test_other_topks_are_refused(value: object) -> None:
    """What is no whole number from 1 to 1000 is refused by name."""
    with pytest.raises(BadRequest, match="topk"):
        parse_inputs({"image": "", "topk": value})


def test_one_bad_record_does_not_spoil_the_others() -> None:
    """A malformed record becomes the error that says why; the rest are read."""
    good = {
        "eventName": "s3:ObjectCreated:Put",
        "s3": {"bucket": {"name": "images"}, "object": {"key": "a+b.jpg", "size": 3, "eTag": "x", "sequencer": "1F"}},
    }
    first, second, third = parse_inputs({"EventName": "x", "Key": "y", "Records": [good, {"s3": 1}, good]}).records
    assert first == third == ObjectEvent("created", "images", "a b.jpg", None, "x", 3, "1F")
    assert isinstance(second, BadEvent)


def test_records_must_be_a_list() -> None:
    """Records of another type are the caller's mistake; an empty list is fine."""
    assert parse_inputs({"Records": []}) == Inputs(None, (), 5)
    with pytest.raises(BadRequest, match="Records"):
        parse_inputs({"Records": {"0": {}}})


@given(st.dictionaries(st.sampled_from(["image", "bucket", "key", "versionId", "Records", "topk", "x"]), json_values))
def test_any_arguments_are_parsed_or_refused(params: dict[str, Any]) -> None:
    """No JSON whatever leads to anything but inputs or a `BadRequest`."""
    with suppress(BadRequest):
        assert isinstance(parse_inputs(params), Inputs)


def test_what_openwhisk_injects_is_dropped() -> None:
    """The caller's headers, with its key among them, never reach anything that could log or store them."""
    params = {"__ow_headers": {"authorization": "Basic secret"}, "__ow_method": "post", "topk": 3}
    assert without_injected(params) == {"topk": 3}


ENVIRON = {"PIXWHISK_MODEL": "/models/a", "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9000"}


def test_the_environment_wins_over_the_payload() -> None:
    """A caller's payload can ask for less, but never redirect the action or have it do more."""
    settings = ClassifySettings.from_params(
        {"AWS_ENDPOINT_URL_S3": "http://elsewhere", "LIMIT_BYTES": 7, "PIXWHISK_MODEL": "/etc"}, ENVIRON
    )
    assert settings.endpoint == "http://127.0.0.1:9000"
    assert settings.models == (Path("/models/a"),)
    assert (settings.limit_bytes, settings.limit_pixels) == (7, 100_000_000)
    wider = {"LIMIT_BYTES": 10**9, "LIMIT_PIXELS": 10**12, "PIXWHISK_THREADS": 64, "AWS_REGION": "elsewhere"}
    assert ClassifySettings.from_params(wider, ENVIRON) == ClassifySettings.from_params({}, ENVIRON)
    widened = ClassifySettings.from_params({"LIMIT_BYTES": 10**9}, {**ENVIRON, "LIMIT_BYTES": str(10**8)})
    assert widened.limit_bytes == 10**8


def test_every_wrong_setting_is_named_at_once() -> None:
    """One error names all that is missing or wrong, and repeats no value."""
    params = {
        "AWS_ENDPOINT_URL_S3": "http://user:hunter2@host",
        "AWS_ACCESS_KEY_ID": "key",
        "LIMIT_BYTES": "-1",
        "LIMIT_PIXELS": True,
        "PIXWHISK_THREADS": "two",
    }
    with pytest.raises(BadSettings) as caught:
        ClassifySettings.from_params(params, {})
    for name in ("PIXWHISK_MODEL", "AWS_ENDPOINT_URL_S3", "AWS_SECRET_ACCESS_KEY", "LIMIT_BYTES", "LIMIT_PIXELS"):
        assert name in str(caught.value)
    assert "PIXWHISK_THREADS" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_secrets_are_not_shown() -> None:
    """Settings can be printed."""
    settings = ClassifySettings.from_params(
        {"AWS_ACCESS_KEY_ID": "public", "AWS_SECRET_ACCESS_KEY": "hunter2"}, ENVIRON
    )
    assert "hunter2" not in repr(settings)
