"""Packages, bindings and the shared catalogue."""

from __future__ import annotations

from tests.contract.host.served import ECHO, Namespace


def test_a_package_is_shown_with_its_contents(guest: Namespace) -> None:
    """Feeds apart from other actions; in lists without either."""
    created = guest.ok("PUT", "packages/p", {"parameters": [{"key": "k", "value": 1}], "publish": False})
    assert created["binding"] == {}
    guest.action("p/plain")
    guest.action("p/source", annotations=[{"key": "feed", "value": True}])
    shown = guest.ok("GET", "packages/p")
    assert [each["name"] for each in shown["actions"]] == ["plain"]
    assert [each["name"] for each in shown["feeds"]] == ["source"]
    assert shown["parameters"] == [{"key": "k", "value": 1}]
    assert guest.ok("GET", "packages")[0]["binding"] is False
    assert [each["namespace"] for each in guest.ok("GET", "actions/p/")] == [f"{guest.name}/p"] * 2


def test_a_package_is_deleted_empty_or_by_force(guest: Namespace) -> None:
    """Force takes its actions along."""
    guest.ok("PUT", "packages/p", {})
    guest.action("p/hello")
    words = "Package not empty (contains 1 entity). Set force param or delete package contents."
    assert guest.refused("DELETE", "packages/p") == (409, words)
    guest.ok("DELETE", "packages/p?force=true")
    assert guest.refused("GET", "actions/p/hello")[0] == 404
    assert guest.ok("GET", "actions") == []


def test_an_action_needs_its_package(guest: Namespace) -> None:
    """Packages are not made by the way."""
    assert guest.refused("PUT", "actions/none/hello", {"exec": {"kind": "python:3", "code": ECHO}})[0] == 404


def test_a_binding_reads_through_and_does_not_write_through(guest: Namespace, other: Namespace) -> None:
    """Its parameters lie over the provider's."""
    guest.ok("PUT", "packages/p", {"publish": True, "parameters": [{"key": "a", "value": 1}]})
    guest.action("p/echo")
    body = {"binding": {"namespace": guest.name, "name": "p"}, "parameters": [{"key": "b", "value": 2}]}
    bound = other.ok("PUT", "packages/mine", body)
    assert bound["binding"] == {"namespace": guest.name, "name": "p"}
    shown = other.ok("GET", "packages/mine")
    assert [each["name"] for each in shown["actions"]] == ["echo"]
    assert {each["key"]: each["value"] for each in shown["parameters"]} == {"a": 1, "b": 2}
    assert other.result("mine/echo") == {"a": 1, "b": 2}
    action = {"exec": {"kind": "python:3", "code": ECHO}}
    words = "Operation not permitted on package binding."
    assert other.refused("PUT", "actions/mine/new", action) == (400, words)
    assert other.refused("DELETE", "actions/mine/echo") == (400, words)
    other.ok("DELETE", "packages/mine")
    assert guest.ok("GET", "actions/p/echo")


def test_bindings_are_checked(guest: Namespace, other: Namespace) -> None:
    """To what exists, is a package, is published, and is no binding itself."""
    guest.ok("PUT", "packages/closed", {})
    guest.ok("PUT", "packages/open", {"publish": True})
    guest.ok("PUT", "packages/bound", {"binding": {"namespace": "_", "name": "open"}, "publish": True})

    def refused(name: str, by: Namespace = guest) -> tuple[int, str]:
        return by.refused("PUT", "packages/b", {"binding": {"namespace": guest.name, "name": name}})

    assert refused("none") == (400, "Binding references a package that does not exist.")
    assert refused("bound") == (400, "Cannot bind to another package binding.")
    assert refused("closed", other)[0] == 403
    assert guest.refused("PUT", "packages/open?overwrite=true", {"binding": {"namespace": "_", "name": "closed"}}) == (
        409,
        "Resource is a package and cannot be converted into a binding.",
    )
    assert guest.refused("PUT", "packages/default", {}) == (400, "Package name 'default' is reserved.")


def test_only_published_packages_are_seen_by_others(guest: Namespace, other: Namespace) -> None:
    """In lists and when asked for."""
    guest.ok("PUT", "packages/closed", {})
    guest.ok("PUT", "packages/open", {"publish": True})
    base = f"/api/v1/namespaces/{guest.name}/packages"
    assert [each["name"] for each in other.http.get(base).json()] == ["open"]
    assert other.http.get(f"{base}/closed").status_code == 403


def test_the_catalogue_is_there_for_everybody(guest: Namespace) -> None:
    """`/whisk.system/utils` works for each of its actions."""
    system = "/api/v1/namespaces/whisk.system"
    listed = guest.http.get(f"{system}/packages").json()
    assert {each["name"] for each in listed} >= {"utils", "alarms"}
    feeds = guest.http.get(f"{system}/packages/alarms").json()["feeds"]
    assert {each["name"] for each in feeds} == {"alarm", "interval", "once"}

    def run(name: str, payload: dict[str, object]) -> object:
        asked = guest.http.post(f"{system}/actions/utils/{name}?blocking=true&result=true", json=payload)
        return asked.json()

    assert run("echo", {"a": 1}) == {"a": 1}
    assert run("sort", {"lines": ["b", "a"]}) == {"lines": ["a", "b"], "length": 2}
    assert run("cat", {"lines": ["b", "a"]}) == {"payload": "b\na"}
    assert run("split", {"payload": "b,a", "separator": ","}) == {"lines": ["b", "a"], "payload": "b,a"}
    assert isinstance(run("date", {}), dict)
    assert guest.http.put(f"{system}/packages/mine", json={}).status_code == 403
