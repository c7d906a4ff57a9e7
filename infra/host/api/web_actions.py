"""Web actions: any HTTP request in, the action's idea of a response out."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response

from infra.host import json_bodies
from infra.host.activations.dispatch import Origin, check_size
from infra.host.activations.record import ActivationRecord
from infra.host.api import web_responses
from infra.host.api.actions import wait
from infra.host.api.origins import OF_ANOTHER_SITE
from infra.host.api.request import LIMIT_PAYLOAD_BYTES, Transaction, media_type, read_body
from infra.host.assembly import Host
from infra.host.auth import Identity, Keyring
from infra.host.entities.models import Action
from infra.host.entities.parameters import truthy, value_of
from infra.host.entities.resolution import Invocable
from infra.host.errors import (
    NOT_FOUND,
    NOT_READY,
    PARAMETERS_NOT_ALLOWED,
    PROCESSING,
    WEB_UNAUTHENTICATED,
    Refusal,
    method_not_allowed,
    refuse_missing,
)
from infra.host.names import Name, check_name
from infra.host.settings import is_loopback

METHODS = ("OPTIONS", "GET", "DELETE", "POST", "PUT", "HEAD", "PATCH")
ALLOWED_HEADERS = "Authorization, Origin, X-Requested-With, Content-Type, Accept, User-Agent"
MISDIRECTED = "This host listens on loopback alone, and answers web requests only under loopback's names."
RESERVED = frozenset({"__ow_method", "__ow_headers", "__ow_path", "__ow_user", "__ow_query", "__ow_body"})


@dataclass(frozen=True, slots=True)
class WebCall:
    """What a path names: the action, how its result is to be written, and the rest of the path."""

    invocable: Invocable
    extension: str
    path: str
    owner: Identity

    @property
    def action(self) -> Action:
        return self.invocable.action

    def read_annotation(self, key: str) -> Any:
        return value_of(self.action.annotations, key)


async def serve(host: Host, request: Request, transaction_id: str, segments: Sequence[str]) -> Response:
    """`segments` are the raw parts of the path after `/api/v1/web/`."""
    if request.method not in METHODS:
        raise method_not_allowed(METHODS)
    if is_loopback(host.settings.host) and not _names_loopback(request.headers.get("host", "")):
        raise Refusal(421, MISDIRECTED)
    if is_loopback(host.settings.host) and _is_script_of_another_site(request.headers):
        raise Refusal(403, OF_ANOTHER_SITE)
    call = _find(host, segments, request.headers.get("authorization"))
    caller = _check_secret(host, call, request.headers)
    if call.read_annotation("web-custom-options") is True:
        return await _run(host, call, caller, request, transaction_id)
    if request.method == "OPTIONS":
        return Response(headers=cors(request.headers))
    try:
        response = await _run(host, call, caller, request, transaction_id)
    except Refusal as refusal:
        refusal.headers = cors(request.headers) | refusal.headers
        raise
    for name, value in cors(request.headers).items():
        response.headers.setdefault(name, value)
    return response


def _is_script_of_another_site(headers: Headers) -> bool:
    """Whether a page that the machine's user has open somewhere asks behind their back; a link there may lead here."""
    return headers.get("sec-fetch-site") == "cross-site" and headers.get("sec-fetch-mode") != "navigate"


def _names_loopback(host: str) -> bool:
    """Whether a `Host` header is one of this machine to itself.

    Any name can be made to lead to 127.0.0.1 once a browser has loaded a page from it. That page may then read what
    needs no key, as if it were ours.
    """
    try:
        name = urlsplit(f"//{host}").hostname or "localhost"
    except ValueError:
        return False
    return is_loopback(name) or name.endswith(".localhost")


def cors(headers: Headers) -> dict[str, str]:
    requested = headers.get("access-control-request-headers")
    return {
        "Access-Control-Allow-Origin": "*",
        "Access-Control-Allow-Methods": ", ".join(METHODS),
        "Access-Control-Allow-Headers": requested or ALLOWED_HEADERS,
    }


def _find(host: Host, segments: Sequence[str], authorization: str | None) -> WebCall:
    """The exported action; whatever is not exported does not exist, whoever asks. A path too short needs a key."""
    if len(segments) < 3:
        host.keyring.authenticate(authorization)
        raise Refusal(404, NOT_FOUND)
    namespace, package, name = segments[:3]
    name, extension = web_responses.split_extension(name)
    owner = host.keyring.owner(namespace)
    if owner is None:
        raise refuse_missing()
    full = Name(namespace, "" if package == "default" else check_name(package), check_name(name))
    # Resolved as its owner, for anybody may call it. Every refusal looks like a name that is not there: a stranger must
    # not learn which actions exist without being exported.
    try:
        invocable = host.resolver.resolve(full, owner)
    except Refusal:
        raise refuse_missing() from None
    if not truthy(value_of(invocable.action.annotations, "web-export")):
        raise refuse_missing()
    path = "".join(f"/{part}" for part in segments[3:])
    return WebCall(invocable, extension, path, owner)


