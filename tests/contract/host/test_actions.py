"""Actions as entities: create, update, read, list, delete."""

from __future__ import annotations

import pytest

from tests.contract.host.served import ECHO, Namespace


def test_a_created_action_is_shown_as_openwhisk_shows_it(guest: Namespace) -> None:
    """PUT replies the full entity with its defaults, and GET replies the same."""
    created = guest.ok("PUT", "actions/hello", {"namespace": "_", "exec": {"kind": "python:default", "code": ECHO}})
    assert created == guest.ok("GET", "actions/hello")
    assert created.pop("updated") > 0
    assert created == {
        "namespace": guest.name,
        "name": "hello",
        "version": "0.0.1",
        "publish": False,
        "annotations": [{"key": "provide-api-key", "value": False}, {"key": "exec", "value": "python:3.11"}],
        "parameters": [],
        "limits": {"timeout": 60000, "memory": 256, "logs": 10, "concurrency": 1},
        "exec": {"kind": "python:3.11", "code": ECHO, "binary": False},
    }


def test_code_false_leaves_only_the_code_out(guest: Namespace) -> None:
    """`code=false` is what `wsk action get` asks with."""
    guest.action("hello", limits={"memory": 128})
    shown = guest.ok("GET", "actions/hello?code=false")
    assert shown["exec"] == {"kind": "python:3.11", "binary": False}
    assert shown["limits"]["memory"] == 128


def test_a_second_create_conflicts(guest: Namespace) -> None:
    """Only `overwrite=true` replaces."""
    guest.action("hello")
    assert guest.refused("PUT", "actions/hello", {"exec": {"kind": "python:3", "code": "x"}}) == (
        409,
        "resource already exists",
    )


def test_an_update_merges(guest: Namespace) -> None:
    """Annotations and limits merge, parameters are replaced if given, the rest stays, the version counts up."""
    guest.action(
        "hello",
        annotations=[{"key": "a", "value": 1}, {"key": "b", "value": 2}],
        parameters=[{"key": "p", "value": 1}],
        limits={"memory": 128, "timeout": 1000},
    )
    updated = guest.ok(
        "PUT",
        "actions/hello?overwrite=true",
        {"annotations": [{"key": "b", "value": 3}], "limits": {"timeout": 2000}, "delAnnotations": ["a"]},
    )
    assert updated["version"] == "0.0.2"
    assert {"key": "b", "value": 3} in updated["annotations"]
    assert "a" not in {each["key"] for each in updated["annotations"]}
    assert updated["parameters"] == [{"key": "p", "value": 1}]
    assert (updated["limits"]["memory"], updated["limits"]["timeout"]) == (128, 2000)
    assert updated["exec"]["code"] == ECHO
    replaced = guest.ok("PUT", "actions/hello?overwrite=true", {"parameters": [], "version": "1.0.0"})
    assert (replaced["parameters"], replaced["version"]) == ([], "1.0.0")


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({"memory": 1024}, "requirement failed: memory size 1024 MB exceeds allowed threshold of 512 MB"),
        ({"memory": 64}, "requirement failed: memory size 64 MB below allowed threshold of 128 MB"),
        (
            {"timeout": 600000},
            "requirement failed: duration 600000 milliseconds exceeds allowed threshold of 300000 milliseconds",
        ),
        ({"concurrency": 2}, "requirement failed: concurrency 2 exceeds allowed threshold of 1"),
    ],
)
def test_limits_are_bounded(guest: Namespace, limits: dict[str, int], words: str) -> None:
    """A limit out of bounds is refused in OpenWhisk's words."""
    body = {"exec": {"kind": "python:3", "code": "x"}, "limits": limits}
    assert guest.refused("PUT", "actions/hello", body) == (400, words)


def test_unknown_kinds_are_refused(guest: Namespace) -> None:
    """The refusal lists the kinds there are."""
    status, words = guest.refused("PUT", "actions/hello", {"exec": {"kind": "cobol:85", "code": "x"}})
    assert status == 400
    assert words.startswith("The request content was malformed:\nThe specified runtime 'cobol:85' is not supported")
    assert words.endswith(" 'sequence', 'blackbox'.")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"exec": {"kind": "python:3"}}, "'code' must be a string"),
        ({"exec": {"kind": "blackbox"}}, "'image' must be a string"),
        ({"exec": {"kind": 3, "code": ""}}, "'kind' must be a string"),
        ({"exec": {"kind": "python:3", "code": "x"}, "parameters": {"p": 1}}, "parameters malformed!"),
        ({"exec": {"kind": "python:3", "code": "x"}, "version": "new"}, "version"),
    ],
)
def test_what_cannot_be_read_is_malformed(guest: Namespace, body: dict[str, object], words: str) -> None:
    """The refusal says which field is at fault."""
    status, said = guest.refused("PUT", "actions/hello", body)
    assert status == 400
    assert said.startswith("The request content was malformed:\n")
    assert words in said


