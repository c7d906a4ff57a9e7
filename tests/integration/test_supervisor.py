"""The supervisor, with small real processes: started, restarted, ended, and never left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psutil
import pytest

from infra.services.lock import Held, held, holder
from infra.services.service import Command
from infra.services.supervisor import ServiceFailed, Stopping, Supervisor, bound, stopping_on_signals
from tests.fixtures.minio import until
from tests.fixtures.processes import runs

READY = "import pathlib, signal, sys, time; pathlib.Path('{name}.ready').touch(); {then}"
SLEEP = "time.sleep(600)"
STUBBORN = "signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"


@dataclass(frozen=True)
class Program:
    """A service that is ready once it has touched a file."""

    name: str
    directory: Path
    then: str = SLEEP

    @property
    def mark(self) -> Path:
        return self.directory / f"{self.name}.ready"

    def prepare(self) -> None:
        self.mark.unlink(missing_ok=True)

    def command(self) -> Command:
        source = READY.format(name=self.name, then=self.then)
        return Command([sys.executable, "-S", "-c", source], {}, self.directory)

    def ready(self) -> bool:
        return self.mark.exists()


@pytest.fixture
def supervised(tmp_path: Path) -> Iterator[Supervisor]:
    supervisor = Supervisor([Program("one", tmp_path), Program("postgres", tmp_path)], tmp_path / "logs")
    with stopping_on_signals():
        yield supervisor
        supervisor.stop()


def test_it_starts_and_ends_everything(supervised: Supervisor) -> None:
    """After `start` all answer; after `stop` none of the processes exists."""
    supervised.start()
    processes = supervised.processes()
    assert set(processes) == {"one", "postgres"}
    supervised.stop()
    assert not any(psutil.pid_exists(pid) for pid in processes.values())


def test_what_dies_is_started_again(supervised: Supervisor, caplog: pytest.LogCaptureFixture) -> None:
    """A killed service is running again under another process id, and both are logged."""
    caplog.set_level("INFO")
    supervised.start()
    killed = supervised.processes()["one"]
    os.kill(killed, signal.SIGKILL)

    def back() -> bool:
        supervised.tend()
        return "service-back" in caplog.messages

    until(back, "it was not restarted")
    assert supervised.processes()["one"] != killed
    ended = vars(caplog.records[0])["fields"]
    assert caplog.messages[0] == "service-ended"
    assert (ended["service"], ended["how"]) == ("one", "by SIGKILL")


def test_a_service_that_ends_at_once_is_an_error_with_its_log(tmp_path: Path) -> None:
    """The message has the service's own last words."""
    broken = NeverReady(Program("broken", tmp_path, then="sys.exit('the disk is made of cheese')"))
    supervisor = Supervisor([broken], tmp_path / "logs")
    with stopping_on_signals(), pytest.raises(ServiceFailed, match="cheese"):
        supervisor.start()


@dataclass(frozen=True)
class NeverReady:
    program: Program

    @property
    def name(self) -> str:
        return self.program.name

    def prepare(self) -> None:
        self.program.prepare()

    def command(self) -> Command:
        return self.program.command()

    def ready(self) -> bool:
        return False


def test_a_service_that_never_answers_is_an_error(tmp_path: Path) -> None:
    """Waiting has a deadline, and naming the service is part of the error."""
    supervisor = Supervisor([NeverReady(Program("mute", tmp_path))], tmp_path / "logs")
    with stopping_on_signals(), pytest.raises(ServiceFailed, match="mute did not answer"):
        supervisor.start(timeout=0.3)
    supervisor.stop()


def test_a_service_that_ignores_the_signal_is_killed(tmp_path: Path) -> None:
    """`stop` returns within its five seconds although a service refuses to end."""
    program = Program("stubborn", tmp_path, then=STUBBORN)
    supervisor = Supervisor([program], tmp_path / "logs")
    with stopping_on_signals():
        supervisor.start()
        (pid,) = supervisor.processes().values()
        supervisor.stop()
    assert not psutil.pid_exists(pid)


