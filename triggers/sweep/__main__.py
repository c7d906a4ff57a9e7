"""Where OpenWhisk enters `sweep`: one sweep an activation, called by an alarm; `pixwhisk sweep` runs the same code."""

from __future__ import annotations

import time
from collections.abc import Mapping
from threading import Event
from typing import Any

from actions.boundary import answer
from triggers.sweep.handler import Sweep
from triggers.sweep.inbox import opened
from triggers.sweep.invoking import Invoker
from triggers.sweep.lease import mend
from triggers.sweep.rule import UploadRule
from triggers.sweep.settings import SweepSettings

# Time to note what is in flight when the activation's own time is nearly over, in s: a batch takes a second or two.
RESERVE = 15.0
LONGEST = 45.0


def main(params: Mapping[str, Any]) -> dict[str, Any]:
    """Run what is pending for as long as the activation may; `{"swept": {…}, "pending": n, "parked": n}`."""
    return answer(_sweep_for_a_while, params)


def sweep(settings: SweepSettings, until: float = float("inf"), stop: Event | None = None) -> dict[str, Any]:
    """One sweep, until nothing is due. Raises `DatabaseUnavailable`."""
    with opened(settings.database_url, settings.lease) as inbox:
        # An alarm may be all that comes after a sweep that was killed in a burst.
        rule = UploadRule(settings.apihost, settings.auth)
        if mend(inbox.connection, rule):
            print("sweep: the rule was left switched off by a sweep that is gone: it is on again")
        rule.close()
        score = Sweep(inbox, Invoker(settings), settings, stop or Event(), until).run()
        inbox.prune()
        left = inbox.counts()
    print(f"sweep: done={score.done} failed={score.failed} parked={score.parked} pending={left.pending}")
    return {"swept": score.dump(), "pending": left.pending, "parked": left.parked}


def _sweep_for_a_while(params: Mapping[str, Any], environ: Mapping[str, str]) -> dict[str, Any]:
    return sweep(SweepSettings.from_params(params, environ), time.monotonic() + _read_allowed(environ))


def _read_allowed(environ: Mapping[str, str]) -> float:
    """Seconds this activation may begin batches for, from the deadline OpenWhisk gives (ms since the epoch)."""
    try:
        return min(LONGEST, int(environ["__OW_DEADLINE"]) / 1000 - time.time() - RESERVE)
    except (KeyError, ValueError):
        return LONGEST
