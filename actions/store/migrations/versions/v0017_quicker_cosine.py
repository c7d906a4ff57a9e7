"""Two embeddings are compared in less time: each number is looked at once, rather than wherever it is used."""

from __future__ import annotations

from actions.store.migrations import run_statements

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    run_statements(__file__)
