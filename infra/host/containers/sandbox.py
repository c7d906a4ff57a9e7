"""One container as a local process: started with nothing of ours but its declaration, limited, watched, ended.

The process serves one end of a socket pair, so nobody else can reach it. It is in a process group of its own, which
nothing that it starts can leave, and which the kernel kills when this host ends, however it does (`ends`).
"""

from __future__ import annotations

import asyncio
import os
import resource
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from infra.host.containers.connection import Wire, connect
from infra.host.containers.ends import Ends
from infra.host.containers.group import find_adopted, kill_group, leave_group, make_group
from infra.host.containers.holding import find_family, measure, peak_bytes, read_status
from infra.host.containers.landlock import Confinement, confine
from infra.host.containers.logs import Capture
from infra.host.containers.seccomp import is_available, restrict_calls

TICK = 1 / os.sysconf("SC_CLK_TCK")
PATH = "/usr/local/bin:/usr/bin:/bin"

LIMIT_FILES = 1024
LIMIT_FILE_BYTES = 1 << 30
# Counts all processes and threads of the user, ours included: a bound on fork bombs, not a measure.
LIMIT_PROCESSES = 8192
# What interpreters reserve and never touch.
LIMIT_DATA_SPARE = 1 << 30


@dataclass(frozen=True, slots=True)
class Usage:
    """What a container uses: bytes that all its processes hold, its own processor seconds so far."""

    held: int
    processor: float
    asleep: bool


@dataclass(frozen=True, slots=True)
class Started:
    """A new process that is our child, its group, and the ends that stay with us."""

    process_id: int
    group: int
    ends: Ends


class Sandbox:
    """A running container. `memory` is its limit in bytes. Whoever starts it awaits `ended`, with or without `kill`."""

    def __init__(self, started: Started, directory: Path, memory: int) -> None:
        self.memory = memory
        self.exhausted = False
        self.process_id = started.process_id
        self.capture = Capture(started.ends.stdout, started.ends.stderr)
        self.wire: Wire | None = None
        self._started = started
        self._directory = directory
        self._killed = False
        self._exited: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._watch = os.pidfd_open(self.process_id)
        self._status = os.open(f"/proc/{self.process_id}/status", os.O_RDONLY | os.O_CLOEXEC)
        asyncio.get_running_loop().add_reader(self._watch, self._on_exit)

    async def connect(self, limit: int) -> Wire:
        """The connection to the proxy; responses are kept up to `limit` bytes."""
        self.wire = await connect(self._started.ends.connection, limit)
        return self.wire

    def take_connection(self) -> socket.socket:
        """The connection itself, for whoever speaks something else over it, and closes it."""
        return self._started.ends.connection

    @property
    def group(self) -> int:
        """The process group that all of it is in."""
        return self._started.group

    @property
    def alive(self) -> bool:
        return not self._exited.done() and not self._killed

    def usage(self) -> Usage | None:
        """None once the process is gone."""
        try:
            fields = Path(f"/proc/{self.process_id}/stat").read_text().rpartition(")")[2].split()
            held = measure(self._roots(), self.memory)
        except (OSError, ValueError):
            return None
        return Usage(held, (int(fields[11]) + int(fields[12])) * TICK, asleep=fields[0] == "S")

    def check(self, usage: Usage) -> None:
        """Kill the container if it uses more memory than it may."""
        if usage.held > self.memory and self.alive:
            self.exhausted = True
            self.kill()

    def has_peaked(self) -> bool:
        """Whether memory went over the limit at any time, even between two looks."""
        with suppress(OSError):
            said = os.pread(self._status, 4096, 0)
            return peak_bytes(said if b"VmHWM:" in said else read_status(self.process_id)) > self.memory
        return False

    def forget_peak(self) -> None:
        """Start measuring the peak anew: what loading took does not count against calls."""
        with suppress(OSError):
            Path(f"/proc/{self.process_id}/clear_refs").write_text("5")

    def kill(self) -> None:
        """End it and all its descendants now, whatever they are doing. Again is harmless."""
        if self._killed:
            return
        self._killed = True
        # Looked up first. Without seccomp some may have left the group, and once its parent is gone nothing says whose
        # such a one was.
        processes, _ = find_family(self._roots())
        kill_group(self._started.group)
        for each in processes:
            with suppress(ProcessLookupError):
                os.kill(each, signal.SIGKILL)
        os.close(self._started.ends.lifeline)

    def _roots(self) -> list[int]:
        """Below which all of the container is, as far as it can be seen."""
        return [self.process_id, *find_adopted(self._started.group, self.process_id)]

    async def await_end(self) -> None:
        """Wait for the process to be gone; then leave nothing of it."""
        await asyncio.shield(self._exited)
        if self.wire is not None:
            self.wire.close()
        else:
            self._started.ends.connection.close()
        self.capture.close()
        os.close(self._status)
        await asyncio.to_thread(leave_group, self._started.group)
        await asyncio.to_thread(shutil.rmtree, self._directory, ignore_errors=True)

    async def exits(self, patience: float) -> bool:
        """Whether the process ends within `patience` seconds."""
        await asyncio.wait([self._exited], timeout=patience)
        return self._exited.done()

    def _on_exit(self) -> None:
        asyncio.get_running_loop().remove_reader(self._watch)
        os.close(self._watch)
        # Before the process is reaped: until then its number, and its group's, cannot be anybody else's.
        self.kill()
        with suppress(ChildProcessError):
            os.waitpid(self.process_id, 0)
        self._exited.set_result(None)


