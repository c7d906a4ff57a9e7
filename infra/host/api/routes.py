"""The ASGI application: paths to handlers, and every failure to OpenWhisk's `{"error", "code"}`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any
from urllib.parse import unquote

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from infra.host.api import web_actions
from infra.host.api.actions import delete_action, get_action, invoke_action, list_actions, put_action
from infra.host.api.activations import get_activation, list_activations
from infra.host.api.info import api_document, limits_document, root_document
from infra.host.api.origins import OF_ANOTHER_SITE, is_of_another_site
from infra.host.api.packages import delete_package, get_package, list_packages, put_package
from infra.host.api.request import Transaction, reply, transaction_id
from infra.host.api.rules import delete_rule, get_rule, list_rules, put_rule, set_rule
from infra.host.api.triggers import delete_trigger, fire_trigger, get_trigger, list_triggers, put_trigger
from infra.host.assembly import Host
from infra.host.errors import INTERNAL, NOT_FOUND, Refusal, forbidden, method_not_allowed
from infra.host.names import check_namespace
from infra.logs import EventLogger

log = EventLogger(__name__)

Handler = Callable[[Host, Transaction], Awaitable[Response]]

CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Headers": "Authorization, Origin, X-Requested-With, Content-Type, Accept, User-Agent",
    "Access-Control-Allow-Methods": "GET, DELETE, POST, PUT, HEAD",
}

LISTS: Mapping[str, Handler] = {
    "actions": list_actions,
    "packages": list_packages,
    "triggers": list_triggers,
    "rules": list_rules,
    "activations": list_activations,
}
ENTITIES: Mapping[str, Mapping[str, Handler]] = {
    "actions": {"GET": get_action, "PUT": put_action, "DELETE": delete_action, "POST": invoke_action},
    "packages": {"GET": get_package, "PUT": put_package, "DELETE": delete_package},
    "triggers": {"GET": get_trigger, "PUT": put_trigger, "DELETE": delete_trigger, "POST": fire_trigger},
    "rules": {"GET": get_rule, "PUT": put_rule, "DELETE": delete_rule, "POST": set_rule},
    "activations": {"GET": get_activation},
}


def application(host: Host) -> ASGIApp:
    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(host, receive, send)
        elif scope["type"] == "http":
            request = Request(scope, receive)
            response = await _respond(host, request)
            await response(scope, receive, send)

    return serve


async def _lifespan(host: Host, receive: Receive, send: Send) -> None:
    async with AsyncExitStack() as stack:
        await receive()
        await host.start()
        stack.push_async_callback(host.stop)
        await send({"type": "lifespan.startup.complete"})
        await receive()
    await send({"type": "lifespan.shutdown.complete"})


async def _respond(host: Host, request: Request) -> Response:
    """The response to any request whatever."""
    identifier = transaction_id(request.headers)
    try:
        response = await _route(host, request, identifier)
    except Refusal as refusal:
        response = reply({"error": refusal.message, "code": identifier}, refusal.status, refusal.headers)
    except Exception as error:  # noqa: BLE001
        # The process's boundary. What an action returned may not be writable, a disk may refuse, or we made a mistake:
        # left to uvicorn each would be plain text, and clients of OpenWhisk parse every answer as its JSON.
        log.fault("request-failed", error, method=request.method, transaction=identifier)
        response = reply({"error": INTERNAL, "code": identifier}, 500)
    for name, value in CORS.items():
        response.headers.setdefault(name, value)
    response.headers["X-Request-ID"] = identifier
    return response


async def _route(host: Host, request: Request, identifier: str) -> Response:
    # The raw path: a `%2F` in a name is not a separator.
    raw = request.scope.get("raw_path") or request.scope["path"].encode()
    segments = [_decode(part) for part in raw.split(b"?")[0].split(b"/")[1:]]
    match segments:
        case [""]:
            if request.method not in ("GET", "OPTIONS"):
                raise method_not_allowed(["GET", "OPTIONS"])
            return _only(request, root_document(host))
        case ["api", "v1"] | ["api", "v1", ""]:
            return _only(request, api_document())
        case ["api", "v1", "web", *rest]:
            return await web_actions.serve(host, request, identifier, rest)
        case ["api", "v1", "namespaces", *rest]:
            return await _namespaces(host, request, identifier, rest)
        case ["api", "v1", *_]:
            raise Refusal(404, NOT_FOUND)
    # Outside of the API OpenWhisk knows no place, only this method.
    if request.method == "OPTIONS":
        return _welcome()
    raise method_not_allowed(["OPTIONS"])


def _welcome() -> Response:
    """The answer to a preflight."""
    return Response("OK", media_type="text/plain; charset=UTF-8")


def _decode(part: bytes) -> str:
    return unquote(part.decode("latin-1"), errors="replace") if b"%" in part else part.decode("latin-1")


def _only(request: Request, document: Any) -> Response:
    if request.method == "OPTIONS":
        return _welcome()
    if request.method != "GET":
        raise Refusal(404, NOT_FOUND)
    return reply(document)


async def _namespaces(host: Host, request: Request, identifier: str, rest: Sequence[str]) -> Response:
    if is_of_another_site(request.headers):
        raise Refusal(403, OF_ANOTHER_SITE)
    if request.method == "OPTIONS":
        return _welcome()
    # Before the path is looked at: without a key nobody learns which names there are.
    identity = host.keyring.authenticate(request.headers.get("authorization"))
    if rest in ([], [""]):
        return _only(request, [identity.namespace])
    namespace = check_namespace(rest[0], identity.namespace)
    if rest[1:] == ["limits"]:
        if namespace != identity.namespace:
            raise forbidden(namespace)
        return _only(request, limits_document(host.throttle.quotas))
    if "" in rest[:-1]:
        raise Refusal(404, NOT_FOUND)
    collection, rest = (rest[1] if len(rest) > 1 else ""), rest[2:]
    handler = _handler(request.method, collection, rest)
    return await handler(host, Transaction(identifier, request, identity, namespace, rest))


def _handler(method: str, collection: str, rest: Sequence[str]) -> Handler:
    if collection not in ENTITIES:
        raise Refusal(404, NOT_FOUND)
    # `actions/package/`, with nothing after the slash, lists a package: so `wsk action list package` asks.
    listing = rest in ([], [""]) or (collection == "actions" and len(rest) == 2 and not rest[1])
    if listing:
        if method != "GET":
            raise Refusal(404, NOT_FOUND)
        return LISTS[collection]
    if len([part for part in rest if part]) > (1 if collection in ("packages", "triggers", "rules") else 2):
        raise Refusal(404, NOT_FOUND)
    if handler := ENTITIES[collection].get(method):
        return handler
    # Not a 405: OpenWhisk's routes end in a "not found" that covers methods, too.
    raise Refusal(404, NOT_FOUND)
