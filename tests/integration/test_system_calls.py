"""What an action may ask of the kernel besides files: real containers that try what they may not."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from infra.host.containers import gaps, seccomp
from infra.host.containers.container import EXHAUSTED
from infra.host.containers.kinds import SOURCES, local_runtimes
from tests.fixtures.needs import need
from tests.integration.test_confinement import DENIED, NODE, trying
from tests.integration.test_pool import ran

# Raw calls, as whoever attacks makes them: no library stands between.
RAW = "call('syscall', *map(ctypes.c_long, ({}, {})))"
NUMBERS = {
    "x86_64": {
        "chmod": 90,
        "ioprio_set": 251,
        "clone": 56,
        "bpf": 321,
        "userfaultfd": 323,
        "perf": 298,
        "keyctl": 250,
        "seccomp": 317,
    },
    "aarch64": {
        "ioprio_set": 30,
        "clone": 220,
        "bpf": 280,
        "userfaultfd": 282,
        "perf": 241,
        "keyctl": 219,
        "seccomp": 277,
    },
}.get(os.uname().machine, {})
pytestmark = pytest.mark.usefixtures("made")

FCHMODAT2, SETXATTRAT, CLONE3, X32 = 452, 463, 435, 0x40000000


def raw(name_or_number: str | int, arguments: str) -> str:
    """The attempt to make a system call."""
    number = NUMBERS[name_or_number] if isinstance(name_or_number, str) else name_or_number
    return RAW.format(number, arguments)


@pytest.fixture(autouse=True)
def _seccomp() -> None:
    need(seccomp.is_available(), "this kernel filters no system calls: actions are confined in files alone here")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file of this user, readable for actions, in a directory of its own."""
    made = tmp_path / "readable" / "file"
    made.parent.mkdir()
    made.write_text("kept")
    made.chmod(0o640)
    return made


@pytest.fixture
def other() -> Iterator[psutil.Process]:
    """A process of the same user."""
    with subprocess.Popen(["sleep", "600"]) as process:
        yield psutil.Process(process.pid)
        process.kill()


def permitted(attempts: list[str], given: dict[str, Any], **more: Any) -> dict[str, Any]:
    """What was not refused."""
    return {each: came for each, came in trying(attempts, given, **more).items() if came != DENIED}


def test_an_action_changes_no_mode_owner_time_or_attribute(file: Path) -> None:
    """Not of a file that it may read, not of one that it may not, by no name and no call."""
    hidden = file.parent.with_name("hidden")
    hidden.mkdir()
    before, unseen = file.stat(), hidden.stat()
    dropped = [
        "os.chmod(path, 0o4755)",
        "os.chmod(hidden, 0)",
        "os.chmod('/proc/self/fd/%d' % os.open(path, os.O_PATH), 0o4755)",
        "os.fchmod(os.open(path, os.O_RDONLY), 0o4755)",
        "os.utime(path, (0, 0))",
        "os.utime(hidden)",
        "os.chown(path, -1, -1)",
        "os.lchown(path, 1, 1)",
        "subprocess.run(['chmod', '4777', path], check=True).returncode and None",
        "subprocess.run(['touch', '-d', '@0', path], check=True).returncode and None",
    ]
    refused = [
        "os.setxattr(path, 'user.mark', b'x')",
        "os.removexattr(path, 'user.mark')",
        "__import__('fcntl').ioctl(os.open(path, os.O_RDONLY), 0x40086602, bytes(8))",
        *(raw(each, "-100, 0, 0o4755, 0") for each in (FCHMODAT2, SETXATTRAT, X32 + 90)),
    ]
    came = trying([*dropped, *refused], {"path": str(file), "hidden": str(hidden)}, readable=[file.parent])
    assert [came[each] for each in refused if came[each] not in (DENIED, {"error": "OSError"})] == []
    for was, now in ((before, file.stat()), (unseen, hidden.stat())):
        assert (was.st_mode, was.st_mtime, was.st_uid) == (now.st_mode, now.st_mtime, now.st_uid)


def test_an_action_copies_files_and_unpacks_archives() -> None:
    """Both ask for modes and times, and get the bytes."""
    attempts = [
        "open('mine', 'w').write('mine') and shutil.copy2('mine', 'yours') and open('yours').read()",
        "shutil.copytree('.', 'deep/er') and open('deep/er/mine').read()",
        "shutil.make_archive('t', 'tar', 'deep') and shutil.unpack_archive('t.tar', '.') or open('er/mine').read()",
        "subprocess.run('cp -p mine third && cat third', shell=True, capture_output=True, text=True).stdout",
    ]
    attempts = [f"(shutil := __import__('shutil')) and ({each})" for each in attempts]
    assert [each.get("value") for each in trying(attempts, {}).values()] == ["mine"] * 4


