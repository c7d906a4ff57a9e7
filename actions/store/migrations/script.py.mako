"""${message}

Small and forward only: the previous release must keep working on the result, because actions of both run for a while.
Add columns with defaults; drop what nothing reads a release later. Lock and statement time-outs are set by the runner,
so a step that would rewrite or scan a large table has to be split.
"""

from __future__ import annotations

from alembic import op

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}


def upgrade() -> None:
    ${upgrades if upgrades else "pass"}
