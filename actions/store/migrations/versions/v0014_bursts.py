"""Where a sweep notes that uploads go by batch, so that whoever comes after it can end what it left behind."""

from __future__ import annotations

from actions.store.migrations import run_statements

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    run_statements(__file__)
