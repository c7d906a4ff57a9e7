"""Containers of each runtime, ended when their test is."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator

import pytest

from tests.contract.proxy.containers import Client, ProcessContainer, node, python
from tests.fixtures.needs import need

Start = Callable[..., Client]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts Python containers with the arguments given."""
    clients: list[Client] = []

    def started(*arguments: str, **how: object) -> Client:
        clients.append(Client(ProcessContainer(*arguments, **how)))  # type: ignore[arg-type]
        return clients[-1]

    yield started
    for client in clients:
        client.close()
        client.container.close()


@pytest.fixture
def runtime(start: Start) -> Client:
    """A Python container."""
    return start(program=python())


@pytest.fixture
def nodejs(start: Start) -> Client:
    """A Node container."""
    found = shutil.which("node")
    need(found, "Node is not on the PATH: install Node 20 or later to run its actions")
    client = start(program=node(str(found)))
    client.language = "nodejs"
    return client


@pytest.fixture(params=["python", "nodejs"])
def any_runtime(request: pytest.FixtureRequest) -> Client:
    """A container of every runtime in turn, for what the contract says of all."""
    client: Client = request.getfixturevalue({"python": "runtime", "nodejs": "nodejs"}[request.param])
    return client