def test_a_node_action_is_confined_alike(file: Path) -> None:
    """Its own work it does."""
    need(local_runtimes().node, "Node is not on the PATH: install Node 20 or later to run its actions")
    attempts = [
        "fs.chmodSync(given.path, 0o777)",
        "fs.utimesSync(given.path, 0, 0)",
        "fs.writeFileSync('mine', 'mine') || fs.copyFileSync('mine', 'yours') || fs.readFileSync('yours', 'utf8')",
        "new (require('worker_threads').Worker)('1', {eval: true}) && child.execSync('echo child').toString()",
        "os.setPriority(given.pid, 19)",
    ]
    before = file.stat()
    came = trying(attempts, {"path": str(file), "pid": os.getpid()}, NODE, "nodejs:20", readable=[file.parent])
    values = list(came.values())
    assert values[2:4] == [{"value": "mine"}, {"value": "child\n"}]
    assert "error" in values[4]
    assert (before.st_mode, before.st_mtime) == (file.stat().st_mode, file.stat().st_mtime)


def test_an_action_limits_and_schedules_nobody_but_itself(other: psutil.Process) -> None:
    """Neither the host nor another process of its user; itself it may."""
    attempts = [
        "__import__('resource').prlimit(pid, 7, (0, 0))",
        "__import__('resource').prlimit(pid, 7)",
        "os.setpriority(os.PRIO_PROCESS, pid, 19)",
        "os.setpriority(os.PRIO_USER, 0, 19)",
        "os.sched_setaffinity(pid, {0})",
        "os.sched_setscheduler(pid, os.SCHED_IDLE, os.sched_param(0))",
        "os.sched_setparam(pid, os.sched_param(0))",
        raw("ioprio_set", "1, pid, 0x6007"),
        "os.kill(-1, 0)",
    ]
    for pid in (other.pid, os.getpid(), os.getppid()):
        assert permitted(attempts, {"pid": pid}) == {}
    assert other.nice() == psutil.Process().nice()
    itself = ["os.nice(1)", "os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})"]
    itself += ["__import__('resource').setrlimit(7, (64, 64))"]
    assert all("value" in came for came in trying(itself, {}).values())


def test_an_action_holds_no_memory_that_is_not_counted() -> None:
    """Memory of no process, memory that is not resident, pages that are larger, pipes that hold more."""
    attempts = [
        "os.memfd_create('held')",
        "__import__('mmap').mmap(-1, 1 << 20)",
        "__import__('mmap').mmap(os.open('/dev/zero', os.O_RDWR), 1 << 20)",
        "__import__('mmap').mmap(-1, 1 << 21, flags=0x40022)",
        "call('shmget', 1, 1 << 20, 0o1600)",
        "call('msgget', 1, 0o1600)",
        "call('semget', 1, 1, 0o1600)",
        "call('mq_open', b'/held', 0o102, 0o600, None)",
        "__import__('fcntl').fcntl(os.pipe()[1], 1031, 1 << 20)",
        "open('/dev/shm/held', 'w')",
    ]
    assert permitted(attempts, {}) == {}
    rules = [raw(444, "0, 0, 1"), raw("seccomp", "1, 0, 0"), "call('prctl', 22, 2, None)"]
    assert {each: came["error"] for each, came in trying(rules, {}).items()} == dict.fromkeys(rules, "OSError")


def test_page_tables_count() -> None:
    """Addresses that were read and hold nothing cost the kernel memory; it is the action's."""
    code = (
        "import ctypes\nlibc = ctypes.CDLL(None)\nlibc.mmap.restype = ctypes.c_void_p\ndef main(args):\n"
        "  for _ in range(100):\n"
        "    start = libc.mmap(None, ctypes.c_size_t(1 << 30), 1, 0x4022, -1, ctypes.c_long(0))\n"
        "    libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(1 << 30), 15)\n"
        "    for at in range(0, 1 << 30, 1 << 21): ctypes.c_char.from_address(start + at).value\n"
        "  while True: pass"
    )
    assert ran(code, memory=128, timeout=30_000).result == {"error": EXHAUSTED}


def test_an_action_watches_and_looks_at_nobody() -> None:
    """Neither names that come and go, nor other processes' memory, nor the kernel."""
    attempts = [
        "call('inotify_init1', 0)",
        "call('fanotify_init', 0, 0)",
        "call('process_vm_readv', pid, None, 0, None, 0, 0)",
        "call('ptrace', 0, 0, 0, 0)",
        "call('name_to_handle_at', -100, b'/', None, None, 0)",
        raw("bpf", "0, 0, 0"),
        raw("userfaultfd", "1"),
        raw("perf", "0, 0, -1, -1, 0"),
        raw("keyctl", "0, -3, 0"),
        "__import__('fcntl').fcntl(os.open('/usr', os.O_RDONLY), 1026, 4)",
        "socket.socket(socket.AF_ALG, socket.SOCK_SEQPACKET)",
        "call('personality', 0x40000)",
    ]
    came = permitted(attempts, {"pid": os.getpid()})
    assert set(came) <= {attempts[-2]}
    assert all("error" in each for each in came.values())


