"""Web actions: requests in, responses out."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import httpx
import pytest

from infra.host.activations.throttle import LIMIT_KEYLESS
from tests.contract.host.served import ECHO, Namespace, refusal

RESPOND = "def main(params):\n    return params['response']\n"
WEB = [{"key": "web-export", "value": True}]
RAW = [*WEB, {"key": "raw-http", "value": True}]


def ask(guest: Namespace, path: str, method: str = "GET", **named: Any) -> httpx.Response:
    """As a browser does, without credentials."""
    return guest.plain.request(method, f"/api/v1/web/{guest.name}/{path}", **named)


def respond(guest: Namespace, response: Any, extension: str = "", **named: Any) -> httpx.Response:
    guest.action("respond", RESPOND, annotations=WEB, parameters=[{"key": "response", "value": response}])
    return ask(guest, f"default/respond{extension}", **named)


def test_a_web_action_sees_the_request(guest: Namespace) -> None:
    """Method, headers, the rest of the path; query under body."""
    guest.action("echo", annotations=WEB)
    got = ask(guest, "default/echo.json/a/b?x=1&y=1", "POST", json={"y": 2}, headers={"X-Own": "yes"})
    assert got.status_code == 200
    seen = got.json()
    assert (seen["__ow_method"], seen["__ow_path"], seen["x"], seen["y"]) == ("post", "/a/b", "1", 2)
    assert seen["__ow_headers"]["x-own"] == "yes"
    assert "__ow_user" not in seen
    assert len(got.headers["x-openwhisk-activation-id"]) == 32
    form = ask(guest, "default/echo.json", "POST", data={"a": "b c"})
    assert form.json()["a"] == "b c"
    text = ask(guest, "default/echo.json", "POST", content="hi", headers={"content-type": "text/plain"})
    assert text.json()["__ow_body"] == "hi"


def test_a_raw_action_gets_the_body_as_it_is(guest: Namespace) -> None:
    """JSON and binary as base64, text as text, and the query unparsed."""
    guest.action("echo", annotations=RAW)
    seen = ask(guest, "default/echo.json?a=1&a=2", "POST", json={"y": 2}).json()
    assert base64.b64decode(seen["__ow_body"]) == b'{"y":2}'
    assert seen["__ow_query"] == "a=1&a=2"
    assert "y" not in seen
    png = ask(guest, "default/echo.json", "POST", content=b"\x89PNG", headers={"content-type": "image/png"})
    assert base64.b64decode(png.json()["__ow_body"]) == b"\x89PNG"
    text = ask(guest, "default/echo.json", "POST", content="hi", headers={"content-type": "text/plain"})
    assert text.json()["__ow_body"] == "hi"


@pytest.mark.parametrize(
    ("response", "status", "body", "content_type"),
    [
        ({"body": "<p>hi</p>"}, 200, b"<p>hi</p>", "text/html; charset=UTF-8"),
        ({"body": {"a": 1}}, 200, b'{"a":1}', "application/json"),
        ({"body": [1]}, 200, b"[1]", "application/json"),
        (
            {"statusCode": 201, "body": "x", "headers": {"Content-Type": "text/plain"}},
            201,
            b"x",
            "text/plain; charset=UTF-8",
        ),
        ({"statusCode": "404", "body": "x"}, 404, b"x", "text/html; charset=UTF-8"),
        ({"body": "aGk=", "headers": {"content-type": "image/png"}}, 200, b"hi", "image/png"),
        ({"body": '{"a":1}', "headers": {"content-type": "application/json"}}, 200, b'{"a":1}', "application/json"),
        ({}, 204, b"", None),
        ({"statusCode": 302, "headers": {"location": "/x"}}, 302, b"", None),
    ],
)
def test_http_responses(
    guest: Namespace, response: dict[str, Any], status: int, body: bytes, content_type: str | None
) -> None:
    """`{statusCode, headers, body}` is what the client gets."""
    got = respond(guest, response)
    assert (got.status_code, got.content, got.headers.get("content-type")) == (status, body, content_type)


@pytest.mark.parametrize(
    "response",
    [
        {"statusCode": 99},
        {"statusCode": "x"},
        {"statusCode": 200, "headers": []},
        {"body": "x", "headers": {"a b": "c"}},
        {"body": "x", "headers": {"a": "b\r\nset-cookie: c=d"}},
        {"body": "x", "headers": {"a": "\u20ac"}},
        {"body": "not base64!", "headers": {"content-type": "image/png"}},
        {"body": {"a": 1}, "headers": {"content-type": "text/html"}},
        {"body": "x", "headers": {"content-type": "rubbish"}},
    ],
)
def test_what_is_no_response_is_refused(guest: Namespace, response: dict[str, Any]) -> None:
    """Whatever an action returns, the connection and the process live."""
    assert refusal(respond(guest, response))[0] == 400


def test_headers_may_repeat(guest: Namespace) -> None:
    """A list gives one header each; framing headers are the host's own."""
    got = respond(guest, {"body": "x", "headers": {"set-cookie": ["a=1", "b=2"], "n": 3, "content-length": 900}})
    assert got.headers.get_list("set-cookie") == ["a=1", "b=2"]
    assert (got.headers["n"], got.text) == ("3", "x")


