"""What a backbone makes of a picture is kept, once per object version: other heads can speak of it, like finds like.

`numbers` lie out of line, so that a scan of all signatures reads little. Two pictures' signatures differ in few bits
where the pictures are alike; whoever is near by that is compared exactly.
"""

from __future__ import annotations

from actions.store.migrations import run_statements

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    run_statements(__file__)
