"""Whether uploads go by batch just now; and the end of it, where the sweep that began it is gone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import psycopg

from triggers.sweep.lease import find_burst, mend
from triggers.sweep.rule import RULE, UploadRule


@dataclass(frozen=True, slots=True)
class BurstState:
    """`since` when uploads go by batch, None where they go by their events. `mended`: a sweep that is gone had left the
    rule switched off, and it was switched on.
    """

    since: datetime | None
    mended: bool


def look_at_burst(url: str, apihost: str, auth: str, *, whoever: bool = False) -> BurstState:
    """What the database at `url` says, mended if need be; `whoever`: no sweep runs. Raises nothing: a database that is
    away, or of an older schema, knows of no burst.
    """
    rule = UploadRule(apihost, auth)
    try:
        with psycopg.connect(url, autocommit=True, connect_timeout=5) as connection:
            mended = mend(connection, rule, whoever=whoever)
            found = find_burst(connection, RULE)
            return BurstState(found.since if found else None, mended)
    except psycopg.Error:
        return BurstState(None, mended=False)
    finally:
        rule.close()