def _check_secret(host: Host, call: WebCall, headers: Headers) -> Identity | None:
    """`require-whisk-auth`: true asks for a caller's key, anything else for that very value in a header."""
    wanted = call.read_annotation("require-whisk-auth")
    if not truthy(wanted):
        return None
    if wanted is True:
        try:
            return host.keyring.authenticate(headers.get("authorization"))
        except Refusal:
            raise Refusal(401, WEB_UNAUTHENTICATED) from None
    given = headers.get("x-require-whisk-auth", "")
    if not hmac.compare_digest(given.encode(errors="replace"), str(wanted).encode(errors="replace")):
        raise Refusal(401, WEB_UNAUTHENTICATED)
    return None


async def _run(host: Host, call: WebCall, caller: Identity | None, request: Request, transaction_id: str) -> Response:
    if caller is not None:
        return await _invoke(host, call, caller, request, transaction_id)
    with host.throttle.keyless():
        return await _invoke(host, call, None, request, transaction_id)


async def _invoke(
    host: Host, call: WebCall, caller: Identity | None, request: Request, transaction_id: str
) -> Response:
    body = await read_body(request, LIMIT_PAYLOAD_BYTES)
    raw = call.read_annotation("raw-http") is True
    arguments = _context(host, call, caller, request) | _given(call, request, body, raw=raw)
    check_size(call.invocable, arguments, len(body) + 2 * 65_536)
    origin = Origin(call.owner, transaction_id, keyless=caller is None)
    running = await host.dispatch.invoke(call.invocable, arguments, origin)
    transaction = Transaction(transaction_id, request, call.owner)
    ended = await wait(host, running, host.settings.timeout_blocking_seconds, transaction)
    headers = {"x-openwhisk-activation-id": running.activation_id}
    try:
        response = _answer(ended, call.extension)
    except Refusal as refusal:
        refusal.headers |= headers
        raise
    response.headers.update(headers)
    return response


def _shown(keyring: Keyring, headers: Headers) -> dict[str, str]:
    """Headers as the action sees them. An application's own credentials are its business; a key of this host, which a
    browser sends along once it knows it, and the secret that guards the action, are not.
    """
    hidden = {"x-require-whisk-auth"} | ({"authorization"} if keyring.knows(headers.get("authorization")) else set())
    return {name: value for name, value in headers.items() if name not in hidden}


def _context(host: Host, call: WebCall, caller: Identity | None, request: Request) -> dict[str, Any]:
    # Merged over what the client sent: these the action may trust.
    context = {
        "__ow_method": request.method.lower(),
        "__ow_headers": _shown(host.keyring, request.headers),
        "__ow_path": call.path,
    }
    return context | {"__ow_user": caller.namespace} if caller else context


def _given(call: WebCall, request: Request, body: bytes, *, raw: bool) -> dict[str, Any]:
    """What the client sent: opaque for raw actions; else query under body, neither reserved nor final."""
    kind = media_type(request.headers)
    if raw:
        opaque = _text(body) if web_responses.is_textual(kind) else base64.b64encode(body).decode()
        return {"__ow_query": request.scope["query_string"].decode("latin-1"), "__ow_body": opaque}
    query = dict(request.query_params)
    value = _body(body, kind)
    fields = value if isinstance(value, dict) else {}
    if not (query.keys() | fields.keys()).isdisjoint(RESERVED | call.invocable.immutable):
        raise Refusal(400, PARAMETERS_NOT_ALLOWED)
    if value is not None and not isinstance(value, dict):
        fields = {"__ow_body": value}
    return {**query, **fields}


def _body(body: bytes, kind: str) -> Any:
    if not body:
        return None
    if kind == "application/json":
        return json_bodies.parse(body)
    if kind == "application/x-www-form-urlencoded":
        return dict(parse_qsl(_text(body), keep_blank_values=True))
    return _text(body) if web_responses.is_textual(kind) else base64.b64encode(body).decode()


def _text(body: bytes) -> str:
    return body.decode(errors="replace")


def _answer(ended: ActivationRecord | None, extension: str) -> Response:
    if ended is None:
        raise Refusal(202, NOT_READY)
    if ended.status > 1:
        raise Refusal(400, PROCESSING)
    result: Any = ended.result
    if isinstance(result, list):
        return web_responses.broken()
    if ended.status == 1 and isinstance(result, Mapping):
        result = result.get("error")
    return web_responses.TRANSCODERS[extension](result)
