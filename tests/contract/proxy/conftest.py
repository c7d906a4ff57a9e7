"""Containers of each runtime, ended when their test is."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import pytest

from tests.contract.proxy.containers import Client, Container, ProcessContainer, node
from tests.fixtures.docker import MEMORY, DockerContainer, Image, built_image
from tests.fixtures.needs import need


class Start(Protocol):
    """Starts a Python container with these arguments."""

    def __call__(
        self,
        *arguments: str,
        environment: Mapping[str, str] | None = None,
        directories: Sequence[Path] = (),
        memory: int = MEMORY,
    ) -> Client:
        """It can read `directories`, whose names may be among the arguments. `memory` is in MB, where it is limited."""
        ...


@pytest.fixture
def opened() -> Iterator[Callable[[Container], Client]]:
    """Gives a container its client, and ends both with the test."""
    clients: list[Client] = []

    def client_of(container: Container) -> Client:
        clients.append(Client(container))
        return clients[-1]

    yield client_of
    for client in clients:
        client.close()
        client.container.close()


@pytest.fixture(scope="session")
def image() -> Image:
    """The runtime image."""
    return built_image()


@pytest.fixture(params=["process", "image"])
def start(request: pytest.FixtureRequest, opened: Callable[[Container], Client]) -> Start:
    """Starts containers as local processes, and as OpenWhisk starts the image."""
    name = request.getfixturevalue("image").name if request.param == "image" else None

    def started(
        *arguments: str,
        environment: Mapping[str, str] | None = None,
        directories: Sequence[Path] = (),
        memory: int = MEMORY,
    ) -> Client:
        if name is None:
            return opened(ProcessContainer(*arguments, environment=environment))
        return opened(
            DockerContainer(name, *arguments, environment=environment, directories=directories, memory=memory)
        )

    return started


@pytest.fixture
def runtime(start: Start) -> Client:
    """A Python container."""
    return start()


@pytest.fixture
def nodejs(opened: Callable[[Container], Client]) -> Client:
    """A Node container."""
    found = shutil.which("node")
    need(found, "Node is not on the PATH: install Node 20 or later to run its actions")
    client = opened(ProcessContainer(program=node(str(found))))
    client.language = "nodejs"
    return client


@pytest.fixture(params=["process", "image", "nodejs"])
def any_runtime(request: pytest.FixtureRequest, opened: Callable[[Container], Client]) -> Client:
    """A container of every runtime in turn, for what the contract says of all."""
    if request.param == "nodejs":
        nodejs: Client = request.getfixturevalue("nodejs")
        return nodejs
    if request.param == "image":
        return opened(DockerContainer(request.getfixturevalue("image").name))
    return opened(ProcessContainer())
