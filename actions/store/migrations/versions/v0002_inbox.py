"""The journal that MinIO writes, read by a trigger as it comes in.

MinIO's PostgreSQL target sends `INSERT INTO inbox (event_time, event_data)`, the same event again for ever until it
succeeds, and `SELECT 1 FROM inbox` whenever it connects. So an insert must never be refused, and the role it comes
with must be shown nothing, at once, however many rows there are.
"""

from __future__ import annotations

from actions.store.migrations import run_statements

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    run_statements(__file__)