def test_a_blackbox_keeps_its_image(guest: Namespace) -> None:
    """An image needs no code."""
    shown = guest.ok("PUT", "actions/box", {"exec": {"kind": "blackbox", "image": "me/classify:1"}})
    assert shown["exec"] == {"kind": "blackbox", "image": "me/classify:1", "binary": False}


def test_base64_counts_as_binary(guest: Namespace) -> None:
    """As in OpenWhisk, so does plain code that happens to look like it."""
    shown = guest.ok("PUT", "actions/hello", {"exec": {"kind": "python:3", "code": "test"}})
    assert shown["exec"]["binary"] is True


def test_lists_show_the_newest_first_and_page(guest: Namespace) -> None:
    """`limit` and `skip` page, 0 means 200, and more than 200 is refused."""
    for name in ("a", "b", "c"):
        guest.action(name)
    listed = guest.ok("GET", "actions?limit=2&skip=0")
    assert [each["name"] for each in listed] == ["c", "b"]
    assert listed[0]["exec"] == {"binary": False}
    assert "parameters" not in listed[0]
    assert [each["name"] for each in guest.ok("GET", "actions?limit=2&skip=2")] == ["a"]
    assert len(guest.ok("GET", "actions?limit=0")) == 3
    assert guest.ok("GET", "actions?count=true") == {"actions": 3}
    assert guest.refused("GET", "actions?limit=201") == (
        400,
        "The query parameter 'limit' was malformed:\nThe value '201' is not in the range of 0 to 200 for actions.",
    )
    words = "The query parameter 'skip' was malformed:\nThe value 'x' is not an integer for actions."
    assert guest.refused("GET", "actions?skip=x") == (400, words)


def test_delete_replies_what_was_there(guest: Namespace) -> None:
    """Afterwards it is gone."""
    created = guest.action("hello")
    assert guest.ok("DELETE", "actions/hello") == created
    assert guest.refused("GET", "actions/hello") == (404, "The requested resource does not exist.")
    assert guest.refused("DELETE", "actions/hello")[0] == 404


def test_a_name_belongs_to_one_collection(guest: Namespace) -> None:
    """An action cannot take the name of a package, nor be read as one."""
    guest.ok("PUT", "packages/shared", {})
    words = "Resource by this name exists but is not in this collection."
    assert guest.refused("PUT", "actions/shared", {"exec": {"kind": "python:3", "code": "x"}}) == (409, words)
    assert guest.refused("GET", "actions/shared") == (409, words)


@pytest.mark.parametrize("name", ["%20x", "a%2Fb", "-x", "a%00b", "%C3%A9", "x" * 257])
def test_illegal_names_are_refused(guest: Namespace, name: str) -> None:
    """A percent-encoded slash is part of a name, and not a legal one."""
    assert guest.refused("PUT", f"actions/{name}", {"exec": {"kind": "python:3", "code": "x"}})[0] == 400


def test_legal_names_may_hold_blanks(guest: Namespace) -> None:
    """Inside, though not at either end."""
    assert guest.action("to%20be%20@x.y&z")["name"] == "to be @x.y&z"
    assert guest.ok("GET", "actions/to%20be%20@x.y&z")["name"] == "to be @x.y&z"


def test_a_container_serves_one_namespace(guest: Namespace, other: Namespace) -> None:
    """Of a published action too: what one caller leaves behind, another does not find."""
    guest.ok("PUT", "packages/shared", {"publish": True})
    code = "seen = []\ndef main(params):\n    seen.append(params['said'])\n    return {'seen': seen}\n"
    guest.action("shared/keeps", code)
    path = f"/api/v1/namespaces/{guest.name}/actions/shared/keeps?blocking=true&result=true"
    for each in (guest, other, guest):
        assert set(each.http.post(path, json={"said": each.name}).json()["seen"]) == {each.name}


def test_other_namespaces_are_closed(guest: Namespace, other: Namespace) -> None:
    """Neither reading nor writing, unless in a published package."""
    guest.action("hello")
    guest.ok("PUT", "packages/open", {"publish": True})
    guest.action("open/hello")
    base = f"/api/v1/namespaces/{guest.name}/actions"
    words = f"The supplied authentication is not authorized to access '{guest.name}/hello'."
    refused = other.http.get(f"{base}/hello")
    assert (refused.status_code, refused.json()["error"]) == (403, words)
    assert other.http.delete(f"{base}/hello").status_code == 403
    assert other.http.delete(f"{base}/open/hello").status_code == 403
    assert other.http.get(f"{base}/open/hello").status_code == 200
    assert other.http.post(f"{base}/open/hello?blocking=true", json={}).status_code == 200
    assert other.http.get(base).status_code == 403
