"""How containers end: with all that was ever started in them, by whoever does its worst not to be found."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from infra.host.calls import Call, Executable
from infra.host.containers import seccomp
from infra.host.containers.container import EXHAUSTED
from infra.host.containers.kinds import SOURCES
from infra.host.containers.pool import LocalPool
from tests.fixtures.deployment import eventually
from tests.fixtures.needs import need
from tests.integration.test_pool import ran, with_pool

pytestmark = pytest.mark.usefixtures("made")

# Everything that may tell it of an end, or tell others whose it is, is closed, wiped, changed or refused.
PRELUDE = """
import ctypes, os, resource, signal, subprocess, sys, threading, time
libc = ctypes.CDLL(None)
def tried(attempt, *arguments):
    try: return attempt(*arguments)
    except Exception: return None
def hide():
    os.closerange(0, 1024)
    os.environ.clear()
    tried(os.setsid), tried(os.setpgid, 0, 0), tried(os.chdir, '/')
    libc.prctl(15, b'kworker/0:1', 0, 0, 0), libc.prctl(1, 0, 0, 0, 0), libc.prctl(4, 0, 0, 0, 0)
    for number in range(1, 65): tried(signal.signal, number, signal.SIG_IGN)
def twice(then):
    if os.fork() == 0:
        if os.fork() == 0:
            hide()
            then()
        os._exit(0)
def reap():
    libc.prctl(36, 1, 0, 0, 0)
def rest():
    while True: time.sleep(600)
def main(args):
    hides()
    return {'group': os.getpgrp()}
"""
WAYS = {
    "a double fork": "twice(rest)",
    "another program, without a name": "twice(lambda: os.execve('/bin/sleep', ['[kworker]', '600'], {}))",
    "a subreaper of its own": "reap(), twice(lambda: (reap(), twice(rest), rest()))",
    "processes that are stopped": "twice(lambda: (os.kill(os.getpid(), signal.SIGSTOP), rest()))",
    "one that goes on to the next without end": "twice(lambda: [os.fork() and os._exit(0) for _ in iter(int, 1)])",
    "vforks of many": "[subprocess.Popen(['sleep', '600'], env={}, cwd='/') for _ in range(100)]",
    "a session's programs": "[tried(subprocess.Popen, [each, 'sleep', '600']) for each in ('setsid', 'nohup')]",
    "a shell with job control": "subprocess.Popen(['sh', '-mc', 'sleep 600 & sleep 600 & wait'])",
    "a thread that is left when the first has ended": "threading.Thread(target=rest).start(), twice(rest)",
    "one that sees its own container end": "twice(lambda: (os.kill(os.getppid(), 9), rest()))",
}


@pytest.fixture(autouse=True)
def _seccomp() -> None:
    need(seccomp.is_available(), "this kernel filters no system calls: what an action starts may outlive it here")


def members_of(group: int) -> list[int]:
    """Processes of a group that have not ended."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            fields = (process / "stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[2]) == group and fields[0] not in "ZX":
            found.append(int(process.name))
    return found


@pytest.mark.parametrize("way", list(WAYS))
def test_nothing_is_left_of_a_container(way: str) -> None:
    """Whatever it does to be forgotten, all that it started ends with it."""
    code = f"{PRELUDE}\ndef hides(): {WAYS[way]}"
    groups: list[int] = []
    before = set(psutil.pids())

    async def test(pool: LocalPool) -> None:
        came = await pool.run(Call(Executable("a", "1", "python:3.11", "main", code, False), {}, {}))
        groups.append(came.result["group"])
        assert len(members_of(groups[0])) >= 1

    with_pool(test)
    eventually(lambda: not members_of(groups[0]), "nobody of the group")
    assert [each for each in set(psutil.pids()) - before if is_of_an_action(each)] == []


def is_of_an_action(process_id: int) -> bool:
    """Whether it could only be one of those above, whichever group it is in."""
    try:
        words = Path(f"/proc/{process_id}/cmdline").read_bytes().split(b"\0")
        return words[:1] == [b"[kworker]"] or Path(f"/proc/{process_id}/comm").read_text() == "kworker/0:1\n"
    except OSError:
        return False