@pytest.mark.parametrize(
    ("extension", "response", "text", "content_type"),
    [
        (".json", {"a": 1}, '{"a":1}', "application/json"),
        (".html", {"html": "<p>"}, "<p>", "text/html; charset=UTF-8"),
        (".html", {"body": "<p>"}, "<p>", "text/html; charset=UTF-8"),
        (".svg", {"svg": "<svg/>"}, "<svg/>", "image/svg+xml"),
        (".text", {"text": "hi"}, "hi", "text/plain; charset=UTF-8"),
        (".text", {"body": 3}, "3", "text/plain; charset=UTF-8"),
    ],
)
def test_extensions(guest: Namespace, extension: str, response: Any, text: str, content_type: str) -> None:
    """Each extension writes the result in its own way."""
    got = respond(guest, response, extension)
    assert (got.status_code, got.text, got.headers["content-type"]) == (200, text, content_type)


def test_an_extension_that_does_not_fit_is_refused(guest: Namespace) -> None:
    """In OpenWhisk's words."""
    assert refusal(respond(guest, {"other": 1}, ".html")) == (400, "Response is not valid 'text/html'.")


def test_errors_of_the_action_are_responses_too(guest: Namespace) -> None:
    """An application error is written as a response; a developer error is not shown."""
    guest.action("fail", "def main(params):\n    return {'error': {'statusCode': 418, 'body': 'x'}}\n", annotations=WEB)
    assert ask(guest, "default/fail").status_code == 418
    guest.action("broken", "def main(params):\n    return 3\n", annotations=WEB)
    assert refusal(ask(guest, "default/broken")) == (400, "There was an error processing your request.")


def test_only_exported_actions_exist(guest: Namespace) -> None:
    """For everybody, their owner included."""
    guest.action("closed")
    missing = (404, "The requested resource does not exist.")
    assert refusal(ask(guest, "default/closed")) == missing
    assert refusal(ask(guest, "default/none.json")) == missing
    assert refusal(ask(guest, "none/none.json")) == missing
    assert refusal(guest.plain.get(f"{guest.url}/api/v1/web/nobody/default/closed")) == missing
    assert refusal(guest.plain.get(f"{guest.url}/api/v1/web/{guest.name}"))[0] == 401


def test_reserved_and_final_parameters_are_refused(guest: Namespace) -> None:
    """By query and by body."""
    annotations = [*WEB, {"key": "final", "value": True}]
    guest.action("echo", ECHO, annotations=annotations, parameters=[{"key": "fixed", "value": 1}])
    words = "Request defines parameters that are not allowed (e.g., reserved properties)."
    assert refusal(ask(guest, "default/echo.json?fixed=2")) == (400, words)
    assert refusal(ask(guest, "default/echo.json", "POST", json={"__ow_user": "x"})) == (400, words)
    assert ask(guest, "default/echo.json").json()["fixed"] == 1


def test_secrets_are_asked_for(guest: Namespace, other: Namespace) -> None:
    """A text or number must be in the header; true asks for a key, whose namespace the action is told."""
    guest.action("echo", annotations=[*WEB, {"key": "require-whisk-auth", "value": 5551234}])
    assert refusal(ask(guest, "default/echo.json"))[0] == 401
    assert ask(guest, "default/echo.json", headers={"X-Require-Whisk-Auth": "5551234"}).status_code == 200
    assert ask(guest, "default/echo.json", headers={"X-Require-Whisk-Auth": "x"}).status_code == 401
    guest.action("echo", annotations=[*WEB, {"key": "require-whisk-auth", "value": True}])
    assert ask(guest, "default/echo.json").status_code == 401
    user, _, secret = other.key.partition(":")
    assert ask(guest, "default/echo.json", auth=(user, secret)).json()["__ow_user"] == other.name