def open_sandbox(
    command: Callable[[Sequence[int]], Sequence[str]],
    environment: Mapping[str, str],
    directory: Path,
    memory: int,
    confinement: Confinement,
) -> Sandbox:
    """Start a container in `directory`, which is made and later removed. `command` is told its ends' descriptors.

    `memory` is in bytes; a process has no control group to read it from, so it is told.
    Raises `OSError` where the process cannot be started or confined.
    """
    work = make_work(directory)
    group = make_group()
    try:
        told = describe_environment(environment, work, memory)
        started = launch(command, told, work, confinement, writable=work, group=group)
    except BaseException:
        leave_group(group)
        raise
    return watch_over(started, directory, memory)


def open_zygote(
    command: Callable[[Sequence[int]], Sequence[str]],
    environment: Mapping[str, str],
    directory: Path,
    memory: int,
    confinement: Confinement,
) -> Sandbox:
    """As `open_sandbox`, for a process whose copies will live below `directory`: it may write there, and put them into
    process groups of their own. Only what is its own of `directory` is removed with it.
    """
    own = directory / "own"
    work = make_work(own)
    told = describe_environment(environment, work, memory)
    started = launch(command, told, work, confinement, writable=directory, group=0)
    return watch_over(started, own, memory)


def make_work(directory: Path) -> Path:
    """Where a container works, and the only place that it may write to."""
    work = directory / "work"
    work.mkdir(0o700, parents=True)
    return work


def describe_environment(environment: Mapping[str, str], work: Path, memory: int) -> Mapping[str, str]:
    own = {"HOME": str(work), "TMPDIR": str(work), "CONTAINER_MEMORY": str(memory)}
    return {"PATH": PATH, "LANG": "C.UTF-8", **environment, **own}


def watch_over(started: Started, directory: Path, memory: int) -> Sandbox:
    """Limit a new process, and see it off when it ends. Raises `OSError` where it could not be watched, and is gone."""
    limit(started.process_id, memory)
    try:
        return Sandbox(started, directory, memory)
    except OSError:
        # Out of descriptors.
        kill_group(started.group)
        leave_group(started.group)
        started.ends.close()
        raise


def launch(
    command: Callable[[Sequence[int]], Sequence[str]],
    environment: Mapping[str, str],
    work: Path,
    confinement: Confinement,
    *,
    writable: Path,
    group: int,
) -> Started:
    """Start a process, confined, in `group`; in one of its own where that is 0, and then it may make others, too."""
    ends = Ends()

    def start() -> int:
        if is_available():
            restrict_calls(group)
        return start_process(command(ends.given), environment, work, ends, group)

    try:
        process_id = confine(confinement, writable, start)
        ends.kill_with_us(group or process_id)
    except BaseException:
        ends.close()
        raise
    finally:
        ends.close_given()
    return Started(process_id, group or process_id, ends)


def start_process(arguments: Sequence[str], environment: Mapping[str, str], work: Path, ends: Ends, group: int) -> int:
    connection, out, err, reading = ends.given
    process = subprocess.Popen(
        arguments,
        stdin=subprocess.DEVNULL,
        stdout=out,
        stderr=err,
        pass_fds=(connection, reading),
        env=environment,
        cwd=work,
        process_group=group,
        umask=0o077,
    )
    # Waited for by its number, as copies of a zygote are, which nobody here has started.
    process.returncode = 0
    return process.pid


def limit(process_id: int, memory: int) -> None:
    """Bounds that the kernel keeps. The one on memory is only a back-stop between two looks at what is resident."""
    limits = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NOFILE: LIMIT_FILES,
        resource.RLIMIT_FSIZE: LIMIT_FILE_BYTES,
        resource.RLIMIT_NPROC: LIMIT_PROCESSES,
        resource.RLIMIT_DATA: 4 * memory + LIMIT_DATA_SPARE,
    }
    for name, most in limits.items():
        # It may have ended already, and a limit of ours may be lower still.
        with suppress(OSError, ValueError):
            resource.prlimit(process_id, name, (most, most))
