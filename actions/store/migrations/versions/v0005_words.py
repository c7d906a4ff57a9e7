"""What was `owed` is `pending`, a model that was `in_use` is `active`, and MinIO is the object store in every reason.

Unlike other steps this one is not survived by the release before: until its actions are deployed anew they answer
`database-unavailable`, and what is uploaded meanwhile waits in the inbox.
"""

from __future__ import annotations

from actions.store.migrations import run_statements

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    run_statements(__file__)
