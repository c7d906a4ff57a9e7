"""What an action may touch of the machine: real containers that try what they may not."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from infra.host.calls import Call, Executable
from infra.host.containers import landlock
from infra.host.containers.kinds import SOURCES, local_runtimes
from infra.host.containers.landlock import SINCE_SIGNALS, Confinement, confine, read_version
from infra.host.containers.pool import LocalPool, PoolSettings
from tests.fixtures.needs import need

CONTEXT = {"activation_id": "0" * 32, "namespace": "guest", "action_name": "/guest/tried", "action_version": "0.0.1"}

# Tries each of `attempts`; answers with what came of it: the value, or the error's name.
PYTHON = """
import ctypes, os, signal, socket, subprocess
def call(name, *arguments):
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*arguments) < 0: raise OSError(ctypes.get_errno(), name)
def connected(path):
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(path)
        return s.recv(9).decode()
def tried(attempt, given):
    try: return {'value': eval(attempt, {**globals(), **given})}
    except Exception as error: return {'error': type(error).__name__}
def main(args): return {each: tried(each, args['given']) for each in args['attempts']}
"""
NODE = """
const fs = require('fs'), os = require('os'), child = require('child_process');
function tried(attempt, given) {
  try { return {value: eval(attempt)}; } catch (error) { return {error: error.code || String(error)}; }
}
function main(args) { return Object.fromEntries(args.attempts.map((each) => [each, tried(each, args.given)])); }
"""
DENIED = {"error": "PermissionError"}

pytestmark = pytest.mark.usefixtures("made")


@pytest.fixture(autouse=True)
def _landlock() -> None:
    need(
        read_version(),
        "this kernel has no Landlock (Linux 5.13 or later, and not disabled): actions are not confined here",
    )


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A file as there are in a data directory."""
    made = tmp_path / "secrets" / "minio-root"
    made.parent.mkdir(0o700)
    made.write_text("hush")
    return made


@pytest.fixture
def service() -> Iterator[int]:
    """A process of the same user with a secret in its environment, as MinIO is one."""
    with subprocess.Popen(["sleep", "600"], env={"MINIO_ROOT_PASSWORD": "hush", "PATH": os.defpath}) as process:
        yield process.pid
        process.kill()


def trying(
    attempts: list[str],
    given: Mapping[str, Any],
    code: str = PYTHON,
    kind: str = "python:3.11",
    *,
    preload: bool = False,
    readable: Sequence[Path] = (),
) -> dict[str, Any]:
    """What came of each attempt, made by an action in a container of the pool."""
    preloaded = ("actions.errors",) if preload else ()
    executable = Executable("tried", "1", kind, "main", code, False, preload=preloaded)

    async def running() -> Any:
        local = LocalPool(PoolSettings(runtimes=local_runtimes(readable=readable)))
        await local.start()
        try:
            if preload:
                local.prewarm([executable])
            return await local.run(Call(executable, {"attempts": attempts, "given": given}, CONTEXT))
        finally:
            await local.stop()

    ran = asyncio.run(running())
    assert ran.status == 0, (ran.result, ran.logs)
    return dict(ran.result)


def test_an_action_reads_no_file_of_ours(secret: Path) -> None:
    """Neither a deployment's secrets nor its user's own files, by whatever name; the sources of the host neither."""
    attempts = [
        "open(secret).read()",
        "os.listdir(os.path.dirname(secret))",
        "os.open(os.path.dirname(secret), os.O_RDONLY)",
        "open('/proc/self/root' + secret).read()",
        "os.symlink(secret, 'link') or open('link').read()",
        "os.rename(secret, 'moved')",
        "os.listdir(home)",
        "os.listdir('/tmp')",
        "open(sources + '/infra/deployment/record.py').read()",
        "os.listdir(sources)",
        "open('/etc/shadow').read()",
    ]
    given = {"secret": str(secret), "home": str(Path.home()), "sources": str(SOURCES)}
    allowed = {each: came for each, came in trying(attempts, given).items() if came != DENIED}
    assert allowed == {}


def test_an_action_writes_nowhere_but_in_its_own_directory(secret: Path) -> None:
    """Not by opening, truncating, renaming, removing or making a name."""
    other = secret.parent / "other"
    other.write_text("kept")
    attempts = [
        "open(secret, 'w')",
        "open(secret, 'a')",
        "os.truncate(secret, 0)",
        "os.remove(other)",
        "os.rmdir(os.path.dirname(secret))",
        "os.link(secret, 'hard')",
        "os.mkdir(os.path.dirname(secret) + '/new')",
        "os.symlink('/', os.path.dirname(secret) + '/new')",
        "open('mine', 'w').close() or os.rename('mine', other)",
        "open('/tmp/pixwhisk-tried', 'w')",
        "open('/dev/shm/pixwhisk-tried', 'w')",
        "open(sources + '/actions/errors.py', 'a')",
        "open(site + '/sitecustomize.py', 'w')",
        "open('/proc/sys/kernel/core_pattern', 'w')",
    ]
    given = {
        "secret": str(secret),
        "other": str(other),
        "sources": str(SOURCES),
        "site": str(Path(pytest.__file__).parents[1]),
    }
    came = trying(attempts, given)
    # Between directories a name does not move at all (EXDEV).
    assert {each: error for each, error in came.items() if error not in (DENIED, {"error": "OSError"})} == {}
    assert (secret.read_text(), other.read_text()) == ("hush", "kept")
    assert sorted(each.name for each in secret.parent.iterdir()) == ["minio-root", "other"]


