"""Generated requests: whatever is sent, the answer is a proper one, soon, and never a 500."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infra.host.api.routes import application
from infra.host.assembly import Host, assemble
from infra.host.containers.kinds import local_runtimes
from infra.host.entities.models import Action
from infra.host.names import SYSTEM
from infra.host.settings import HostSettings, new_key
from tests.doubles import InProcessPool

# `PIXWHISK_CASES=20000` for the long run.
CASES = int(os.environ.get("PIXWHISK_CASES", "1500"))

ODD = st.sampled_from(
    ["a", "a", "b", "b", "a", "b", "", "_", "guest", "utils", "..", "%00", "%2F", "%ff", "é", "x" * 300]
)
NAMES = st.one_of(ODD, st.text(max_size=12))
COLLECTIONS = st.sampled_from(["actions", "packages", "triggers", "rules", "activations", "limits", "web", "none"])
KEYS = st.sampled_from(
    [
        "name",
        "exec",
        "kind",
        "code",
        "components",
        "image",
        "main",
        "limits",
        "timeout",
        "memory",
        "parameters",
        "annotations",
        "key",
        "value",
        "trigger",
        "action",
        "binding",
        "namespace",
        "publish",
        "version",
        "status",
        "delAnnotations",
        "path",
        "init",
        "final",
        "web-export",
        "triggerName",
        "authKey",
        "lifecycleEvent",
        "cron",
        "trigger_payload",
        "minutes",
        "date",
    ]
)
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([2**63, -(2**70), 10**400, 0.1, "\ud800", "\0", "_", "/_/a", "/guest/b", "sequence", "blackbox"]),
    st.sampled_from(["python:3", "python:default", "active", "CREATE", "* * * * *", "def main(p):\n return p\n"]),
    st.text(max_size=20),
)
DOCUMENTS = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS | st.text(max_size=5), inner, max_size=5)
)
PLACES = st.sampled_from(
    ["/_/a", "/guest/b", "/_/p/a", "/_/t", "/whisk.system/utils/echo", "a", "/_/", "/nobody/x", "//"]
)
PAIRS = st.fixed_dictionaries({"key": KEYS, "value": DOCUMENTS}, optional={"init": LEAVES, "final": LEAVES})
CODE = st.sampled_from(["def main(p):\n return p\n", "def main(p):\n return {'error': p}\n", "test", ""])
EXECS = st.one_of(
    st.fixed_dictionaries({"kind": st.sampled_from(["python:3", "python:default"]), "code": CODE}),
    st.fixed_dictionaries({"kind": st.just("sequence"), "components": st.lists(PLACES, max_size=3)}),
    st.fixed_dictionaries({"kind": st.just("blackbox"), "image": LEAVES}, optional={"code": LEAVES}),
    DOCUMENTS,
)
# Bodies that are nearly what each collection wants: one odd field at a time gets furthest.
ENTITIES = st.fixed_dictionaries(
    {},
    optional={
        "exec": EXECS,
        "parameters": st.lists(PAIRS, max_size=3) | LEAVES,
        "annotations": st.lists(PAIRS, max_size=3) | LEAVES,
        "limits": st.dictionaries(st.sampled_from(["timeout", "memory", "logs"]), LEAVES) | LEAVES,
        "trigger": PLACES | LEAVES,
        "action": PLACES | LEAVES,
        "status": st.sampled_from(["active", "inactive"]) | LEAVES,
        "binding": st.dictionaries(
            st.sampled_from(["namespace", "name"]), st.sampled_from(["_", "guest", "a", "utils"])
        ),
        "publish": st.booleans() | LEAVES,
        "version": st.just("1.2.3") | LEAVES,
    },
)
DEEP = (b"[" * 20_000, b'{"a":' * 3000 + b"1" + b"}" * 3000)
BROKEN = st.sampled_from([*DEEP, b"", b"{", b"\xff\xfe", b'{"a":1e999}', b'{"a":NaN}', b"{}{}"])
VALUES = ENTITIES | ENTITIES | DOCUMENTS
BODIES = st.one_of(BROKEN, st.binary(max_size=40), *[VALUES.map(lambda value: json.dumps(value).encode())] * 4)
JSON = "application/json"
TYPES = st.sampled_from([JSON, JSON, JSON, JSON, "text/plain", "application/x-www-form-urlencoded", "\x7f", ""])
IDS = st.sampled_from(["", "sid_1", "mine", "x" * 999])
FLAGS = st.dictionaries(
    st.sampled_from(["overwrite", "blocking", "result", "limit", "skip", "since", "upto", "name", "timeout", "code"])
    | st.sampled_from(["count", "docs", "force"]),
    st.sampled_from(["true", "false", "1", "0", "-1", "201", "9" * 30, "x", "", "\0", "a/b/c"]),
    max_size=3,
)


Sent = dict[str, Any]


@st.composite
def wild(draw: st.DrawFn) -> Sent:
    """Anything goes anywhere."""
    namespace = draw(st.sampled_from(["_", "guest", "whisk.system"]) | NAMES)
    rest = draw(st.lists(NAMES, max_size=3))
    path = "/".join(["namespaces", namespace, draw(COLLECTIONS), *rest])
    web = "/".join(["web", "guest", draw(st.sampled_from(["default", "a"])), *rest])
    return {
        "method": draw(st.sampled_from(["GET", "PUT", "POST", "DELETE", "PATCH", "OPTIONS", "HEAD"])),
        "path": draw(st.sampled_from([path, path, web])),
        "params": draw(FLAGS),
        "content": draw(BODIES),
        "headers": {"content-type": draw(TYPES), "x-request-id": draw(IDS)},
        "authorized": draw(st.booleans()),
    }


@st.composite
def near(draw: st.DrawFn) -> Sent:
    """All is right but, perhaps, one thing in the body: so the checks behind the first ones are reached."""
    # A name is rarely the same in two collections, or most requests would end in that conflict.
    path = "namespaces/_/" + draw(
        st.sampled_from(
            ["actions/a", "actions/b", "actions/p/a", "actions/p/", "packages/p", "packages/q", "packages/a"]
        )
        | st.sampled_from(["triggers/t", "triggers/u", "rules/r", "rules/s", "actions/t"])
    )
    web = draw(st.sampled_from(["web/guest/default/a", "web/guest/default/a.json/x", "web/guest/p/a.text"]))
    method = draw(st.sampled_from(["PUT", "PUT", "PUT", "POST", "POST", "GET", "DELETE"]))
    return {
        "method": method,
        "path": draw(st.sampled_from([path, path, path, web])) if method in ("GET", "POST") else path,
        "params": draw(st.sampled_from([{"overwrite": "true", "blocking": "true"}, {"force": "true"}])),
        "content": json.dumps(draw(ENTITIES)).encode(),
        "headers": {"content-type": JSON},
        "authorized": True,
    }


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    made = asyncio.new_event_loop()
    yield made
    made.run_until_complete(made.shutdown_default_executor())
    made.close()


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory, loop: asyncio.AbstractEventLoop) -> Iterator[Host]:
    keys = {"guest": new_key(), SYSTEM: new_key()}
    chosen = HostSettings(data=tmp_path_factory.mktemp("hostile"), keys=keys, timeout_blocking_seconds=2)
    host = assemble(chosen, InProcessPool(), local_runtimes())
    loop.run_until_complete(host.start())
    yield host
    loop.run_until_complete(host.stop())


@settings(max_examples=CASES, deadline=None, suppress_health_check=list(HealthCheck))
@given(request=st.one_of(wild(), near(), near()))
@pytest.mark.timeout(1800)
def test_every_request_is_answered(host: Host, loop: asyncio.AbstractEventLoop, request: Sent) -> None:
    """With a status below 500 (a failing action's 502 apart), and with `error` and `code` where refused."""
    response = loop.run_until_complete(asyncio.wait_for(_send(host, request), 10))
    assert response.status_code < 500 or (response.status_code == 502 and request["method"] == "POST"), response.text
    if response.status_code >= 400 and response.status_code != 502 and request["method"] != "HEAD":
        assert response.json().keys() == {"error", "code"}
    if response.headers.get("content-type") == "application/json" and request["method"] != "HEAD":
        response.json()


async def _send(host: Host, request: Sent) -> httpx.Response:
    user, _, secret = host.settings.keys["guest"].partition(":")
    transport = httpx.ASGITransport(application(host), raise_app_exceptions=True)
    async with httpx.AsyncClient(transport=transport, base_url="http://host", verify=False) as client:
        target = httpx.URL("http://host").copy_with(raw_path=_raw(request))
        auth = (user, secret) if request["authorized"] else None
        content, headers = request["content"], request["headers"]
        return await client.request(request["method"], target, content=content, headers=headers, auth=auth)


def _raw(request: Sent) -> bytes:
    path = httpx.URL("http://host/api/v1/" + _quoted(request["path"])).raw_path
    query = str(httpx.QueryParams(request["params"])).encode()
    return path + b"?" + query


def _quoted(path: str) -> str:
    return "".join(each if each.isalnum() or each in "/_.-%@" else f"%{ord(each) % 256:02x}" for each in path)


def test_what_they_left_can_be_read(host: Host) -> None:
    """All that those requests wrote is understood at the next start."""
    again = HostSettings(data=host.settings.data, keys=host.settings.keys)
    restarted = assemble(again, InProcessPool(), local_runtimes())
    assert sorted(str(each.name) for each in restarted.registry.all(Action)) == sorted(
        str(each.name) for each in host.registry.all(Action)
    )
    restarted.registry.close()
