"""Index what is owed in the very order in which it is claimed; otherwise each claim sorts all of a large backfill."""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.execute("DROP INDEX inbox_owed")
    op.execute("CREATE INDEX inbox_owed ON inbox (backfill, id DESC) WHERE state = 'owed'")
