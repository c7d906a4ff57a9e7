"""Requests with what a real OpenWhisk answered: `tests/contract/answers.json`, one exchange a line, in order.

`python -m tests.contract.clients.answers`, with `WHISK_HOST` and `WHISK_AUTH` set, asks that OpenWhisk anew and writes
its answers. A request's text may hold `${own}`, which begins the names of entities and differs in each run, and
`${namespace}`; `@FIELD` is an action whose FIELD is over a megabyte. Answers are kept without what differs from call to
call: ids, moments, transactions, and what belongs to an installation (its kinds, quotas and build).
"""

from __future__ import annotations

import json
import os
import re
import secrets
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import httpx

ANSWERS = Path(__file__).parents[1] / "answers.json"
COMPARED_HEADERS = ("allow", "www-authenticate", "location", "x-one", "x-two", "x-three")
MOMENTS = ("updated", "start", "end", "duration")
QUOTAS = ("invocationsPerMinute", "firesPerMinute", "concurrentInvocations", "maxActionInstances")
TIMES = ("waitTime", "initTime")
LARGE = 1_099_998


@dataclass(frozen=True)
class Asked:
    """One request. `hex` is a body that is no text; `key` says whether the caller's credentials go along."""

    name: str
    method: str
    path: str
    text: str | None = None
    hex: str | None = None
    headers: Mapping[str, str] | None = None
    key: bool = True


@dataclass(frozen=True)
class Answered:
    """What came back, as far as it is the same each time."""

    status: int
    type: str
    headers: Mapping[str, str]
    body: Any


@dataclass(frozen=True)
class Exchange:
    asked: Asked
    answered: Answered


def exchanges() -> list[Exchange]:
    """All there are; what is made by one is used by those after it."""
    raw = json.loads(ANSWERS.read_text())
    return [Exchange(Asked(**each["asked"]), Answered(**each["answered"])) for each in raw]


def ask_all(client: httpx.Client, key: str, namespace: str, asked: list[Asked]) -> Iterator[Answered]:
    """Ask one after the other, under names of this run; a refusal for the quota's sake is asked again."""
    own = f"answers-{secrets.token_hex(4)}-"
    for each in asked:
        reply = _ask(client, key, {"${own}": own, "${namespace}": namespace}, each)
        while reply.status_code == 429:
            time.sleep(1.0)
            reply = _ask(client, key, {"${own}": own, "${namespace}": namespace}, each)
        yield _kept(
            reply, {own: "${own}", f"'{namespace}/": "'${namespace}/", f"/{namespace}/": "/${namespace}/"}, namespace
        )


def _ask(client: httpx.Client, key: str, known: Mapping[str, str], asked: Asked) -> httpx.Response:
    content = bytes.fromhex(asked.hex) if asked.hex else _body(_replaced(asked.text, known)) if asked.text else None
    headers = {"Content-Type": "application/json"} if content is not None else {}
    headers |= asked.headers or {}
    headers = {name: value for name, value in headers.items() if value}
    auth = httpx.BasicAuth(*key.split(":", 1)) if asked.key else None
    path = _replaced(asked.path, known)
    return client.request(asked.method, path, content=content, headers=headers, auth=auth)


def _body(text: str) -> bytes:
    if not text.startswith("@"):
        return text.encode()
    if text == "@body":
        return json.dumps({"a": "x" * LARGE}).encode()
    large = [{"key": "abc", "value": "x" * LARGE}]
    return json.dumps({"exec": {"kind": "python:default", "code": "x"}, text[1:]: large}).encode()


def _replaced(text: str, known: Mapping[str, str]) -> str:
    for name, value in known.items():
        text = text.replace(name, value)
    return text


def _kept(reply: httpx.Response, names: Mapping[str, str], namespace: str) -> Answered:
    media = reply.headers.get("content-type", "")
    text = re.sub(r"\b[0-9a-f]{32}\b", "ID", _replaced(reply.text, names))
    body = _lasting(json.loads(text), namespace) if media == "application/json" and text else text
    headers = {name: reply.headers[name] for name in COMPARED_HEADERS if name in reply.headers}
    return Answered(reply.status_code, media, headers, body)


def _lasting(value: Any, namespace: str) -> Any:
    """`value` without what differs from call to call, or from installation to installation."""
    if isinstance(value, list):
        return [_lasting(each, namespace) for each in value if not _is_cold(each)]
    if isinstance(value, dict):
        kept = {name: _lasting(each, namespace) for name, each in value.items() if not _is_transaction(name, value)}
        kept |= {name: 0 for name in (*MOMENTS, *QUOTAS) if isinstance(kept.get(name), int)}
        return kept | {"value": 0} if kept.get("key") in TIMES else kept
    if isinstance(value, str):
        known = re.sub(r"Valid values are: .*", "Valid values are: …", value)
        return re.sub(rf"^{re.escape(namespace)}(?=$|/)", "${namespace}", known)
    return value


def _is_cold(value: Any) -> bool:
    """Whether this is the annotation of a call that had to wait for its container."""
    return isinstance(value, dict) and value.get("key") == "initTime"


def _is_transaction(name: str, around: Mapping[str, Any]) -> bool:
    return name == "code" and "error" in around


def _capture() -> None:
    asked = [each.asked for each in exchanges()]
    with httpx.Client(base_url=os.environ["WHISK_HOST"], timeout=90) as client:
        key = os.environ["WHISK_AUTH"]
        user, _, secret = key.partition(":")
        (namespace,) = client.get("/api/v1/namespaces", auth=(user, secret)).json()
        answered = ask_all(client, key, namespace, asked)
        write([Exchange(*pair) for pair in zip(asked, answered, strict=True)])


def write(found: list[Exchange]) -> None:
    """One exchange a line, so that a difference between two captures is read as easily as it is found."""
    lines = [_line(replace(each.asked), each.answered) for each in found]
    ANSWERS.write_text("[\n" + ",\n".join(lines) + "\n]\n")


def _line(asked: Asked, answered: Answered) -> str:
    short = {name: value for name, value in asdict(asked).items() if value not in (None, True)}
    return json.dumps({"asked": short, "answered": asdict(answered)}, ensure_ascii=False)


if __name__ == "__main__":
    _capture()
