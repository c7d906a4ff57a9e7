"""Starts services, restarts one that dies, and stops them all: a single thread, because a child that is to end with its
parent (`PR_SET_PDEATHSIG`) ends with the very thread that started it.

Each service is a session of its own, so that Ctrl-C in a terminal reaches the supervisor alone, and a child of a
service can be found and ended by its process group. Logs go to files that are kept short.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from infra.errors import OperatorError
from infra.logs import EventLogger
from infra.orphans import find_children
from infra.services.service import Command, Service

# What one log may grow to before it is set aside; one old part is kept, so twice this on disk.
LIMIT_LOG_BYTES = 5 * 1024 * 1024
TIMEOUT_START = 30.0
# All of it within five seconds: those that take work first, then those that keep it.
TIMEOUT_STOP_WAVE = 2.2
_PAUSE_READY = 0.01
_PAUSE_WATCH = 1.0
_BACKOFF_FIRST, _BACKOFF_LONGEST = 0.2, 15.0
# A service that lived this long is taken to be well: its next death starts the backoff anew.
_WELL_AFTER = 60.0
_ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)

log = EventLogger(__name__)


class Stopping(BaseException):
    """SIGTERM, SIGINT or SIGHUP came: unwind, stop the services, exit cleanly. No `Exception`, as KeyboardInterrupt."""


class ServiceFailed(OperatorError):
    """A service did not start; the message ends with the last lines of its log."""


@dataclass(slots=True)
class RunningService:
    """One service and its process of the moment."""

    service: Service
    log: Path
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    deaths: int = 0
    restart_at: float = 0.0
    announced: bool = False

    def spawn(self) -> None:
        self.service.prepare()
        bound(self.log)
        command = self.service.command()
        with self.log.open("ab") as log, _uninterrupted():
            self.process = _spawn(command, log.fileno())
        self.started, self.announced = time.monotonic(), False

    def alive(self) -> bool:
        with _uninterrupted():
            return self.process is not None and self.process.poll() is None

    def signal(self, number: signal.Signals) -> None:
        if self.process is not None:
            with _uninterrupted():
                self.process.send_signal(number)

    def kill(self) -> None:
        """End the process and all that it left in its group."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)
            with _uninterrupted():
                self.process.wait()


@dataclass(slots=True)
class Supervisor:
    """Keeps `services` running. They start in this order without waiting for each other, and stop in `waves`: all of a
    wave at once, the last wave when the others have ended (so that what keeps data outlives what writes it).
    """

    services: Sequence[Service]
    logs: Path
    last: Sequence[str] = ("postgres",)
    # By a service's name, what is done again and again while it does not run.
    away: Mapping[str, Callable[[], None]] = field(default_factory=dict)
    # Whether this process adopts orphans (`infra.orphans`): then every child but the services is what one left behind.
    adopting: bool = False
    _running: list[RunningService] = field(default_factory=list)

    def start(self, timeout: float = TIMEOUT_START) -> None:
        """Start all and wait until each answers. Raises `ServiceFailed` when one ends or the time is over."""
        self.spawn()
        self.wait_until_ready(timeout)

    def spawn(self) -> None:
        """Start all; waits for none."""
        self.logs.mkdir(mode=0o700, parents=True, exist_ok=True)
        for service in self.services:
            self.add(service)

    def add(self, service: Service) -> None:
        """Start one more service and keep it running; waits for nothing."""
        running = RunningService(service, self.logs / f"{service.name}.log")
        self._running.append(running)
        running.spawn()
        running.announced = True  # only a return is news

    def wait_until_ready(self, timeout: float = TIMEOUT_START) -> None:
        """Return when each has answered. Raises `ServiceFailed`."""
        deadline = time.monotonic() + timeout
        waiting = list(self._running)
        while waiting:
            _fail_if_ended(waiting)
            waiting = [running for running in waiting if not running.service.ready()]
            if waiting and time.monotonic() > deadline:
                name = waiting[0].service.name
                raise ServiceFailed(f"{name} did not answer within {timeout:.0f} s{tail(waiting[0].log)}")
            _wait_for_child(_PAUSE_READY if waiting else 0)

    def watch(self) -> None:
        """Restart whatever dies, until `Stopping` is raised by a signal."""
        while True:
            self.tend()
            _wait_for_child(self._pause())

    def tend(self) -> None:
        """One look at every service: note a death, restart when its pause is over, say when it answers again."""
        now = time.monotonic()
        for running in self._running:
            if running.alive():
                self._announce(running)
                bound(running.log)
                continue
            self.away.get(running.service.name, _nothing)()
            if not running.restart_at:
                self._note_death(running, now)
            elif now >= running.restart_at:
                running.restart_at = 0.0
                self._respawn(running)
        self._end_orphans()

    def stop(self) -> None:
        """End all, politely at first; at most five seconds in all. Never raises for one that is gone already."""
        early = [running for running in self._running if running.service.name not in self.last]
        late = [running for running in self._running if running.service.name in self.last]
        for wave in (early, late):
            _end(wave, time.monotonic() + TIMEOUT_STOP_WAVE)
            self._end_orphans()

    def processes(self) -> dict[str, int]:
        """Process ids by service name, of those that run."""
        return {
            running.service.name: running.process.pid
            for running in self._running
            if running.process is not None and running.alive()
        }

    def _end_orphans(self) -> None:
        """Kill what has come to us: an action's process that its host did not live to end. Those killed the last time
        are waited for now.
        """
        services = {running.process.pid for running in self._running if running.process is not None}
        for orphan in set(find_children()) - services if self.adopting else ():
            with contextlib.suppress(ProcessLookupError, ChildProcessError, PermissionError):
                os.kill(orphan, signal.SIGKILL)
                os.waitpid(orphan, os.WNOHANG)

    def _pause(self) -> float:
        recovering = any(running.restart_at or not running.announced for running in self._running)
        return 0.05 if recovering else _PAUSE_WATCH

    def _announce(self, running: RunningService) -> None:
        if not running.announced and running.service.ready():
            running.announced = True
            log.info("service-back", service=running.service.name)

    def _note_death(self, running: RunningService, now: float) -> None:
        running.kill()  # whatever the process left behind in its group
        running.deaths = 0 if now - running.started > _WELL_AFTER else running.deaths
        pause = min(_BACKOFF_FIRST * 2**running.deaths, _BACKOFF_LONGEST)
        running.deaths += 1
        running.restart_at = now + pause
        code = running.process.returncode if running.process else None
        name, again = running.service.name, round(pause, 1)
        log.warning("service-ended", service=name, how=describe_ending(code), again_in_seconds=again, see=running.log)

    def _respawn(self, running: RunningService) -> None:
        try:
            running.spawn()
        except OSError as error:
            log.warning("service-not-started", service=running.service.name, reason=error.strerror)
            self._note_death(running, time.monotonic())


