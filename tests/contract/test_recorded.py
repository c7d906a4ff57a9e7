"""Requests as `wsk` and wskdeploy send them get the replies these programs need."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.contract.clients import replay, wsk
from tests.contract.clients.replay import Comparison, Recording, Step
from tests.fixtures.deployment import eventually
from tests.fixtures.whisk import Whisk, embedded_host, expect_difference

# What quotas are counted over, and a little.
MINUTE = 65.0


@pytest.mark.timeout(600)
@pytest.mark.parametrize("recording", replay.recordings(), ids=str)
def test_recorded(whisk: Whisk, recording: Recording) -> None:
    """Every request of a recorded session is answered as the client that sends it expects."""
    known = {"own": f"recorded-{secrets.token_hex(4)}-", "namespace": whisk.namespace, "key": whisk.key}
    with whisk.client(authorized=False) as client:
        try:
            failures = _replay(Replayer(client, whisk.key, recording.client), recording, known)
        finally:
            for path in replay.undone(recording.steps):
                client.delete(replay.filled(path, known), headers=_credentials(whisk.key))
    expect_difference(whisk, recording.name, failures)


def _replay(replayer: Replayer, recording: Recording, known: dict[str, str]) -> str:
    for number, step in enumerate(recording.steps, 1):
        comparison = replayer.play(step, known)
        if comparison.differences:
            lines = "\n  ".join(comparison.differences)
            return f"step {number}, {step.command} ({step.method} {step.path}):\n  {lines}"
        known.update(comparison.captured)
    return ""


@dataclass(frozen=True)
class Replayer:
    """Sends steps as `program` does, and judges the replies as it would."""

    client: httpx.Client
    key: str
    program: str

    def play(self, step: Step, known: Mapping[str, str]) -> Comparison:
        """How the reply differs from what is expected; a step that settles is sent until it does not."""
        if not step.settles:
            return self._once(step, known)
        last = self._once(step, known)

        def settled() -> bool:
            nonlocal last
            last = self._once(step, known)
            return not last.differences

        if last.differences:
            eventually(settled, lambda: f"{step.command}: {last.differences}")
        return last

    def _once(self, step: Step, known: Mapping[str, str]) -> Comparison:
        content = None if step.body is None else replay.encode(replay.filled(step.body, known))
        headers = replay.headers(self.program, content is not None)
        if step.authorized:
            headers |= _credentials(self.key)
        url = replay.filled(replay.path_of(step), known)
        request = self.client.build_request(step.method, url, content=content, headers=headers | dict(step.headers))
        return _judge(step, self._within_quota(request), known)

    def _within_quota(self, request: httpx.Request) -> httpx.Response:
        """The reply; where a real OpenWhisk grants no more calls this minute, that of the next one."""
        return eventually(lambda: _unless_throttled(self.client.send(request)), "a call within the quota", MINUTE)


def _unless_throttled(reply: httpx.Response) -> httpx.Response | None:
    return None if reply.status_code == 429 else reply


def _judge(step: Step, reply: httpx.Response, known: Mapping[str, str]) -> Comparison:
    comparison = Comparison()
    comparison.compare(step.status, reply.status_code, "status")
    if comparison.differences:
        comparison.differences.append(f"body: {reply.text[:1000]}")
        return comparison
    body = _body(reply)
    if step.expected is not None:
        comparison.compare(replay.filled(step.expected, known), body)
    for name, pattern in step.reply_headers.items():
        value = reply.headers.get(name)
        if value is None or not re.search(pattern, value):
            comparison.differences.append(f"header {name}: expected {pattern!r}, got {value!r}")
    comparison.differences += _client_faults(step, body)
    return comparison


def _client_faults(step: Step, body: Any) -> list[str]:
    """What the client itself could not make sense of, however right the reply looks. Web actions are read by others."""
    if step.path.startswith("/api/v1/web/"):
        return []
    if step.status >= 400:
        return [] if wsk.understood(step.status, body) else [f"wsk would report a failed connection: {body!r}"]
    return wsk.undecodable(wsk.shape_of(step), body) if step.status != 204 else []


def _body(reply: httpx.Response) -> Any:
    is_json = reply.headers.get("content-type", "").startswith("application/json")
    return reply.json() if is_json and reply.content else reply.text


def _credentials(key: str) -> dict[str, str]:
    request = next(httpx.BasicAuth(*key.split(":", 1)).auth_flow(httpx.Request("GET", "http://host")))
    return {"Authorization": request.headers["Authorization"]}


def test_quota_is_refused_in_openwhisks_words(throttled_whisk: Whisk) -> None:
    """A stock OpenWhisk's sixty fires a minute are followed by 429s that `wsk` can print."""
    with throttled_whisk.client() as client:
        client.put("/api/v1/namespaces/_/triggers/busy", json={}).raise_for_status()
        # Twice the quota and one more: some minute must see one too many.
        replies = (client.post("/api/v1/namespaces/_/triggers/busy", json={}) for _ in range(121))
        refused = next(reply for reply in replies if reply.status_code != 204)
    assert refused.status_code == 429
    assert refused.json()["error"] == "Too many requests in the last minute (count: 61, allowed: 60)."
    assert wsk.understood(429, refused.json())
    assert wsk.exit_code(429) == 173


