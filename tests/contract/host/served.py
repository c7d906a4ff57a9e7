"""A host served over real HTTP from a thread, and a client for one namespace of it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from infra.host.activations.throttle import Quotas
from infra.host.api.routes import application
from infra.host.api.server import listen, server
from infra.host.assembly import Host, assemble
from infra.host.calls import Pool
from infra.host.containers.kinds import local_runtimes
from infra.host.names import SYSTEM
from infra.host.settings import HostSettings, new_key
from tests.fixtures.deployment import eventually

ECHO = "def main(params):\n    print('echoing')\n    return params\n"
FAIL = "def main(params):\n    return {'error': 'no use', 'more': 1}\n"


@dataclass(frozen=True)
class Served:
    """A host that runs. `fresh` gives a namespace that no other test has used."""

    url: str
    host: Host
    _unused: list[str] = field(default_factory=list)

    def fresh(self) -> Namespace:
        name = self._unused.pop()
        return Namespace(name, self.url, self.host.settings.keys[name])


@dataclass
class Namespace:
    """A namespace's owner at work. Paths are relative to `/api/v1/namespaces/_`; `plain` sends no key."""

    name: str
    url: str
    key: str = field(repr=False)

    def __post_init__(self) -> None:
        user, _, secret = self.key.partition(":")
        self.http = httpx.Client(base_url=self.url, auth=(user, secret), timeout=70, verify=False)
        self.plain = httpx.Client(base_url=self.url, timeout=70, verify=False)

    def close(self) -> None:
        self.http.close()
        self.plain.close()

    def ask(self, method: str, path: str, json: Any = None, **named: Any) -> httpx.Response:
        body = {} if json is None else {"json": json}
        return self.http.request(method, f"/api/v1/namespaces/_/{path}", **body, **named)

    def ok(self, method: str, path: str, json: Any = None, **named: Any) -> Any:
        """The reply's document, or None where it has none; anything but a success fails the test."""
        response = self.ask(method, path, json, **named)
        assert response.is_success, (response.status_code, response.text)
        return response.json() if response.headers.get("content-type") == "application/json" else None

    def refused(self, method: str, path: str, json: Any = None, **named: Any) -> tuple[int, str]:
        """The status and words of a refusal, whose body must be what clients need."""
        response = self.ask(method, path, json, **named)
        return refusal(response)

    def action(self, name: str, code: str = ECHO, **fields: Any) -> Any:
        body = {"exec": {"kind": "python:default", "code": code}, **fields}
        return self.ok("PUT", f"actions/{name}?overwrite=true", body)

    def sequence(self, name: str, *components: str) -> Any:
        body = {"exec": {"kind": "sequence", "components": list(components)}}
        return self.ok("PUT", f"actions/{name}?overwrite=true", body)

    def invoke(self, name: str, **payload: Any) -> Any:
        """The whole record of a blocking invoke, whatever its status."""
        return self.ask("POST", f"actions/{name}?blocking=true", payload).json()

    def result(self, name: str, **payload: Any) -> Any:
        return self.ok("POST", f"actions/{name}?blocking=true&result=true", payload)

    def record(self, activation_id: str) -> Any:
        """The record, once it is there."""
        path = f"activations/{activation_id}"
        eventually(lambda: self.ask("GET", path).status_code == 200, f"activation {activation_id}")
        return self.ok("GET", path)


def refusal(response: httpx.Response) -> tuple[int, str]:
    document = response.json()
    assert document.keys() == {"error", "code"}, document
    assert isinstance(document["error"], str)
    assert document["code"] == response.headers["x-request-id"]
    return response.status_code, document["error"]


@contextmanager
def serving(
    data: Path,
    pool: Pool,
    *,
    quotas: Quotas | None = None,
    namespaces: int = 200,
    clock: Callable[[], float] = time.time,
) -> Iterator[Served]:
    """Serve until the block ends; then stop as on SIGTERM."""
    names = [f"tenant-{number}" for number in range(namespaces)]
    keys: Mapping[str, str] = {name: new_key() for name in [SYSTEM, *names]}
    chosen = HostSettings(data=data, keys=keys, port=0, quotas=quotas or Quotas())
    host = assemble(chosen, pool, local_runtimes(), clock)
    listening = listen(chosen)
    serving_host = server(host, application(host))
    thread = threading.Thread(target=lambda: asyncio.run(serving_host.serve(sockets=[listening])), daemon=True)
    thread.start()
    try:
        eventually(lambda: serving_host.started, "the host to start")
        yield Served(f"http://127.0.0.1:{listening.getsockname()[1]}", host, names)
    finally:
        serving_host.should_exit = True
        thread.join(15)
        assert not thread.is_alive()