def test_an_action_sees_no_secret_of_another_process(service: int) -> None:
    """Neither its environment nor its memory, files or directory; not the host's, nor that of a service."""
    looks = [
        "open(f'/proc/{pid}/environ').read()",
        "open(f'/proc/{pid}/mem', 'rb').read(1)",
        "os.readlink(f'/proc/{pid}/fd/1')",
    ]
    looks += ["os.readlink(f'/proc/{pid}/cwd')", "os.listdir(f'/proc/{pid}/root/')", "call('ptrace', 16, pid, 0, 0)"]
    for pid in (service, os.getpid()):
        assert {each: came for each, came in trying(looks, {"pid": pid}).items() if came != DENIED} == {}


def test_an_action_signals_no_other_process(service: int) -> None:
    """It cannot end the host or a service; its own children it can."""
    need(read_version() >= SINCE_SIGNALS, "this kernel's Landlock knows no signals (Linux 6.12 or later does)")
    own = "(lambda child: (child.kill(), child.wait()))(subprocess.Popen(['sleep', '60']))[1]"
    came = trying(
        ["os.kill(pid, 9)", "os.kill(host, 0)", "os.kill(os.getppid(), 9)", own], {"pid": service, "host": os.getpid()}
    )
    assert list(came.values()) == [DENIED, DENIED, DENIED, {"value": -9}]


def test_an_action_has_no_privileges() -> None:
    """No capability, not even as root, and no program that would give it one."""
    fields = "{k: v.strip() for k, _, v in (line.partition(':') for line in open('/proc/self/status'))}"
    status = f"[{fields}[name] for name in ('CapInh', 'CapPrm', 'CapEff', 'CapAmb', 'NoNewPrivs')]"
    child = "subprocess.run(['grep', 'CapEff', '/proc/self/status'], capture_output=True, text=True).stdout.split()[1]"
    came = trying([status, child, "call('mount', b'none', b'.', b'tmpfs', 0, None)", "call('chroot', b'.')"], {})
    none = "0" * 16
    assert came[status] == {"value": [none, none, none, none, "1"]}
    assert came[child] == {"value": none}
    assert list(came.values())[2:] == [DENIED, DENIED]


def test_an_action_does_its_work(tmp_path: Path) -> None:
    """Its own directory, temporary files, programs, certificates, names and Unix sockets are there."""
    attempts = [
        "open('mine', 'w').write('mine') and os.rename('mine', 'yours') or open('yours').read()",
        "__import__('tempfile').NamedTemporaryFile().write(b'x')",
        "subprocess.run('echo child > out; cat out', shell=True, capture_output=True, text=True).stdout",
        "socket.getaddrinfo('localhost', 80)[0][4][1]",
        "len(__import__('ssl').create_default_context().get_ca_certs()) >= 0",
        "open('/dev/null', 'w').write('x') + len(open('/dev/urandom', 'rb').read(2))",
        "__import__('PIL.Image').Image.new('RGB', (2, 2)).size",
        "connected(path)",
    ]
    # Short, for a socket's name is.
    with ExitStack() as stack:
        server = stack.enter_context(socket.socket(socket.AF_UNIX))
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server.bind(str(directory / "s"))
        server.listen()
        threading.Thread(target=greet, args=(server,), daemon=True).start()
        came = trying(attempts, {"path": str(directory / "s")})
    assert [each.get("value") for each in came.values()] == ["mine", 1, "child\n", 80, True, 3, [2, 2], "welcome"]


def greet(server: socket.socket) -> None:
    caller, _ = server.accept()
    with caller:
        caller.sendall(b"welcome")


def test_preloading_shows_the_sources_and_no_more(secret: Path) -> None:
    """A container with preloaded modules reads the packages they are from; of the rest beside them only names."""
    came = trying(
        [
            "open(sources + '/actions/errors.py').read(4)",
            "open(sources + '/pyproject.toml').read()",
            "open(secret).read()",
        ],
        {"sources": str(SOURCES), "secret": str(secret)},
        preload=True,
    )
    assert list(came.values()) == [{"value": '"""W'}, DENIED, DENIED]


def test_what_is_named_readable_can_be_read_and_not_written(secret: Path) -> None:
    """`--readable` is for what actions bring along besides their code: a model elsewhere, reference data."""
    came = trying(["open(secret).read()", "open(secret, 'a')"], {"secret": str(secret)}, readable=[secret.parent])
    assert list(came.values()) == [{"value": "hush"}, DENIED]


