"""Markers of folders (`photos/`, no bytes), as consoles make them, are no work: settled as they come."""

from __future__ import annotations

from actions.store.migrations import run_statements

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    run_statements(__file__)
