"""What people say of pictures, kept with who and when: heads are taught by it (`pixwhisk label`, `pixwhisk teach`)."""

from __future__ import annotations

from actions.store.migrations import run_statements

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    run_statements(__file__)