def test_an_action_shares_nobodys_port() -> None:
    """MinIO lets processes of its user listen where it does; half of the uploads would be theirs."""
    attempts = [
        "socket.socket().setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)",
        "socket.create_server(('127.0.0.1', 0), reuse_port=True)",
        "socket.create_server(('127.0.0.1', port))",
    ]
    with socket.create_server(("127.0.0.1", 0), reuse_port=True) as listening:
        came = trying(attempts, {"port": listening.getsockname()[1]})
    assert list(came.values()) == [{"error": "OSError"}] * 3


def test_an_action_enters_no_namespace() -> None:
    """In a namespace of users it would have every capability."""
    new_user = 0x10000000
    attempts = [
        f"call('unshare', {new_user})",
        "call('setns', os.open('/proc/self/ns/user', os.O_RDONLY), 0)",
        raw("clone", f"{new_user} | 17, 0, 0, 0, 0"),
        raw(CLONE3, "0, 0"),
        "subprocess.run(['unshare', '--user', 'true'], capture_output=True).returncode",
    ]
    came = trying(attempts, {})
    assert [each for each in list(came.values())[:3] if each != DENIED] == []
    assert list(came.values())[3:] == [{"error": "OSError"}, {"value": 1}]


def test_an_action_leaves_no_process_group() -> None:
    """So that one signal ends all that it started."""
    attempts = ["os.setsid()", "os.setpgid(0, 0)", "os.setpgid(0, os.getppid())", "os.setpgid(os.getpid(), 0)"]
    attempts += ["subprocess.Popen(['sleep', '0'], start_new_session=True)"]
    assert permitted(attempts, {}) == {}


def test_calls_of_another_architecture_end_the_container() -> None:
    """32-bit calls have numbers of their own, which no list of ours knows."""
    need(os.uname().machine == "x86_64", "only x86-64 has calls of a second architecture")
    code = (
        "import ctypes, mmap\ndef main(args):\n"
        "  page = mmap.mmap(-1, 4096, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, prot=7)\n"
        "  page.write(bytes([0xb8, 20, 0, 0, 0, 0xcd, 0x80, 0xc3]))  # mov eax, getpid; int 0x80; ret\n"
        "  return {'pid': ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()}"
    )
    assert "exited unexpectedly" in ran(code).result["error"]


@pytest.mark.parametrize("name", list(seccomp.ARCHITECTURES))
def test_every_architecture_has_a_program(name: str) -> None:
    """A filter that the kernel would refuse for its length or its jumps is not made."""
    program = seccomp.program(seccomp.ARCHITECTURES[name])
    instructions = [program[at : at + 8] for at in range(0, len(program), 8)]
    assert 100 < len(instructions) < 4096
    for at, (code, _, true, false, *_) in enumerate(instructions):
        assert code not in (0x15, 0x35) or at + 1 + max(true, false) < len(instructions)


HOLDING = """
import asyncio, json, sys
from infra.host.calls import ActionLimits, Call, Executable
from infra.host.containers.pool import LocalPool, PoolSettings
from infra.orphans import adopt_orphans
async def main():
    adopt_orphans()
    pool = LocalPool(PoolSettings())
    await pool.start()
    hoard = "held = bytearray(200 << 20); import time; time.sleep(60)"
    code = ("import subprocess, sys, time\\ndef main(args):\\n"
            "  subprocess.run(['sh', '-c', sys.executable + ' -I -S -c \\"' + args['hoard'] + '\\" >&- 2>&- &'])\\n"
            "  time.sleep(30)")
    action = Executable("a", "1", "python:3.11", "main", code, False, limits=ActionLimits(memory=128))
    ran = await pool.run(Call(action, {"hoard": hoard}, {}))
    await pool.stop()
    print(json.dumps(ran.result))
asyncio.run(main())
"""


def test_memory_of_those_without_a_parent_counts() -> None:
    """A process whose parent has ended is the host's child, and its memory the container's."""
    done = subprocess.run([sys.executable, "-c", HOLDING], capture_output=True, text=True, cwd=SOURCES, check=True)
    assert EXHAUSTED in done.stdout


def test_without_seccomp_actions_run_and_the_host_says_what_that_means(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Files stay confined."""
    monkeypatch.setattr(seccomp, "is_available", lambda: False)
    for module in ("sandbox", "seccomp"):
        monkeypatch.setattr(f"infra.host.containers.{module}.is_available", lambda: False)
    came = trying(["os.nice(0)", "open('/etc/shadow')"], {})
    assert [each for each in came.values() if each == DENIED] == [DENIED]
    assert any("no filter of system calls" in str(vars(record).get("fields")) for record in caplog.records)
    assert len(gaps.find_gaps()) >= 1
