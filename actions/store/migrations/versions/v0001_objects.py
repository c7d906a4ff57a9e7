"""Objects, models, outcomes, and the views over them."""

from __future__ import annotations

from actions.store.migrations import run_statements

revision = "0001"
down_revision = None


def upgrade() -> None:
    run_statements(__file__)
