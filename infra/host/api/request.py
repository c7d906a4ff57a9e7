"""One request to the API: who asks, for what, and with which body; and how it is answered."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from starlette.datastructures import Headers, QueryParams
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from infra.host.auth import Identity
from infra.host.errors import Refusal, malformed, refuse_query, refuse_type
from infra.host.json_bodies import dump, parse, parse_object

LIMIT_ENTITY_BYTES = 50 * 2**20
LIMIT_PAYLOAD_BYTES = 2**20
LIMIT_LIST = 200
DEFAULT_LIST = 30
TIMEOUT_BODY_SECONDS = 60.0

TRUE = frozenset({"true", "yes", "on", "1"})
FALSE = frozenset({"false", "no", "off", "0"})


class Listable(Protocol):
    """An entity as lists show it."""

    def summary(self) -> dict[str, Any]: ...


@dataclass(frozen=True, slots=True)
class Transaction:
    """`rest` are the decoded path segments after the collection; `namespace` is what the path names, `_` resolved."""

    id: str
    request: Request
    identity: Identity
    namespace: str = ""
    rest: Sequence[str] = ()

    @property
    def query(self) -> QueryParams:
        return self.request.query_params

    def flag(self, name: str, *, default: bool) -> bool:
        """A query parameter that must be a yes or a no."""
        value = self.query.get(name)
        if value is None:
            return default
        if value.lower() in TRUE | FALSE:
            return value.lower() in TRUE
        raise refuse_query(name, f"'{value[:64]}' is not a valid Boolean value")

    def page(self, collection: str) -> tuple[int, int]:
        """`skip` and `limit` of a list; a limit of 0 asks for as many as there may be."""
        limit = self._count("limit", collection, DEFAULT_LIST)
        if not 0 <= limit <= LIMIT_LIST:
            raise refuse_query(
                "limit", f"The value '{limit}' is not in the range of 0 to {LIMIT_LIST} for {collection}."
            )
        skip = self._count("skip", collection, 0)
        if skip < 0:
            raise refuse_query("skip", f"The value '{skip}' is not greater than or equal to 0 for {collection}.")
        return skip, limit or LIMIT_LIST

    def _count(self, name: str, collection: str, default: int) -> int:
        return self.integer(name, default, "The value '{}' is not an integer for " + f"{collection}.")

    def integer(self, name: str, default: int, words: str) -> int:
        """A query parameter that must be a whole number of at most 18 digits, so that it fits wherever it is going.

        `words` refuse any other, which stands in them for `{}`.
        """
        text = self.query.get(name)
        if text is None or text == "":
            return default
        digits = text.removeprefix("-")
        if not (digits.isascii() and digits.isdigit() and len(digits) <= 18):
            raise refuse_query(name, words.format(text[:64]))
        return int(text)

    async def document(self, first: str) -> dict[str, Any]:
        """The body, which must be a JSON object; `first` is the field that OpenWhisk misses in any other."""
        body = await read_body(self.request, LIMIT_ENTITY_BYTES)
        if body:
            self._check_type()
        value = parse(body)
        if not isinstance(value, dict):
            raise malformed(f"Object expected in field '{first}'")
        return value

    async def measure_document(self, limit: int) -> tuple[dict[str, Any], int]:
        """A body that is an object or nothing, and its bytes."""
        body = await read_body(self.request, limit)
        if body:
            self._check_type()
        return parse_object(body), len(body)

    def _check_type(self) -> None:
        if not is_json(self.request.headers):
            raise refuse_type(shown_type(self.request.headers))


def media_type(headers: Headers) -> str:
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def shown_type(headers: Headers) -> str:
    """The type of a body as OpenWhisk repeats it: octets where none is named, the charset in capitals."""
    named = re.sub(
        r"(?i)charset=\S+",
        lambda found: found[0].upper().replace("CHARSET", "charset"),
        headers.get("content-type", ""),
    )
    return named or "application/octet-stream"


def is_json(headers: Headers) -> bool:
    return media_type(headers) == "application/json"


async def read_body(request: Request, limit: int) -> bytes:
    """The whole body; a 413 as soon as it is known to exceed `limit`, a 408 if it dawdles."""
    declared = request.headers.get("content-length", "0")
    if declared.isascii() and declared.isdigit() and int(declared[:18]) > limit:
        raise oversized(int(declared[:18]), limit)
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(TIMEOUT_BODY_SECONDS):
            async for part in request.stream():
                size += len(part)
                if size > limit:
                    raise oversized(size, limit)
                parts.append(part)
    except TimeoutError:
        raise Refusal(408, "The request's body did not arrive in time.", {"Connection": "close"}) from None
    except ClientDisconnect:
        raise malformed("Body cut short") from None
    return b"".join(parts)


def oversized(size: int, limit: int) -> Refusal:
    return Refusal(413, f"Request larger than allowed: {size} > {limit} bytes.")


def transaction_id(headers: Headers) -> str:
    """The caller's `X-Request-ID`, unless it is one of ours, too long or not printable."""
    given = headers.get("x-request-id", "")
    if given and not given.startswith("sid_") and len(given) <= 128 and given.isascii() and given.isprintable():
        return given
    return secrets.token_urlsafe(24)


def reply_page(transaction: Transaction, collection: str, found: Sequence[Listable], page: tuple[int, int]) -> Response:
    """One page (`Transaction.page`) of what was found, or with `count` how much there is from there on."""
    skip, limit = page
    if transaction.flag("count", default=False):
        return reply({collection: max(0, len(found) - skip)})
    return reply([each.summary() for each in found[skip : skip + limit]])


def reply(document: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(dump(document), status, headers, "application/json")
