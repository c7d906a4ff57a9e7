"""The host's pure parts: names, parameters, limits, documents."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.host.api.web_responses import split_extension
from infra.host.auth import Keyring
from infra.host.calls import ActionLimits
from infra.host.entities.exec_field import is_binary
from infra.host.entities.limits import parse_limits
from infra.host.entities.models import Action, Entity, Exec, Package, Rule, Trigger, TriggerRule, load
from infra.host.entities.parameters import (
    Parameter,
    arguments_of,
    environment_of,
    immutable_keys,
    merge,
    parse_parameters,
    truthy,
)
from infra.host.errors import Refusal, unauthorized
from infra.host.json_bodies import LIMIT_DEPTH, depth, dump, parse, parse_object
from infra.host.names import Name, check_name, parse_name
from infra.host.settings import key_faults, parse_keys

KEY = "789c46b1-0000-0000-0000-000000000000:" + "s" * 64
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@pytest.mark.parametrize("name", ["a", "_", "a b", "a@b.c&d-e", "0", "x" * 256])
def test_legal_names(name: str) -> None:
    """Blanks only inside, punctuation not in front."""
    assert check_name(name) == name


@pytest.mark.parametrize("name", ["", " a", "a ", "-a", ".a", "a/b", "a\n", "é", "a\0", "x" * 257, "a$"])
def test_illegal_names(name: str) -> None:
    """Refused with a 400."""
    with pytest.raises(Refusal) as refused:
        check_name(name)
    assert refused.value.status == 400


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("/_/a", Name("own", "", "a")),
        ("/guest/a", Name("guest", "", "a")),
        ("guest/a", Name("guest", "", "a")),
        ("/_/p/a", Name("own", "p", "a")),
        ({"path": "guest/p", "name": "a"}, Name("guest", "p", "a")),
    ],
)
def test_qualified_names(text: object, name: Name) -> None:
    """With or without the leading slash, `_` being the caller's own."""
    assert parse_name(text, "own") == name


@given(st.text() | st.none() | st.dictionaries(st.text(), st.text()))
def test_any_name_is_read_or_refused(text: object) -> None:
    """And what is read is written the same way."""
    try:
        name = parse_name(text, "own")
    except Refusal:
        return
    assert parse_name(f"/{name}", "other") == name


def test_later_layers_win() -> None:
    """Key by key."""
    low, high = (Parameter("a", 1), Parameter("b", 1)), (Parameter("b", 2),)
    assert arguments_of(merge(low, high)) == {"a": 1, "b": 2}


def test_init_parameters_are_text_in_the_environment() -> None:
    """As OpenWhisk writes each kind of value."""
    raw = [("t", "x"), ("n", 1.5), ("b", True), ("z", None), ("o", {"a": [1, "é"]})]
    parameters = parse_parameters([{"key": key, "value": value, "init": True} for key, value in raw])
    assert arguments_of(parameters) == {}
    assert environment_of(parameters) == {"t": "x", "n": "1.5", "b": "true", "z": "", "o": '{"a":[1,"é"]}'}


def test_final_parameters() -> None:
    """An annotation covers all that have a value; a mark covers one."""
    parameters = (Parameter("a", 1), Parameter("empty", None), Parameter("b", 2, final=True))
    assert immutable_keys(parameters, ()) == {"b"}
    assert immutable_keys(parameters, (Parameter("final", True),)) == {"a", "b"}


@pytest.mark.parametrize("raw", [{}, [1], [{"value": 1}], [{"key": 1}], [{"key": ""}], "x", 0])
def test_malformed_parameters(raw: object) -> None:
    """Are a 400."""
    with pytest.raises(Refusal) as refused:
        parse_parameters(raw)
    assert refused.value.status == 400


@pytest.mark.parametrize(("value", "said"), [(None, False), (False, False), (0, False), ("", False), ("x", True)])
def test_truth_of_annotations(value: object, said: bool) -> None:
    """As in OpenWhisk: empty and zero are no."""
    assert truthy(value) is said