def test_blocking_call_is_answered_before_its_end(tmp_path: Path) -> None:
    """A call that outlives the wait is a 202 with the id under which its record will be found."""
    code = "import time\n\ndef main(args):\n    time.sleep(1)\n    return {'done': True}\n"
    with embedded_host(tmp_path, "--timeout-blocking", "0.2") as whisk, whisk.client() as client:
        action = {"exec": {"kind": "python:default", "code": code}}
        client.put("/api/v1/namespaces/_/actions/slow", json=action).raise_for_status()
        reply = client.post("/api/v1/namespaces/_/actions/slow?blocking=true&result=true", json={})
        assert reply.status_code == 202
        activation = reply.json()["activationId"]
        assert reply.json() == {"activationId": activation}
        assert reply.headers["x-openwhisk-activation-id"] == activation

        def ended() -> bool:
            found = client.get(f"/api/v1/namespaces/_/activations/{activation}/result")
            return found.is_success and found.json()["result"] == {"done": True}

        eventually(ended, "the record of the slow call")


@pytest.mark.parametrize(
    ("expected", "actual"),
    [
        ({"a": 1}, {"a": 1, "b": 2}),
        ([1, {"$capture": "x"}], [1, "anything"]),
        ({"$has": [2]}, [1, 2]),
        ({"a": {"$absent": True}}, {}),
        ({"$json": {"a": 1}}, '{"a": 1}'),
        ({"$matches": "^a"}, "abc"),
    ],
)
def test_comparison_finds_no_difference(expected: Any, actual: Any) -> None:
    """A part of a body is what is expected of it."""
    assert Comparison().compare(expected, actual).differences == []


@pytest.mark.parametrize(
    ("expected", "actual"),
    [
        ({"a": 1}, {}),
        ({"a": 1}, {"a": True}),
        ([1], [1, 2]),
        ({"$has": [3]}, [1, 2]),
        ({"a": {"$absent": True}}, {"a": None}),
        ({"$json": {"a": 1}}, '{"a": 2}'),
        ({"$matches": "^a"}, 1),
    ],
)
def test_comparison_finds_the_difference(expected: Any, actual: Any) -> None:
    """Whatever an expected body says is looked for."""
    assert Comparison().compare(expected, actual).differences


def test_client_faults_are_found() -> None:
    """What the Go client would drop in silence, or take for a broken connection, is seen here."""
    assert wsk.undecodable(wsk.ACTION, {"name": 1, "limits": {"memory": 256.0}, "publish": None}) == [
        "body.name: str is expected, got 1",
        "body.limits.memory: int is expected, got 256.0",
    ]
    assert not wsk.understood(404, {"error": "missing"})
    assert wsk.understood(404, {"error": "missing", "code": "abc"})
    assert wsk.understood(502, {"error": "the action's"})