# A host without an `up` above it: it is killed while an action hides.
HOST = """
import asyncio, json, os, signal, sys
from infra.host.calls import Call, Executable
from infra.host.containers.pool import LocalPool, PoolSettings
from infra.orphans import adopt_orphans
async def main():
    adopt_orphans()
    pool = LocalPool(PoolSettings())
    await pool.start()
    ran = await pool.run(Call(Executable("a", "1", "python:3.11", "main", sys.stdin.read(), False), {}, {}))
    print(json.dumps(ran.result), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
asyncio.run(main())
"""


def test_nothing_outlives_a_host_that_is_killed_with_all_above_it() -> None:
    """Not even what has closed all that would tell it: its host has left somebody behind who ends it."""
    # But for the connection, by which it answers.
    code = f"{PRELUDE}{CLOSING}\ndef hides(): twice(rest), [close(each) for each in range(3, 64)]"
    host = [sys.executable, "-P", "-c", HOST]
    done = subprocess.run(host, input=code, capture_output=True, text=True, cwd=SOURCES, check=False)
    assert done.stdout, done.stderr
    group = int(done.stdout.partition(":")[2].strip(" }\n"))
    eventually(lambda: not members_of(group), "nobody of the group")


CLOSING = """
import fcntl
def close(number):
    try:
        is_pipe = 'pipe' in os.readlink(f'/proc/self/fd/{number}')
        if is_pipe and fcntl.fcntl(number, 3) & 3 == os.O_RDONLY: os.close(number)
    except OSError: pass
"""
# Each holds 200 MB and more where a look at the container's first process shows little.
HOARDS = {
    "a thread whose process's first thread has ended": (
        "def main(args):\n  threading.Thread(target=hoard).start()\n  libc.syscall(ctypes.c_long(EXIT), 0)\n"
    ),
    "a child of a child": "def main(args):\n  twice(hoard)\n  rest()\n",
    "one process after the other": (
        "def pass_on():\n  held = bytearray(200 << 20)\n  while True:\n    if os.fork(): os._exit(0)\n"
        "    until = time.monotonic() + 0.02\n    while time.monotonic() < until: held[0] = 1\n"
        "def main(args):\n  twice(pass_on)\n  rest()\n"
    ),
    "sockets of one process": "def main(args):\n  flood(500)\n  rest()\n",
    "sockets of many processes": ("def main(args):\n  for _ in range(8): os.fork() or (flood(80), rest())\n  rest()\n"),
    "connections over loopback": (
        "def main(args):\n  listening = socket.create_server(('127.0.0.1', 0))\n  kept = []\n"
        "  for _ in range(100):\n"
        "    kept += fill(socket.create_connection(listening.getsockname()), listening.accept()[0])\n"
        "  rest()\n"
    ),
    "processes that have ended and nobody waited for": (
        "def main(args):\n  while True:\n    if os.fork() == 0: os._exit(0)\n"
    ),
    "threads": (
        "def main(args):\n  threading.stack_size(1 << 16)\n  while True: threading.Thread(target=rest).start()\n"
    ),
}
HOARDING = f"""{PRELUDE}
import socket
EXIT = {{'x86_64': 60, 'aarch64': 93}}[os.uname().machine]
def hoard():
    held = bytearray(300 << 20)
    rest()
def fill(*pair):
    for each in pair:
        each.setblocking(False)
        while tried(each.send, bytes(1 << 16)): pass
    return pair
def flood(count):
    globals()['kept'] = [fill(*socket.socketpair()) for _ in range(count)]
"""


@pytest.mark.parametrize("way", list(HOARDS))
def test_memory_is_counted_wherever_it_is_held(way: str) -> None:
    """By whichever task, in user's memory or the kernel's."""
    if os.environ.get("CI") != "true" and psutil.virtual_memory().available < 2 << 30:
        pytest.skip("there is too little memory to hoard any")
    came = ran(HOARDING + HOARDS[way], memory=128, timeout=60_000)
    assert came.result == {"error": EXHAUSTED}