def test_limits_merge_field_by_field() -> None:
    """Nulls and unknown fields count for nothing."""
    base = ActionLimits(timeout=1000, memory=128)
    assert parse_limits({"memory": 512, "timeout": None, "other": 1}, base) == ActionLimits(timeout=1000, memory=512)
    assert parse_limits(None, base) == base


@pytest.mark.parametrize("raw", [[], {"memory": "256"}, {"memory": True}, {"memory": 2**70}, {"timeout": 1.5}])
def test_malformed_limits(raw: object) -> None:
    """Are a 400, huge ones included."""
    with pytest.raises(Refusal) as refused:
        parse_limits(raw, ActionLimits())
    assert refused.value.status == 400


@given(JSON)
def test_what_is_read_can_be_written(value: object) -> None:
    """Or is refused for its depth."""
    body = json.dumps(value).encode()
    assert json.loads(dump(parse(body))) == value


@given(st.binary())
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    """Nothing but a refusal comes of them."""
    with suppress(Refusal):
        assert isinstance(parse_object(body), dict)


def test_depth_is_bounded() -> None:
    """On the right side of the bound by one either way."""
    nested = b"[" * LIMIT_DEPTH + b"]" * LIMIT_DEPTH
    assert depth(parse(nested)) == LIMIT_DEPTH
    with pytest.raises(Refusal):
        parse(b"[" + nested + b"]")


@pytest.mark.parametrize(
    ("code", "binary"),
    [
        ("test", True),
        ("UEsDBA==", True),
        (" UEsDBA==\n", True),
        ("abc", False),
        ("", False),
        ("ab=c", False),
        ("éééé", False),
    ],
)
def test_binary_code(code: str, binary: bool) -> None:
    """Whatever could be base64 is taken for it."""
    assert is_binary(code) is binary


ENTITIES: list[Entity] = [
    Action(
        name=Name("guest", "p", "a"), exec=Exec("python:3.11", "x", "main"), limits=ActionLimits(memory=128), updated=7
    ),
    Action(name=Name("guest", "", "s"), exec=Exec("sequence", components=(Name("guest", "p", "a"),))),
    Action(name=Name("guest", "", "b"), exec=Exec("blackbox", image="me/x:1")),
    Package(name=Name("guest", "", "p"), publish=True, parameters=(Parameter("k", {"v": 1}, init=True, final=True),)),
    Package(name=Name("guest", "", "q"), binding=Name("whisk.system", "", "utils")),
    Trigger(name=Name("guest", "", "t"), rules={"guest/r": TriggerRule(Name("guest", "p", "a"), "inactive")}),
    Rule(name=Name("guest", "", "r"), trigger=Name("guest", "", "t"), action=Name("guest", "p", "a")),
]


@pytest.mark.parametrize("entity", ENTITIES, ids=lambda each: str(each.name))
def test_entities_survive_being_stored(entity: Entity) -> None:
    """Each is read back as it was written."""
    stored: dict[str, Any] = json.loads(dump(entity.dump()))
    assert load(entity.collection, stored) == entity


def test_keys() -> None:
    """A key opens its own namespace, and is not in the keyring's words."""
    keyring = Keyring({"guest": KEY})
    identity = keyring.identify(KEY)
    assert identity is not None
    assert identity.namespace == "guest"
    assert keyring.identify(KEY[:-1]) is None
    assert "sss" not in repr(identity)
    assert unauthorized("x").headers["WWW-Authenticate"].startswith("Basic ")


def test_faults_of_keys_do_not_repeat_them() -> None:
    """They name the namespace."""
    faults = key_faults({"guest": "u:short-secret", "b c ": KEY, "other": KEY})
    assert len(faults) == 3
    assert not any("short-secret" in fault or "sss" in fault for fault in faults)
    assert parse_keys(KEY + "\n")["guest"] == KEY


@pytest.mark.parametrize(
    ("name", "split"),
    [("a.json", ("a", ".json")), ("a", ("a", ".http")), ("a.b", ("a.b", ".http")), (".json", (".json", ".http"))],
)
def test_extensions(name: str, split: tuple[str, str]) -> None:
    """An unknown one is part of the name."""
    assert split_extension(name) == split