def test_one_container_sees_nothing_of_another() -> None:
    """The files of one action are none of the other's business."""
    writing = Executable(
        "a",
        "1",
        "python:3.11",
        "main",
        "import os\ndef main(args):\n  open('f', 'w')\n  return {'f': os.path.abspath('f')}",
        False,
    )
    reading = Executable(
        "b", "2", "python:3.11", "main", "def main(args): return {'read': open(args['f']).read()}", False
    )

    async def running() -> Any:
        local = LocalPool(PoolSettings())
        await local.start()
        try:
            wrote = await local.run(Call(writing, {}, CONTEXT))
            return await local.run(Call(reading, wrote.result, CONTEXT))
        finally:
            await local.stop()

    assert "Permission denied" in asyncio.run(running()).result["error"]


def test_a_container_holds_nothing_of_its_zygote() -> None:
    """Neither its connection nor its lifeline, nor what it has written; and it does not signal it."""
    attempts = [
        "sorted(each.partition(':')[0] for each in descriptors() if not each.startswith('/proc'))",
        "os.listdir(os.path.dirname(os.path.dirname(os.environ['HOME'])))",
        "os.listdir(os.path.dirname(os.environ['HOME']) + '/../own/work')",
        "[each for each in os.listdir('/proc') if each.isdigit() and int(each) < os.getpid() and reads(each)]",
        "[each for each in os.listdir('/proc') if each.isdigit() and int(each) < os.getpid() and signals(each)]",
    ]
    code = PYTHON + (
        "OPEN = '/proc/self/fd'\n"
        "def descriptors(): return [os.readlink(f'{OPEN}/{each}') for each in os.listdir(OPEN) if opened(each)]\n"
        "def opened(each): return os.path.lexists(f'/proc/self/fd/{each}')\n"
        "def reads(process): return '--listen' in cmdline(process) and may(lambda: open(f'/proc/{process}/environ'))\n"
        "def signals(process): return '--listen' in cmdline(process) and may(lambda: os.kill(int(process), 0))\n"
        "def cmdline(process): return open(f'/proc/{process}/cmdline').read()\n"
        "def may(attempt):\n  try: attempt(); return True\n  except PermissionError: return False\n"
    )
    files, *others = trying(attempts, {}, code).values()
    # Streams, kept and given; the connection, its selector, and the lifeline.
    assert files == {"value": ["/dev/null", "anon_inode", "pipe", "pipe", "pipe", "pipe", "pipe", "socket"]}
    assert others[0] == DENIED
    assert others[1] in (DENIED, {"error": "FileNotFoundError"})
    assert others[2] == {"value": []}
    assert others[3] == {"value": []} or read_version() < SINCE_SIGNALS


def test_node_actions_are_confined_alike(secret: Path, service: int) -> None:
    """What keeps a Python action in keeps one of Node in."""
    need(local_runtimes().node, "Node is not on the PATH: install Node 20 or later to run its actions")
    attempts = [
        "fs.readFileSync(given.secret, 'utf8')",
        "fs.writeFileSync(given.secret, '')",
        "fs.readFileSync(`/proc/${given.pid}/environ`)",
        "process.kill(given.pid, 0)",
        "fs.writeFileSync('mine', 'mine') || fs.readFileSync('mine', 'utf8')",
        "child.execSync('echo child').toString()",
    ]
    came = trying(attempts, {"secret": str(secret), "pid": service}, NODE, "nodejs:20")
    values = list(came.values())
    assert values[:3] == [{"error": "EACCES"}] * 3
    assert values[3] == {"error": "EPERM"} or read_version() < SINCE_SIGNALS
    assert values[4:] == [{"value": "mine"}, {"value": "child\n"}]


def test_this_process_is_not_confined_by_starting_others(tmp_path: Path) -> None:
    """Only the thread that starts a container is, and that thread ends."""
    (tmp_path / "own").mkdir()
    with pytest.raises(PermissionError):
        confine(Confinement(), tmp_path / "own", (tmp_path / "file").touch)
    (tmp_path / "file").touch()
    confine(Confinement([tmp_path]), tmp_path / "own", (tmp_path / "file").read_text)
    shutil.rmtree(tmp_path / "own")


@pytest.mark.parametrize("version", [1, 2, 3, 4, 5, 6])
def test_older_kernels_confine_files_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: int) -> None:
    """What each version of Landlock knows is asked of it, and no more."""
    monkeypatch.setattr(landlock, "read_version", lambda: version)
    own, file = tmp_path / "own", tmp_path / "file"
    own.mkdir()
    file.touch()
    for attempt in (file.read_text, file.unlink, (tmp_path / "new").touch):
        with pytest.raises(PermissionError):
            confine(Confinement(), own, attempt)
    confine(Confinement(), own, (own / "new").touch)
    assert confine(Confinement([file]), own, file.read_text) == ""


def test_without_landlock_actions_run_and_the_host_says_what_that_means(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Files are open to them then; privileges are gone all the same."""
    monkeypatch.setattr(landlock, "read_version", lambda: 0)
    came = trying(["open(path, 'w').write('x')", "call('chroot', b'.')"], {"path": str(tmp_path / "file")})
    assert list(came.values()) == [{"value": 1}, DENIED]
    assert [record.message for record in caplog.records] == ["containers-not-confined"]