def test_a_signal_interrupts_watching(supervised: Supervisor) -> None:
    """SIGTERM raises `Stopping` out of `watch`."""
    supervised.start()
    timer = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGTERM))
    timer.start()
    with pytest.raises(Stopping):
        supervised.watch()
    timer.join()


# From outside, because a thread of ours could only send a signal where the interpreter changes threads.
SENDER = """
import os, random, sys, time
for line in sys.stdin:
    time.sleep(random.random() / 2000)
    os.kill(int(line), 15)
"""


def test_a_signal_at_any_moment_leaves_the_services_in_hand(supervised: Supervisor) -> None:
    """Interrupted ten thousand times while it looks after its services, it can still see one end, and end them all."""
    supervised.start()
    with subprocess.Popen([sys.executable, "-c", SENDER], stdin=subprocess.PIPE, text=True, bufsize=1) as sender:
        assert sender.stdin
        for _ in range(10_000):
            with pytest.raises(Stopping), stopping_on_signals():
                asked_to_stop(supervised, sender.stdin)
    os.kill(supervised.processes()["one"], signal.SIGKILL)
    until(lambda: "one" not in supervised.processes(), "its end was not seen")
    supervised.stop()


def asked_to_stop(supervised: Supervisor, sender: IO[str]) -> None:
    """Look after the services until the signal comes."""
    sender.write(f"{os.getpid()}\n")
    while True:
        supervised.tend()


def test_a_killed_supervisor_leaves_no_process(tmp_path: Path) -> None:
    """After kill -9 of the supervisor its services end by themselves."""
    source = textwrap.dedent(f"""
        from pathlib import Path
        from infra.services.supervisor import Supervisor, stopping_on_signals
        from tests.integration.test_supervisor import Program
        with stopping_on_signals():
            supervisor = Supervisor([Program("one", Path({str(tmp_path)!r}))], Path({str(tmp_path)!r}) / "logs")
            supervisor.start()
            print(*supervisor.processes().values(), flush=True)
            supervisor.watch()
    """)
    with subprocess.Popen([sys.executable, "-c", source], stdout=subprocess.PIPE, text=True) as supervisor:
        assert supervisor.stdout
        pid = int(supervisor.stdout.readline())
        supervisor.kill()
    until(lambda: not runs(pid), "the service outlived its supervisor")


def test_a_log_is_kept_short(tmp_path: Path) -> None:
    """A log past its limit is set aside and goes on from the beginning, also for who holds it open."""
    log = tmp_path / "a.log"
    with log.open("ab", buffering=0) as writer:
        writer.write(b"x" * 100)
        bound(log, limit=50)
        writer.write(b"new")
    assert log.read_bytes() == b"new"
    assert (tmp_path / "a.log.1").read_bytes() == b"x" * 100


def test_a_directory_is_held_once(tmp_path: Path) -> None:
    """A second holder learns who and since when; afterwards the directory is free."""
    assert holder(tmp_path) is None
    with held(tmp_path):
        with pytest.raises(Held) as refused, held(tmp_path):
            pass
        assert refused.value.holder == holder(tmp_path)
        assert refused.value.holder
        assert refused.value.holder.pid == os.getpid()
        assert abs(refused.value.holder.since - time.time()) < 60
    assert holder(tmp_path) is None


def test_the_lock_of_a_killed_holder_is_free(tmp_path: Path) -> None:
    """kill -9 of a holder frees the directory though its note is still there."""
    source = textwrap.dedent(f"""
        import pathlib, time
        from infra.services.lock import held
        with held(pathlib.Path({str(tmp_path)!r})):
            print(flush=True)
            time.sleep(600)
    """)
    with subprocess.Popen([sys.executable, "-c", source], stdout=subprocess.PIPE) as other:
        assert other.stdout
        other.stdout.readline()
        assert holder(tmp_path)
        other.kill()
    assert holder(tmp_path) is None
    with held(tmp_path):
        pass
