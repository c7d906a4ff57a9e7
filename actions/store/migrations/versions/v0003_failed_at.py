"""When a row last failed: an attempt counts against it only if something else could be stored since.

Otherwise an hour without the object store would park every upload of that hour.
"""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.execute("ALTER TABLE inbox ADD COLUMN failed_at timestamptz")
