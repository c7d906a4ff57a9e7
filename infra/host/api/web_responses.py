"""Results of web actions as HTTP responses, one transcoder per extension; what does not fit is a 400."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from starlette.responses import Response

from infra.host.errors import INTERNAL, PROPERTY_MISSING, Refusal
from infra.host.json_bodies import dump

TOKEN = re.compile(r"\A[\w!#$%&'*+.^`|~-]+\Z", re.ASCII)
UNPRINTABLE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
MEDIA_TYPE = re.compile(r"\A[\w!#$&^.+-]+/[\w!#$&^.+-]+\Z", re.ASCII)
# These frame the message; they are the server's to set.
FRAMING = frozenset({"content-length", "transfer-encoding", "connection", "keep-alive", "upgrade", "te", "trailer"})
TEXTUAL = frozenset(
    {"application/xml", "application/javascript", "application/x-www-form-urlencoded", "application/xhtml+xml"}
)

# Of a result that an extension picks a part from, these headers go with that part: they keep a browser from doing more
# with it than the action wants.
PROTECTING = frozenset(
    {"content-security-policy", "x-content-type-options", "x-frame-options", "referrer-policy", "cache-control"}
)

Header = tuple[str, str]


def is_json_family(media: str) -> bool:
    return media == "application/json" or media.endswith("+json")


def is_textual(media: str) -> bool:
    """Whether bodies of this type travel as text; all others, JSON excepted, travel as base64."""
    return media.startswith("text/") or media in TEXTUAL


def broken() -> Response:
    """What OpenWhisk says of a result that is a list, whatever the extension: it takes no web action to answer so."""
    return Response(INTERNAL, 500, media_type="text/plain; charset=UTF-8")


def invalid(media: str) -> Refusal:
    return Refusal(400, f"Response is not valid '{media}'.")


def http(result: Any) -> Response:
    """`{statusCode, headers, body}`, all optional; without a body it is a 204."""
    if not isinstance(result, dict):
        raise invalid("message/http")
    headers = _headers(result.get("headers"))
    body = result.get("body")
    if body in (None, ""):
        return _response(b"", _status(result.get("statusCode"), 204), headers)
    status = _status(result.get("statusCode"), 200)
    if isinstance(body, str):
        return _text_response(body, status, headers)
    media = _content_type(headers, "application/json")
    if not is_json_family(_media(media)):
        raise Refusal(400, "Response type in header did not match generated content type.")
    return _response(dump(body), status, _set_type(headers, media))


def _text_response(body: str, status: int, headers: Sequence[Header]) -> Response:
    content_type = _content_type(headers, "text/html; charset=UTF-8")
    media = _media(content_type)
    if not MEDIA_TYPE.match(media):
        raise Refusal(400, "Response did not specify a known content-type.")
    if is_textual(media) or is_json_family(media):
        if media.startswith("text/") and ";" not in content_type:
            content_type += "; charset=UTF-8"
        return _response(_encode(body), status, _set_type(headers, content_type))
    try:
        return _response(base64.b64decode(body, validate=True), status, _set_type(headers, content_type))
    except (binascii.Error, ValueError):
        raise Refusal(400, "Response type in header did not match generated content type.") from None


def _status(value: Any, default: int) -> int:
    if value is None:
        return default
    text = str(value) if not isinstance(value, bool | float) else ""
    if not re.fullmatch(r"[2-5]\d\d", text, re.ASCII):
        raise invalid("message/http")
    return int(text)


def _headers(raw: Any) -> list[Header]:
    if raw is None:
        return []
    if not isinstance(raw, dict):
        raise invalid("message/http")
    lists = {name: value if isinstance(value, list) else [value] for name, value in raw.items()}
    pairs = [(name, value) for name, values in lists.items() for value in values]
    return [_header(name, value) for name, value in pairs if name.lower() not in FRAMING and value is not None]


def _header(name: str, value: Any) -> Header:
    """One header, fit to be sent: an action must not be able to end the headers or the process with them."""
    if isinstance(value, dict | list):
        raise invalid("message/http")
    text = value if isinstance(value, str) else json.dumps(value)
    try:
        text.encode("latin-1")
    except UnicodeEncodeError:
        raise invalid("message/http") from None
    if not TOKEN.match(name) or UNPRINTABLE.search(text):
        raise invalid("message/http")
    return name.lower(), text


def _content_type(headers: Sequence[Header], default: str) -> str:
    return next((value for name, value in headers if name == "content-type"), default)


def _media(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def _set_type(headers: Sequence[Header], content_type: str) -> list[Header]:
    return [*(each for each in headers if each[0] != "content-type"), ("content-type", content_type)]


def _response(body: bytes, status: int, headers: Sequence[Header]) -> Response:
    response = Response(b"" if status in (204, 304) else body, status)
    response.raw_headers += [(name.encode(), value.encode("latin-1")) for name, value in headers]
    return response


def _encode(text: str) -> bytes:
    return text.encode(errors="replace")


def as_json(result: Any) -> Response:
    if not isinstance(result, dict):
        raise invalid("application/json")
    return _part(result, dump(result), "application/json")


def html(result: Any) -> Response:
    return _field(result, "html", "text/html", "; charset=UTF-8")


def svg(result: Any) -> Response:
    return _field(result, "svg", "image/svg+xml")


def text(result: Any) -> Response:
    value = result.get("body", result.get("text")) if isinstance(result, dict) else result
    if value is None:
        raise Refusal(404, PROPERTY_MISSING)
    shown = value if isinstance(value, str) else json.dumps(value, indent=2)
    return _part(result, _encode(shown), "text/plain; charset=UTF-8")


def _field(result: Any, name: str, media: str, charset: str = "") -> Response:
    value = result.get("body", result.get(name)) if isinstance(result, dict) else result
    if not isinstance(value, str):
        raise invalid(media)
    return _part(result, _encode(value), media + charset)


def _part(result: Any, body: bytes, content_type: str) -> Response:
    """What an extension made of a result; never to be taken for something else than it says."""
    raw = result.get("headers") if isinstance(result, dict) else None
    headers = [each for each in _headers(raw) if each[0] in PROTECTING] if isinstance(raw, dict) else []
    headers = [each for each in headers if each[0] != "x-content-type-options"]
    return _response(body, 200, [*headers, ("x-content-type-options", "nosniff"), ("content-type", content_type)])


TRANSCODERS: Mapping[str, Callable[[Any], Response]] = {
    ".http": http,
    ".json": as_json,
    ".html": html,
    ".svg": svg,
    ".text": text,
}


def split_extension(name: str) -> tuple[str, str]:
    """The action's name and its extension; without a known one it is `.http`."""
    for extension in TRANSCODERS:
        if name.endswith(extension) and len(name) > len(extension):
            return name.removesuffix(extension), extension
    return name, ".http"
