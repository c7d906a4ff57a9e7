"""What makes an outcome one about its object as it is now is said once."""

from __future__ import annotations

from actions.store.migrations import run_statements

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    run_statements(__file__)
