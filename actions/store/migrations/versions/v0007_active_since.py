"""Since when a model is active: what another answered before that is not missing, only unanswered by this one."""

from __future__ import annotations

from actions.store.migrations import run_statements

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    run_statements(__file__)
