"""Where OpenWhisk enters `sweep`: one sweep an activation, called by an alarm; `pixwhisk sweep` runs the same code."""

from __future__ import annotations

import os
import time
import traceback
from collections.abc import Mapping
from threading import Event
from typing import Any

from actions.errors import ActionError, UnexpectedFailure, error_result
from triggers.sweep.handler import Sweep
from triggers.sweep.invoking import Invoker
from triggers.sweep.owed import opened
from triggers.sweep.settings import Settings

# Time to note what is in flight when the activation's own time is nearly over, in s: a batch takes a second or two.
RESERVE = 15.0
LONGEST = 45.0


def main(params: Mapping[str, Any]) -> dict[str, Any]:
    """Run what is owed for as long as the activation may; `{"swept": {…}, "owed": n, "parked": n}`."""
    try:
        return sweep(Settings.from_params(params, os.environ), time.monotonic() + _allowed(os.environ))
    except ActionError as error:
        print(f"failed: {error.code}: {error}")
        return error_result(error)
    except Exception as error:  # noqa: BLE001 (the process boundary: whatever it is, the container lives on)
        # Where, not what: the words of a foreign exception may hold an address with its password, or a row.
        print("".join(traceback.format_tb(error.__traceback__)) + type(error).__name__)
        return error_result(UnexpectedFailure(f"an unforeseen {type(error).__name__}; the activation's log says where"))


def sweep(settings: Settings, until: float = float("inf"), stop: Event | None = None) -> dict[str, Any]:
    """One sweep, until nothing is due. Raises `DatabaseUnavailable`."""
    with opened(settings.database_url, settings.lease) as ledger:
        score = Sweep(ledger, Invoker(settings), settings, stop or Event(), until).run()
        ledger.prune()
        left = ledger.counts()
    print(f"sweep: done={score.done} failed={score.failed} parked={score.parked} owed={left.owed}")
    return {"swept": score.dump(), "owed": left.owed, "parked": left.parked}


def _allowed(environ: Mapping[str, str]) -> float:
    """Seconds this activation may begin batches for, from the deadline OpenWhisk gives (ms since the epoch)."""
    try:
        return min(LONGEST, int(environ["__OW_DEADLINE"]) / 1000 - time.time() - RESERVE)
    except (KeyError, ValueError):
        return LONGEST
