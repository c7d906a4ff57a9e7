"""The host's tests run with the in-process double and with the real pool: what passes on one must pass on the other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from infra.host.calls import Pool
from infra.host.containers.pool import PoolSettings, open_pool
from tests.contract.host.served import Namespace, Served, serving
from tests.doubles import InProcessPool


def make_pool(kind: str) -> Pool:
    return InProcessPool() if kind == "double" else open_pool(PoolSettings())


@pytest.fixture(scope="session", params=["double", "processes"])
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A host with generous quotas."""
    with serving(tmp_path_factory.mktemp("host"), make_pool(request.param)) as running:
        yield running


@pytest.fixture
def guest(served: Served) -> Iterator[Namespace]:
    """A namespace of one's own."""
    namespace = served.fresh()
    with closing(namespace):
        yield namespace


@pytest.fixture
def other(served: Served) -> Iterator[Namespace]:
    """Somebody else."""
    namespace = served.fresh()
    with closing(namespace):
        yield namespace
