"""Where containers live."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.host.containers import base, gaps

MEMORY = Path("/dev/shm")


@pytest.fixture(autouse=True)
def _memory(monkeypatch: pytest.MonkeyPatch) -> None:
    if not MEMORY.is_dir() or not base.is_in_memory(MEMORY):
        pytest.skip("/dev/shm is not in memory here")
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(MEMORY))


def test_containers_live_on_a_disk_where_there_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not among temporary files that are in memory, where nobody counts what an action writes."""
    monkeypatch.setattr(base, "_OTHER", tmp_path)
    assert base.find_base() == (MEMORY if base.is_in_memory(tmp_path) else tmp_path)


def test_where_all_is_in_memory_the_host_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nowhere else is there to go."""
    monkeypatch.setattr(base, "_OTHER", MEMORY)
    assert base.find_base() == MEMORY
    assert any("memory that is not counted" in gap for gap in gaps.find_gaps())
