"""What holds for every request: credentials, ids, headers, methods, documents."""

from __future__ import annotations

import base64
from typing import cast

import pytest
from starlette.responses import Response

from infra.host.api.request import Transaction
from infra.host.api.routes import LISTS, Handler
from infra.host.assembly import Host
from tests.contract.host.served import Namespace, refusal


@pytest.mark.parametrize(
    ("authorization", "words"),
    [
        (None, "The resource requires authentication, which was not supplied with the request"),
        ("Bearer x", "The resource requires authentication, which was not supplied with the request"),
        ("Basic !!", "The resource requires authentication, which was not supplied with the request"),
        ("Basic " + base64.b64encode(b"nobody:nothing").decode(), "The supplied authentication is invalid"),
        ("Basic " + base64.b64encode(b"\xff:\xff").decode(), "The supplied authentication is invalid"),
    ],
)
def test_credentials_are_needed(guest: Namespace, authorization: str | None, words: str) -> None:
    """401 with a challenge."""
    headers = {"authorization": authorization} if authorization else {}
    response = guest.plain.get(f"{guest.url}/api/v1/namespaces/_/actions", headers=headers)
    assert refusal(response) == (401, words)
    assert response.headers["www-authenticate"] == 'Basic realm="OpenWhisk secure realm",charset=UTF-8'


def test_a_wrong_secret_is_refused(guest: Namespace) -> None:
    """Though the uuid is right."""
    user, _, secret = guest.key.partition(":")
    response = guest.plain.get(f"{guest.url}/api/v1/namespaces", auth=(user, secret[:-1] + "?"))
    assert refusal(response)[0] == 401


def test_the_namespaces_of_a_key(guest: Namespace) -> None:
    """Exactly its own."""
    assert guest.http.get("/api/v1/namespaces").json() == [guest.name]
    assert guest.ok("GET", "limits").keys() >= {"invocationsPerMinute", "firesPerMinute", "concurrentInvocations"}


def test_request_ids_are_echoed(guest: Namespace) -> None:
    """Unless they pretend to be the system's own."""
    sent = guest.http.get("/api/v1/namespaces", headers={"X-Request-ID": "mine-1"})
    assert sent.headers["x-request-id"] == "mine-1"
    for other in ("sid_x", "x" * 500):
        answered = guest.http.get("/api/v1/namespaces", headers={"X-Request-ID": other})
        assert answered.headers["x-request-id"] not in ("", other)


def test_every_response_lets_browsers_in(guest: Namespace) -> None:
    """Refusals and preflights, too; a preflight needs no key."""
    for response in (
        guest.plain.get(f"{guest.url}/api/v1/namespaces"),
        guest.plain.options(f"{guest.url}/api/v1/namespaces/_/actions/x"),
        guest.http.get("/nowhere"),
    ):
        assert response.headers["access-control-allow-origin"] == "*"
        assert response.headers["access-control-allow-methods"] == "GET, DELETE, POST, PUT, HEAD"
    assert guest.plain.options(f"{guest.url}/api/v1/namespaces/_/actions/x").status_code == 200


def test_the_documents_need_no_key(guest: Namespace) -> None:
    """What wskdeploy and `wsk property get` read first."""
    root = guest.plain.get(guest.url)
    assert root.headers["content-type"] == "application/json"
    kinds = root.json()["runtimes"]["python"]
    assert [each["kind"] for each in kinds if each["default"]] == ["python:3.11"]
    assert root.json()["limits"]["max_action_memory"] == 512 * 2**20
    about = guest.plain.get(f"{guest.url}/api/v1").json()
    assert about.keys() >= {"description", "api_version", "api_version_path", "build", "buildno", "swagger_paths"}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "packages/refresh", 404),
        ("PATCH", "actions/x", 404),
        ("DELETE", "actions", 404),
        ("GET", "nothing", 404),
        ("GET", "nothing/x", 404),
        ("GET", "actions/a/b/c", 404),
        ("GET", "triggers/a/b", 404),
        ("GET", "", 404),
        ("PUT", "activations/" + "0" * 32, 404),
    ],
)
def test_what_there_is_not(guest: Namespace, method: str, path: str, status: int) -> None:
    """A place and a method alike, in the clients' shape."""
    assert guest.refused(method, path)[0] == status


def test_flags_must_be_flags(guest: Namespace) -> None:
    """And namespaces must be names."""
    assert guest.refused("GET", "actions/x?code=maybe")[0] == 400
    assert guest.http.get("/api/v1/namespaces/%00/actions").status_code == 400
    assert guest.http.get("/api/v1/namespaces/nobody/actions").status_code == 403


def test_an_unforeseen_error_is_answered_as_openwhisk_answers_it(
    guest: Namespace, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A mistake of ours is `{"error", "code"}` with status 500, its traceback is in the log, and the host lives on."""

    async def mistaken(_host: Host, _transaction: Transaction) -> Response:
        raise KeyError("a mistake")

    with monkeypatch.context() as broken:
        broken.setitem(cast("dict[str, Handler]", LISTS), "actions", mistaken)
        response = guest.ask("GET", "actions")
    assert refusal(response) == (500, "There was an internal server error.")
    assert [record.exc_info[0] for record in caplog.records if record.exc_info] == [KeyError]
    assert guest.ok("GET", "actions") == []


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
    ],
)
def test_pages_of_other_sites_are_refused(guest: Namespace, headers: dict[str, str]) -> None:
    """With the right key even: a browser adds it to whatever a page asks for. Nothing is fired, nothing allowed."""
    guest.ok("PUT", "triggers/t", {})
    guest.action("echo")
    guest.ok("PUT", "rules/r", {"trigger": "/_/t", "action": "/_/echo"})
    for method, path in (("POST", "triggers/t"), ("GET", "actions"), ("OPTIONS", "triggers/t")):
        assert guest.ask(method, path, {}, headers=headers).status_code == 403
    assert guest.ok("GET", "activations") == []
    ours = {"Sec-Fetch-Site": "same-origin", "Origin": guest.url}
    assert guest.ask("POST", "triggers/t", {}, headers=ours).status_code == 202
