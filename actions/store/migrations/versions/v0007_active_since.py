"""Since when a model is active: what another answered before that is not missing, only unanswered by this one."""

from __future__ import annotations

from alembic import op

revision = "0007"
down_revision = "0006"

SINCE = """
-- Of those active so far nobody noted when they began: they owe an outcome about everything, as they always did.
ALTER TABLE models ADD COLUMN active_since timestamptz NOT NULL DEFAULT '-infinity';
COMMENT ON COLUMN models.active_since IS 'what other models answered before is not missing';
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(SINCE)