@contextlib.contextmanager
def stopping_on_signals() -> Iterator[None]:
    """Within, SIGTERM, SIGINT and SIGHUP raise `Stopping` in the main thread, and a child's end can be waited for."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        # The second Ctrl-C of an impatient user must not interrupt the stopping itself.
        for each in _ENDING:
            signal.signal(each, signal.SIG_IGN)
        raise Stopping

    before = {number: signal.signal(number, stop) for number in _ENDING}
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for number, handler in before.items():
            signal.signal(number, handler)


def bound(log: Path, limit: int = LIMIT_LOG_BYTES) -> None:
    """Set a log that has grown past `limit` aside. The writer appends, so it goes on at the new beginning."""
    try:
        if log.stat().st_size <= limit:
            return
    except FileNotFoundError:
        return
    shutil.copyfile(log, log.with_suffix(".log.1"))
    os.truncate(log, 0)


def tail(log: Path, lines: int = 15) -> str:
    """The end of a log, as the end of a message."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 8192))
            text = file.read().decode(errors="replace")
    except OSError:
        return f": see {log}"
    return f": see {log}, which ends\n" + "\n".join(text.splitlines()[-lines:])


def describe_ending(code: int | None) -> str:
    """How a process ended, in words: exit status or signal."""
    if code is None:
        return "never started"
    if code < 0:
        return f"by {signal.Signals(-code).name}"
    return f"exit status {code}"


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    # `Popen` takes a lock to look after its child. Were `Stopping` raised right behind that, nobody would give it back,
    # and waiting for the child's end would have none.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _nothing() -> None:
    """For a service that nobody misses."""


def _spawn(command: Command, log: int) -> subprocess.Popen[bytes]:
    parent, stop_signal = os.getpid(), command.stop_signal

    def prepare() -> None:  # in the child, between fork and exec
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD, *_ENDING})
        _LIBC.prctl(_PR_SET_PDEATHSIG, int(stop_signal), 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return subprocess.Popen(
        list(command.arguments),
        env=dict(command.environment),
        cwd=command.directory,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        pass_fds=command.descriptors,
        start_new_session=True,
        preexec_fn=prepare,  # noqa: PLW1509 - this process has one thread, which is what makes it safe
    )


def _fail_if_ended(waiting: Sequence[RunningService]) -> None:
    for running in waiting:
        if not running.alive():
            code = running.process.returncode if running.process else None
            raise ServiceFailed(f"{running.service.name} ended at once ({describe_ending(code)}){tail(running.log)}")


def _end(wave: Sequence[RunningService], deadline: float) -> None:
    for running in wave:
        running.signal(running.service.command().stop_signal)
    while any(running.alive() for running in wave) and time.monotonic() < deadline:
        _wait_for_child(0.02)
    for running in wave:
        running.kill()


def _wait_for_child(seconds: float) -> None:
    # A child's end wakes us at once; without blocked SIGCHLD (outside `stopping_on_signals`) this is a plain pause.
    signal.sigtimedwait({signal.SIGCHLD}, seconds)
