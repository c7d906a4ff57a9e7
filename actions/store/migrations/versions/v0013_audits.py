"""What audits found, and since when a bucket is subscribed as it should be: for whoever asks how long all is well."""

from __future__ import annotations

from actions.store.migrations import run_statements

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    run_statements(__file__)
