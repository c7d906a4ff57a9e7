"""Records: found at once, written behind, pruned, and never in an invoke's way."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from infra.host.activations.archive import ActivationQuery, Archive, Retention
from infra.host.activations.record import ActivationRecord, new_id


def activation(start: int, **fields: Any) -> ActivationRecord:
    annotations = [{"key": "path", "value": "guest/p/a"}]
    given: dict[str, Any] = {"name": "a", "result": {}, "annotations": annotations, **fields}
    return ActivationRecord(
        id=new_id(), namespace="guest", version="0.0.1", start=start, end=start, duration=0, status=0, logs=(), **given
    )


def run(archive: Archive, test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Without the writer's task: a test says when it is written."""

    async def with_stop() -> None:
        try:
            await test()
        finally:
            await archive.stop()

    asyncio.run(with_stop())


def test_written_and_unwritten_are_one_list(tmp_path: Path) -> None:
    """In order, each once, whichever side of the writing they are on."""
    archive = Archive(tmp_path / "a.db", clock=lambda: 1.0)

    async def test() -> None:
        for start in (1, 2, 3):
            archive.record(activation(start))
        await archive.flush()
        for start in (4, 5):
            archive.record(activation(start))
        listed = await archive.search(ActivationQuery("guest", limit=3, skip=1), full=False)
        assert [each["start"] for each in listed] == [4, 3, 2]
        assert await archive.count(ActivationQuery("guest")) == 5
        assert await archive.count(ActivationQuery("guest", filter="a")) == 0
        assert await archive.count(ActivationQuery("guest", filter="p/a", since=2, upto=4)) == 3

    run(archive, test)


def test_records_survive(tmp_path: Path) -> None:
    """Once written; a stop writes them."""
    kept = activation(1, result={"odd": "\ud800"})
    archive = Archive(tmp_path / "a.db", clock=lambda: 1.0)

    async def record() -> None:
        archive.record(kept)

    run(archive, record)
    again = Archive(tmp_path / "a.db", clock=lambda: 1.0)

    async def find() -> None:
        assert await again.find("guest", kept.id) == kept.dump()
        assert await again.find("other", kept.id) is None

    run(again, find)


def test_what_cannot_be_json_is_left_out(tmp_path: Path) -> None:
    """It does not hold back the others."""
    archive = Archive(tmp_path / "a.db", clock=lambda: 1.0)

    async def test() -> None:
        archive.record(activation(1, result={"x": float("nan")}))
        archive.record(activation(2))
        assert await archive.flush()
        assert await archive.count(ActivationQuery("guest")) == 1

    run(archive, test)


def test_age_and_size_are_bounded(tmp_path: Path) -> None:
    """The oldest go first."""
    retention = Retention(bytes=100_000, age_seconds=1000)
    archive = Archive(tmp_path / "a.db", retention, clock=lambda: 2000.0)

    async def test() -> None:
        archive.record(activation(999_999))
        archive.record(activation(1_000_001))
        await archive.flush()
        assert await archive.count(ActivationQuery("guest")) == 1
        for start in range(400):
            archive.record(activation(1_100_000 + start, result={"x": "x" * 1000}))
        await archive.flush()
        archive.record(activation(1_200_000))
        await archive.flush()
        listed = await archive.search(ActivationQuery("guest", limit=200), full=False)
        assert 0 < len(listed) < 100
        assert listed[0]["start"] == 1_200_000

    run(archive, test)


def test_a_failing_disk_costs_old_records_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is bounded, the newest are still found, and all that is left is written later."""
    archive = Archive(tmp_path / "a.db", Retention(unwritten_bytes=20_000), clock=lambda: 1.0)
    write = archive._write

    def fail(rows: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    async def test() -> None:
        monkeypatch.setattr(archive, "_write", fail)
        for start in range(100):
            archive.record(activation(start, result={"x": "x" * 1000}))
        assert not await archive.flush()
        left = await archive.count(ActivationQuery("guest"))
        assert 0 < left < 20
        assert (await archive.search(ActivationQuery("guest"), full=False))[0]["start"] == 99
        monkeypatch.setattr(archive, "_write", write)
        assert await archive.flush()
        assert await archive.count(ActivationQuery("guest")) == left

    run(archive, test)


def test_a_damaged_file_is_set_aside(tmp_path: Path) -> None:
    """The host starts without it."""
    path = tmp_path / "a.db"
    path.write_bytes(b"no database at all" * 100)
    archive = Archive(path)

    async def test() -> None:
        assert await archive.count(ActivationQuery("guest")) == 0
        assert path.with_suffix(".damaged").exists()

    run(archive, test)
