"""An event is settled once every model in use has spoken about its object, not by the first of them.

And what is owed stays cheap to find beside ten million rows that are settled.
"""

from __future__ import annotations

from actions.store.migrations import run_statements

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    run_statements(__file__)
