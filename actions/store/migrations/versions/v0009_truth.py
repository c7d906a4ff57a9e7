"""An event is done once what is stored says the same of its object, not once something later by the clock is stored."""

from __future__ import annotations

from actions.store.migrations import run_statements

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    run_statements(__file__)
