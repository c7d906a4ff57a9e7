"""Since when a row has failed, so that what no attempt is counted of is given up one day, and seen."""

from __future__ import annotations

from actions.store.migrations import run_statements

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    run_statements(__file__)
