"""Sweeping for ever: woken by the journal's NOTIFY, and now and then without."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event

from actions.errors import DatabaseUnavailable
from triggers.sweep.handler import Runs, Score, Sweep
from triggers.sweep.inbox import Inbox, opened
from triggers.sweep.settings import SweepSettings

Report = Callable[[str], None]

# Away: how long until Postgres is asked again, in s.
PAUSE_DATABASE = 1.0
# A wait for a notification is cut into such pieces, in s, between which `stop` is looked at.
PATIENCE = 0.5
PRUNE_EVERY = 500
PAUSE_GATHER = 0.1


def watch(settings: SweepSettings, runs: Runs, stop: Event, seconds: float, report: Report) -> None:
    """Returns soon after `stop` is set. `seconds`: how often to look without being woken, for rows that failed."""
    away = False
    while not stop.is_set():
        try:
            with opened(settings.database_url, settings.lease) as inbox:
                if away:
                    report("sweep: postgres is back")
                away = False
                _follow(inbox, settings, runs, stop=stop, seconds=seconds, report=report)
        except DatabaseUnavailable as error:
            if not away:
                report(f"sweep: {error}")
            away = True
            stop.wait(PAUSE_DATABASE)


def _follow(inbox: Inbox, settings: SweepSettings, runs: Runs, *, stop: Event, seconds: float, report: Report) -> None:
    inbox.listen()
    rounds, woken, prunable = 0, False, False
    while not stop.is_set():
        score = Sweep(inbox, runs, settings, stop, report=report).run()
        if score != Score():
            report("sweep: " + " ".join(f"{name}={count}" for name, count in score.dump().items()))
        # As long as there is more, every round: one prune in so many rounds is slower than events may come.
        if prunable or rounds % PRUNE_EVERY == 0:
            prunable = inbox.prune()
        rounds += 1
        # What has just come and was the fast lane's is due after the grace time; nobody wakes us for that.
        patience = settings.grace.total_seconds() if woken else seconds
        woken = _woken(inbox, stop, max(patience, PAUSE_GATHER))
        if woken:
            # The journal tells one by one of many that came together.
            stop.wait(PAUSE_GATHER)


def _woken(inbox: Inbox, stop: Event, seconds: float) -> bool:
    """Wait for a notification, at most `seconds`."""
    left = seconds
    while left > 0 and not stop.is_set():
        if inbox.notified(min(left, PATIENCE)):
            return True
        left -= PATIENCE
    return False