def test_an_action_is_shown_no_key_of_the_host(guest: Namespace, other: Namespace) -> None:
    """Whoever's it is, asked for or not; an application's own credentials reach it."""
    guest.action("echo", annotations=WEB)
    given = {"Authorization": "Bearer own", "Cookie": "session=1", "X-Require-Whisk-Auth": "x"}
    shown = ask(guest, "default/echo.json", headers=given).json()["__ow_headers"]
    assert (shown["authorization"], shown["cookie"]) == ("Bearer own", "session=1")
    assert "x-require-whisk-auth" not in shown
    for each in (guest, other):
        user, _, secret = each.key.partition(":")
        assert "authorization" not in ask(guest, "default/echo.json", auth=(user, secret)).json()["__ow_headers"]


@pytest.mark.parametrize("extension", ["json", "html", "svg", "text"])
def test_what_protects_a_page_goes_with_every_part_of_it(guest: Namespace, extension: str) -> None:
    """An extension picks the body from a result, and its policy with it; nothing is taken for what it does not say."""
    headers = {"Content-Security-Policy": "default-src 'none'", "Cache-Control": "no-store", "X-Other": "1"}
    guest.action("page", f"def main(params):\n    return {{'body': '<p>', 'headers': {headers!r}}}\n", annotations=WEB)
    answer = ask(guest, f"default/page.{extension}")
    assert answer.headers["content-security-policy"] == "default-src 'none'"
    assert (answer.headers["cache-control"], answer.headers["x-content-type-options"]) == ("no-store", "nosniff")
    assert not answer.headers.keys() & {"x-other"}


def test_scripts_of_other_sites_start_nothing(guest: Namespace) -> None:
    """A link leads here all the same."""
    guest.action("echo", annotations=WEB)
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}
    assert ask(guest, "default/echo.json", headers=headers).status_code == 403
    assert guest.ok("GET", "activations") == []
    assert ask(guest, "default/echo.json", headers={**headers, "Sec-Fetch-Mode": "navigate"}).status_code == 200


def test_requests_without_a_key_are_bounded(guest: Namespace) -> None:
    """At once, so that what has a key finds room; the others are told so before anything runs."""
    guest.action("slow", "import time\ndef main(params):\n    time.sleep(1)\n    return {'x': 1}\n", annotations=WEB)
    path = f"{guest.url}/api/v1/web/{guest.name}/default/slow.json"

    async def flood() -> list[int]:
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(timeout=90, limits=limits) as client:
            return [each.status_code for each in await asyncio.gather(*(client.get(path) for _ in range(60)))]

    statuses = asyncio.run(flood())
    assert set(statuses) == {200, 429}
    assert statuses.count(200) == LIMIT_KEYLESS


def test_browsers_are_let_in(guest: Namespace) -> None:
    """OPTIONS is answered by the host, unless the action wants to."""
    guest.action("echo", annotations=WEB)
    headers = {"Access-Control-Request-Headers": "X-Own"}
    options = ask(guest, "default/echo", "OPTIONS", headers=headers)
    assert options.status_code == 200
    assert options.headers["access-control-allow-methods"] == "OPTIONS, GET, DELETE, POST, PUT, HEAD, PATCH"
    assert options.headers["access-control-allow-headers"] == "X-Own"
    assert ask(guest, "default/echo.json").headers["access-control-allow-origin"] == "*"
    guest.action("own", annotations=[*WEB, {"key": "web-custom-options", "value": True}])
    assert ask(guest, "default/own.json", "OPTIONS").json()["__ow_method"] == "options"


def test_a_name_that_was_made_to_lead_here_is_refused(guest: Namespace) -> None:
    """A host on loopback answers web requests under loopback's names, so that no site can pose as it in a browser."""
    guest.action("echo", annotations=WEB)
    for name in ("localhost:3233", "127.0.0.1", "[::1]:3233", "pictures.localhost"):
        assert ask(guest, "default/echo.json", headers={"Host": name}).status_code == 200, name
    for name in ("evil.example:3233", "127.0.0.1.evil.example", "localhost.evil.example", "192.168.1.1", "[::2]", "["):
        assert refusal(ask(guest, "default/echo.json", headers={"Host": name}))[0] == 421, name


def test_head_and_packages(guest: Namespace) -> None:
    """A HEAD has the headers of a GET; actions in packages are reached by the package's name."""
    guest.ok("PUT", "packages/p", {"parameters": [{"key": "response", "value": {"body": "hello"}}]})
    guest.action("p/page", RESPOND, annotations=WEB)
    assert ask(guest, "p/page").text == "hello"
    head = ask(guest, "p/page", "HEAD")
    assert (head.status_code, head.content) == (200, b"")
    assert ask(guest, "p/page", "TRACE").status_code == 405
    assert refusal(ask(guest, "p/page", "POST", content=b"x" * 1_048_577))[0] == 413
