"""A deployment in the background: started, waited for, stopped."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from infra import paths
from infra.cli.failures import Failure
from infra.errors import Exit

# `up` itself gives up well before.
TIMEOUT_READY = 90.0
TIMEOUT_DOWN = 15.0


def start_detached(
    data: Path,
    flags: Mapping[str, object],
    report: Callable[[str], None],
    environ: Mapping[str, str] | None = None,
) -> None:
    """Run `pixwhisk up` in a session of its own, with `environ` (None: ours); returns when it is ready. Raises
    `Failure` with its own reason.
    """
    reader, writer = os.pipe()
    logs = data / "logs"
    # One by one: a mode given to `mkdir` is not for the parents it makes on the way.
    for directory in (data, logs):
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    arguments = [*paths.module_command("infra.cli"), "up", "--data", str(data), "--ready-fd", str(writer)]
    for name, value in flags.items():
        if value is not None and value is not False:
            arguments += [f"--{name.replace('_', '-')}", *([] if value is True else [str(value)])]
    log = logs / "up.log"
    with log.open("ab") as output:
        offset = output.tell()
        process = subprocess.Popen(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environ,
            pass_fds=[writer],
            start_new_session=True,
        )
    os.close(writer)
    with _leaving_none_behind(process):
        told = _first_message(reader)
    if not told.get("ready"):
        process.wait()
        raise _failure(told, log, offset)
    report(_since(log, offset).rstrip())
    # Popen would complain, at exit, of a process that goes on: that is the point of it.
    process.returncode = 0


def stop(data: Path) -> bool:
    """Stop the deployment of a data directory; whether there was one running. Raises `Failure` if it will not end.

    Returns when its process has ended, not merely when the directory is free.
    """
    from infra.services import lock

    found = lock.holder(data)
    if found is None:
        return False
    try:
        process = os.pidfd_open(found.pid)
    except OSError:
        return False  # it ended between two looks
    try:
        signal.pidfd_send_signal(process, signal.SIGTERM)
        if not select.select([process], [], [], TIMEOUT_DOWN)[0]:
            raise Failure(f"{found} does not end: kill -9 {found.pid} ends it, and loses nothing")
    except ProcessLookupError:
        return True
    finally:
        os.close(process)
    return True


@contextlib.contextmanager
def _leaving_none_behind(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Ctrl-C while waiting stops what was started."""
    try:
        yield
    except BaseException:
        process.terminate()
        process.wait()
        raise


def _first_message(reader: int) -> dict[str, Any]:
    """The first line on the pipe; {} when the writer ended without one."""
    text = b""
    deadline = time.monotonic() + TIMEOUT_READY
    while not text.endswith(b"\n"):
        ready, _, _ = select.select([reader], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            raise Failure(f"not ready after {TIMEOUT_READY:.0f} s: see `pixwhisk status`")
        part = os.read(reader, 65536)
        if not part:
            break
        text += part
    os.close(reader)
    return dict(json.loads(text)) if text else {}


def _failure(told: Mapping[str, Any], log: Path, offset: int) -> Failure:
    if "error" in told:
        return Failure(str(told["error"]), Exit(told.get("code", Exit.FAILED)))
    last = "\n".join(_since(log, offset).splitlines()[-15:])
    return Failure(f"it ended before it was ready; {log} ends\n{last}")


def _since(log: Path, offset: int) -> str:
    with log.open("rb") as file:
        file.seek(offset)
        return file.read().decode(errors="replace")
