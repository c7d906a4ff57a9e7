"""Sweeping for ever: woken by the journal's NOTIFY, by what is heard of uploads, and now and then without."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Event

from actions.errors import DatabaseUnavailable
from triggers.sweep.burst import LaneSwitch
from triggers.sweep.handler import Runs, Score, Sweep
from triggers.sweep.heard import Heard
from triggers.sweep.hearing import Listener, ListenSettings
from triggers.sweep.inbox import Inbox, opened
from triggers.sweep.rule import UploadRule
from triggers.sweep.settings import SweepSettings
from triggers.sweep.wake import Wake

Report = Callable[[str], None]

# Away: how long until Postgres is asked again, in s.
PAUSE_DATABASE = 1.0
# A wait for a notification is cut into such pieces, in s, between which `stop` is looked at.
PATIENCE = 0.5
PRUNE_EVERY = 500
PAUSE_GATHER = 0.1
# In a burst there is a batch every moment: what they did is said together, so often, in s.
REPORT_EVERY = 5.0
# OpenWhisk takes containers away that were idle for ten minutes.
WARM_EVERY = 240.0


def watch(
    settings: SweepSettings,
    runs: Runs,
    stop: Event,
    seconds: float,
    report: Report,
    *,
    listening: ListenSettings | None = None,
    warm: Callable[[], None] | None = None,
) -> None:
    """Returns soon after `stop` is set. `seconds`: how often to look without being woken, for rows that failed.

    `listening`: where to hear of uploads before the journal tells; `warm` is called at first, and when nothing was run
    for minutes.
    """
    wake, rule = Wake(), UploadRule(settings.apihost, settings.auth)
    heard = Heard(wake.set)
    burst = LaneSwitch(heard, rule, settings.in_flight, report)
    listener = Listener(listening, heard.hear, report) if listening else None
    if listener:
        burst.listen(listener)
    watcher = _Watcher(settings, runs, stop, seconds, report, burst, wake, warm)
    try:
        watcher.watch()
    finally:
        if listener:
            listener.close()
        rule.close()
        wake.close()


@dataclass
class _Watcher:
    """One watch; what it holds outlives each connection to the database."""

    settings: SweepSettings
    runs: Runs
    stop: Event
    seconds: float
    report: Report
    burst: LaneSwitch
    wake: Wake
    warm: Callable[[], None] | None
    _score: Score = field(default_factory=Score)
    _reported: float = 0.0
    _ran: float = -WARM_EVERY

    def watch(self) -> None:
        away = False
        while not self.stop.is_set():
            try:
                with opened(self.settings.database_url, self.settings.lease) as inbox:
                    if away:
                        self.report("sweep: postgres is back")
                    away = False
                    self.burst.attach(inbox.connection)
                    self._follow(inbox)
            except DatabaseUnavailable as error:
                if not away:
                    self.report(f"sweep: {error}")
                away = True
                self.stop.wait(PAUSE_DATABASE)
        self.burst.abandon()

    def _follow(self, inbox: Inbox) -> None:
        inbox.listen()
        rounds, woken, prunable = 0, False, False
        while not self.stop.is_set():
            score = Sweep(
                inbox,
                self.runs,
                self.settings,
                self.stop,
                report=self.report,
                burst=self.burst,
                wake=self.wake,
            ).run()
            self._note(score)
            # As long as there is more, every round: one prune in so many rounds is slower than events may come.
            if prunable or rounds % PRUNE_EVERY == 0:
                prunable = inbox.prune()
            rounds += 1
            # What has just come and was the fast lane's is due after the grace time; nobody wakes us for that.
            patience = self.settings.grace.total_seconds() if woken else self.seconds
            woken = self._wait_for_work(inbox, max(patience, PAUSE_GATHER))
            if woken and not self.burst.active:
                # The journal tells one by one of many that came together.
                self.stop.wait(PAUSE_GATHER)
        self.burst.end()

    def _wait_for_work(self, inbox: Inbox, seconds: float) -> bool:
        """Until something is to be run, at most `seconds`; False where nobody told of anything."""
        end = time.monotonic() + seconds
        while not self.stop.is_set() and (left := end - time.monotonic()) > 0:
            due = self.burst.due()
            if due == 0:
                return True
            if inbox.wait(self.wake, min(left, PATIENCE, PATIENCE if due is None else due)):
                return True
            self.burst.look(idle=True)
            self._keep_warm()
        self.burst.mend()
        return False

    def _note(self, score: Score) -> None:
        if score != Score():
            self._ran = time.monotonic()
        self._score += score
        if self._score != Score() and not (self.burst.active and time.monotonic() - self._reported < REPORT_EVERY):
            self.report("sweep: " + " ".join(f"{name}={count}" for name, count in self._score.dump().items()))
            self._score, self._reported = Score(), time.monotonic()

    def _keep_warm(self) -> None:
        if self.warm and time.monotonic() - self._ran > WARM_EVERY:
            self._ran = time.monotonic()
            # Beside us: a container that is made takes seconds, in which a burst may come.
            threading.Thread(target=self.warm, name="warm", daemon=True).start()
