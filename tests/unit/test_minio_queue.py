"""The journal's queue on disk, as MinIO finds it when it starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.services.minio import Credentials, JournalTarget, MinioServer
from tests.fixtures.outcomes import event

WHOLE = event("cat.jpg", "17", raw="cat.jpg").encode()


@pytest.fixture
def server(tmp_path: Path) -> MinioServer:
    target = JournalTarget("JOURNAL", "host=/nowhere", tmp_path / "journal")
    return MinioServer(tmp_path, Path("minio"), 9000, Credentials.random(), [target])


@pytest.mark.parametrize("torn", [b"", WHOLE[:-1], WHOLE[:40], WHOLE[:-8] + b"\0" * 8, b"\xff" + WHOLE])
def test_half_an_event_does_not_hold_back_the_others(server: MinioServer, torn: bytes) -> None:
    """What a crash or a full disk left is set aside before MinIO starts; whole events stay."""
    queue = server.directory / "journal" / "minio-postgresql-JOURNAL"
    queue.mkdir(parents=True)
    (queue / "1.event").write_bytes(torn)
    (queue / "2.event").write_bytes(WHOLE)
    server.prepare()
    assert [path.name for path in queue.iterdir()] == ["2.event"]
    assert (server.directory / "torn" / "1.event").read_bytes() == torn


def test_an_empty_queue_needs_nothing(server: MinioServer) -> None:
    """The first start, and any after a clean stop."""
    server.prepare()
    assert not (server.directory / "torn").exists()
