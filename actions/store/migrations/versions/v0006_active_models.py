"""Whether a model is active is for the schema's owner to say, not for whoever learns of a model."""

from __future__ import annotations

from actions.store.migrations import run_statements

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    run_statements(__file__)
