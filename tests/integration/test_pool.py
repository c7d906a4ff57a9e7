"""The pool with real processes: limits, deaths, logs, scheduling, and that nothing is left."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import os
import resource
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from infra.host.calls import ActionLimits, Busy, Call, Executable, Ran
from infra.host.containers import watch
from infra.host.containers.kinds import SOURCES, local_runtimes
from infra.host.containers.pool import LocalPool, PoolSettings
from infra.services.ports import is_free
from tests.fixtures.deployment import free_ports
from tests.fixtures.needs import need
from tests.fixtures.processes import runs

CONTEXT = {
    "activation_id": "0" * 32,
    "transaction_id": "t",
    "namespace": "guest",
    "action_name": "/guest/tested",
    "action_version": "0.0.1",
}
ECHO = "def main(args): return args"
PROCESS = "import os\ndef main(args): return {'process': os.getpid()}"


def executable(code: str, *, revision: str = "", kind: str = "python:3.11", **other: Any) -> Executable:
    """An action by its code; equal code has an equal revision."""
    limits = ActionLimits(**{name: other.pop(name) for name in ("timeout", "memory", "logs") if name in other})
    binary = other.pop("binary", False)
    return Executable("tested", revision or code, kind, "main", code, binary, limits=limits, **other)


def call(code: str | Executable, arguments: dict[str, Any] | None = None, **other: Any) -> Call:
    return Call(code if isinstance(code, Executable) else executable(code, **other), arguments or {}, CONTEXT)


def with_pool(test: Callable[[LocalPool], Awaitable[None]], **settings: Any) -> None:
    """Run `test` with a started pool, which is stopped and has left nothing afterwards."""

    async def running() -> None:
        pool = LocalPool(PoolSettings(**settings))
        await pool.start()
        directory = pool._members.directory
        assert directory is not None
        try:
            await test(pool)
        finally:
            await pool.stop()
        assert not directory.exists()

    asyncio.run(running())


def ran(code: str | Executable, arguments: dict[str, Any] | None = None, **other: Any) -> Ran:
    """One call in a pool of its own."""
    results: list[Ran] = []

    async def test(pool: LocalPool) -> None:
        results.append(await pool.run(call(code, arguments, **other)))

    with_pool(test)
    return results[0]


async def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "condition not met in time"
        await asyncio.sleep(0.01)


def texts(result: Ran) -> list[str]:
    """Log lines without their time, which is checked to be 30 columns wide."""
    for line in result.logs:
        time.strptime(line[:19], "%Y-%m-%dT%H:%M:%S")
        assert line[29:31] == "Z "
    return [line[31:] for line in result.logs]


INCOMPLETE = "stderr: The action did not initialize or run as expected. Log data might be missing."


def test_cold_and_warm() -> None:
    """The first call initialises a container, the second finds it warm."""

    async def test(pool: LocalPool) -> None:
        first = await pool.run(call(PROCESS))
        second = await pool.run(call(PROCESS))
        assert (first.status, second.status) == (0, 0)
        assert first.result == second.result
        assert first.init_time is not None
        assert second.init_time is None
        assert first.start <= first.end <= second.start

    with_pool(test)


@pytest.mark.parametrize(
    ("code", "status", "result"),
    [
        (ECHO, 0, {"a": 1}),
        ("def main(args): return [args]", 0, [{"a": 1}]),
        ("def main(args): return {'error': 'e', 'more': 1}", 1, {"error": "e"}),
        ("def main(args): raise ValueError('bad')", 1, {"error": "bad"}),
        ("def main(args): return 'text'", 2, {"error": "The action did not return a dictionary or array."}),
        ("no python", 2, {"error": "The action failed to generate or locate a binary. See logs for details."}),
        ("import nowhere", 2, {"error": "Cannot start action. Check logs for details."}),
        ("", 2, {"error": "Missing main/no code to execute."}),
        (
            "import os\ndef main(args): os._exit(0)",
            2,
            {"error": "The action did not produce a valid response and exited unexpectedly."},
        ),
        ("import os\nos._exit(0)", 2, {"error": "The action did not initialize and exited unexpectedly."}),
    ],
)
def test_outcomes(code: str, status: int, result: object) -> None:
    """Each way to end has OpenWhisk's status and words; a developer error is noted in the logs."""
    outcome = ran(code, {"a": 1})
    assert (outcome.status, outcome.result) == (status, result)
    assert (INCOMPLETE in texts(outcome)) == (status == 2)
    assert not outcome.timed_out


def test_run_over_time() -> None:
    """A run over its time is killed; what it said so far is kept."""
    outcome = ran("import time\ndef main(args):\n  print('begun')\n  time.sleep(60)", timeout=300)
    assert outcome.result == {"error": "The action exceeded its time limits of 300 milliseconds."}
    assert (outcome.status, outcome.timed_out) == (2, True)
    assert texts(outcome) == ["stdout: begun", INCOMPLETE]


def test_initialisation_over_time() -> None:
    """So is an initialisation."""
    outcome = ran("import time\ntime.sleep(60)", timeout=300)
    assert outcome.result == {"error": "The action exceeded its time limits of 300 milliseconds during initialization."}
    assert (outcome.status, outcome.timed_out) == (2, True)
    assert outcome.init_time is not None


def test_busy_loop_over_time() -> None:
    """Not even one that never yields and ignores SIGTERM outlives its time."""
    code = "import signal\ndef main(args):\n  signal.signal(15, signal.SIG_IGN)\n  while True: pass"
    assert ran(code, timeout=300).timed_out


@pytest.mark.parametrize(
    "code",
    [
        "def main(args):\n  kept = []\n  while True: kept.append(bytearray(10 << 20))",
        "def main(args):\n  x = b'x' * (400 << 20)\n  return {}",
        "import subprocess, sys\ndef main(args):\n  x = subprocess.run([sys.executable, '-c',"
        " 'import time; x = bytearray(400 << 20); time.sleep(60)'])",
    ],
    ids=["growing", "brief", "in a child"],
)
def test_over_memory(code: str) -> None:
    """Memory over the limit ends a container, however briefly, and whichever of its processes takes it."""
    outcome = ran(code, memory=128, timeout=20_000)
    assert (outcome.status, outcome.result) == (2, {"error": "The action exhausted its memory and was aborted."})


def test_result_too_long() -> None:
    """A response over a megabyte is an application error that shows its beginning, and the container lives on."""

    async def test(pool: LocalPool) -> None:
        code = "import os\ndef main(args): return {'x': 'x' * args['n'], 'process': os.getpid()}"
        small = await pool.run(call(code, {"n": 1}))
        outcome = await pool.run(call(code, {"n": 3_000_000}))
        assert outcome.status == 1
        words = "The action produced a response that exceeded the allowed length: 30000"
        assert outcome.result["error"].startswith(words)
        assert " > 1048576 bytes. The truncated response was: {" in outcome.result["error"]
        assert len(outcome.result["error"]) < (1 << 20) + 200
        assert (await pool.run(call(code, {"n": 1}))).result == small.result

    with_pool(test)


def test_logs() -> None:
    """Lines of both streams are stored with their time and stream, those of each call with it, ended or not."""

    async def test(pool: LocalPool) -> None:
        code = (
            "import sys\nprint('loaded')\ndef main(args):\n"
            "  print(args['n'])\n  print('wrong', file=sys.stderr)\n  print('no end', end='')\n  return {}"
        )
        first = await pool.run(call(code, {"n": "ü"}))
        second = await pool.run(call(code, {"n": 2}))
        assert sorted(texts(first)) == ["stderr: wrong", "stdout: loaded", "stdout: no end", "stdout: ü"]
        assert sorted(texts(second)) == ["stderr: wrong", "stdout: 2", "stdout: no end"]

    with_pool(test)


def test_log_limit() -> None:
    """Logs over their limit are cut, with OpenWhisk's words; the result is not touched."""
    outcome = ran("def main(args):\n  for n in range(40_000): print('x' * 100)\n  return {'ok': 1}", logs=1)
    assert (outcome.status, outcome.result) == (0, {"ok": 1})
    words = "stderr: Logs were truncated because the total bytes size exceeds the limit of 1048576 bytes."
    assert texts(outcome)[-1] == words
    assert sum(len(line) for line in outcome.logs) < (1 << 20) + 200


def test_one_endless_line() -> None:
    """A line without end is stored in pieces, whole."""
    outcome = ran("def main(args):\n  print('x' * 300_000, end='')\n  return {}")
    assert sum(text.count("x") for text in texts(outcome)) == 300_000
    assert outcome.status == 0


def test_no_logs() -> None:
    """A log limit of 0 keeps nothing, not even a note."""
    assert ran("def main(args):\n  print('x')\n  return {}", logs=0).logs == []
    assert ran("def main(args):\n  print('x')\n  return 3", logs=0).logs == []


def test_missing_sentinel() -> None:
    """A container whose logs do not end is replaced; its result counts."""

    async def test(pool: LocalPool) -> None:
        # Standard output goes nowhere from here on, sentinels included.
        code = (
            "import os\nfor each in os.listdir('/proc/self/fd'):\n  try: pipe = os.readlink('/proc/self/fd/' + each)\n"
            "  except OSError: continue\n  if 'pipe' in pipe: os.dup2(os.open('/dev/null', os.O_RDWR), int(each))\n"
            "def main(args): return {'process': os.getpid()}"
        )
        first = await pool.run(call(code))
        second = await pool.run(call(code))
        assert (first.status, second.status) == (0, 0)
        assert first.result != second.result

    with_pool(test)


def test_isolation() -> None:
    """A container sees no environment but what is declared, no open files, no input, a directory of its own."""
    code = (
        "import os, sys\ndef main(args):\n"
        "  numbers = [n for n in os.listdir('/proc/self/fd') if os.path.lexists('/proc/self/fd/' + n)]\n"
        "  return {'environment': dict(os.environ), 'input': sys.stdin.read(), 'path': sys.path,"
        " 'files': [os.readlink('/proc/self/fd/' + n) for n in numbers],"
        " 'group': os.getpgid(0),"
        " 'here': os.getcwd(), 'mode': os.stat('.').st_mode & 0o777}"
    )
    outcomes: list[Ran] = []

    async def test(pool: LocalPool) -> None:
        os.environ["PIXWHISK_SECRET"] = "s"
        try:
            outcomes.append(await pool.run(call(code)))
        finally:
            del os.environ["PIXWHISK_SECRET"]

    with_pool(test, runtimes=local_runtimes({"PIXWHISK_MODEL": "/model"}))
    seen = outcomes[0].result
    names = {"PATH", "LANG", "HOME", "TMPDIR", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MALLOC_ARENA_MAX"}
    assert {name for name in seen["environment"] if not name.startswith("__OW_")} == names | {
        "PIXWHISK_MODEL",
        "CONTAINER_MEMORY",
    }
    assert seen["environment"]["__OW_ACTION_NAME"] == "/guest/tested"
    assert int(seen["environment"]["__OW_DEADLINE"]) > time.time() * 1000
    assert seen["input"] == ""
    assert seen["group"] != os.getpgid(0)
    assert seen["mode"] == 0o700
    assert str(SOURCES) not in seen["path"]
    assert seen["here"].startswith(seen["environment"]["TMPDIR"])
    allowed = ("pipe:", "socket:", "/dev/null", "anon_inode:", "/proc/")
    assert all(file.startswith(allowed) for file in seen["files"]), seen["files"]


def test_killed_container() -> None:
    """A container killed in the middle of a call gives that call an error and the next a new container."""

    async def test(pool: LocalPool) -> None:
        code = "import os, time\ndef main(args):\n  time.sleep(args.get('s', 0))\n  return {'process': os.getpid()}"
        process = (await pool.run(call(code))).result["process"]
        running = asyncio.create_task(pool.run(call(code, {"s": 60})))
        await until(lambda: any(member.busy for member in pool._members))
        os.kill(process, signal.SIGKILL)
        outcome = await running
        assert outcome.result == {"error": "The action did not produce a valid response and exited unexpectedly."}
        assert (await pool.run(call(code))).result["process"] != process

    with_pool(test)


def test_killed_idle_container() -> None:
    """One that dies idle is not used again."""

    async def test(pool: LocalPool) -> None:
        process = (await pool.run(call(PROCESS))).result["process"]
        os.kill(process, signal.SIGKILL)
        await until(lambda: not pool._members)
        assert (await pool.run(call(PROCESS))).result["process"] != process

    with_pool(test)


def test_children_end_with_their_container() -> None:
    """What a killed action started does not outlive it, not even one whose parent has ended."""
    code = (
        "import subprocess, time\ndef main(args):\n"
        "  print(subprocess.Popen(['sleep', '600']).pid)\n"
        "  print(subprocess.run('(sleep 600 >&- 2>&- & echo $!)', shell=True, capture_output=True).stdout.decode())\n"
        "  time.sleep(60)"
    )
    outcome = ran(code, timeout=500)
    children = [int(line.rpartition(" ")[2]) for line in texts(outcome)[:2]]
    asyncio.run(until(lambda: not any(map(runs, children))))


def test_a_response_without_an_end_is_cut_off() -> None:
    """An action that writes into its own connection takes neither this process's memory nor its time."""
    code = (
        "import os, socket, stat\ndef main(args):\n"
        "  numbers = [int(n) for n in os.listdir('/proc/self/fd')]\n"
        "  for n in numbers:\n"
        "    if os.path.exists(f'/proc/self/fd/{n}') and stat.S_ISSOCK(os.fstat(n).st_mode):\n"
        "      for _ in range(2000): os.write(n, b'x' * (1 << 20))"
    )
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert "exited unexpectedly" in ran(code).result["error"]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 32 << 10


def test_slots_and_queue() -> None:
    """No more compute at once than there are slots, no more wait than the queue holds, and the oldest goes first."""

    async def test(pool: LocalPool) -> None:
        spin = (
            "import time\ndef main(args):\n  end = time.time() + 0.15\n  while time.time() < end: pass\n  return args"
        )
        order: list[int] = []

        async def one(number: int) -> None:
            await pool.run(call(spin, {"n": number}))
            order.append(number)

        tasks = [asyncio.create_task(one(number)) for number in range(4)]
        await asyncio.sleep(0)
        with pytest.raises(Busy):
            await pool.run(call(spin))
        await asyncio.gather(*tasks)
        assert order == [0, 1, 2, 3]
        assert len(pool._members) == 1

    with_pool(test, slots=1, queue=3)


def test_waiting_action_takes_no_slot() -> None:
    """An action that waits for another, as one does that invokes it, lets that other run in the only slot."""

    async def test(pool: LocalPool) -> None:
        (port,) = free_ports(1)
        waiting = (
            "import socket\ndef main(args):\n"
            "  with socket.create_server(('127.0.0.1', args['port'])) as server: server.accept()\n  return {}"
        )
        waits = asyncio.create_task(pool.run(call(waiting, {"port": port})))
        await until(lambda: not is_free(port))
        calling = (
            "import socket\ndef main(args):\n"
            "  socket.create_connection(('127.0.0.1', args['port'])).close()\n  return {}"
        )
        calls = await pool.run(call(calling, {"port": port}))
        assert (calls.status, (await waits).status) == (0, 0)

    with_pool(test, slots=1)


def test_eviction() -> None:
    """The container unused for longest gives way when memory is short."""

    async def test(pool: LocalPool) -> None:
        codes = [f"import os\ndef main(args): return {{'p': os.getpid(), 'n': {n}}}" for n in range(3)]
        before = [(await pool.run(call(code))).result for code in codes[:2]]
        await pool.run(call(codes[0]))
        await pool.run(call(codes[2]))
        assert (await pool.run(call(codes[0]))).result == before[0]
        assert (await pool.run(call(codes[1]))).result != before[1]

    with_pool(test, memory=512)


def test_more_memory_than_there_is() -> None:
    """An action that can never fit is an internal error at once."""

    async def test(pool: LocalPool) -> None:
        assert (await pool.run(call(ECHO, memory=512))).status == 3

    with_pool(test, memory=256)


def test_idle_containers_end() -> None:
    """A container nobody uses is ended after a while."""

    async def test(pool: LocalPool) -> None:
        process = (await pool.run(call(PROCESS))).result["process"]
        await until(lambda: not runs(process))
        assert not pool._members

    with_pool(test, idle=0.2)


def test_unknown_kind() -> None:
    """A kind that is not here is an internal error; the API refuses it earlier."""
    assert ran(executable(ECHO, kind="cobol:60")).status == 3


@pytest.mark.parametrize("kind", ["python:3", "python:default", "blackbox:somebody/image:1"])
def test_kinds(kind: str) -> None:
    """Every Python kind runs, and a blackbox in the Python runtime."""
    assert ran(executable(ECHO, kind=kind), {"a": 1}).result == {"a": 1}


def test_node() -> None:
    """Node actions have the same pool, logs and limits."""
    need(local_runtimes().node, "Node is not on the PATH: install Node 20 or later to run its actions")
    code = (
        "function main(args) { console.log('hi');"
        " return new Promise((done) => setTimeout(() => done(args), args.wait)); }"
    )
    outcome = ran(executable(code, kind="nodejs:20"), {"wait": 1})
    assert (outcome.status, outcome.result, texts(outcome)) == (0, {"wait": 1}, ["stdout: hi"])
    late = ran(executable(code, kind="nodejs:default", timeout=300), {"wait": 60_000})
    assert late.timed_out


def zipped(files: dict[str, str]) -> str:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        for name, text in files.items():
            file.writestr(name, text)
    return base64.b64encode(archive.getvalue()).decode()


NAMES = ("actions/__init__.py", "actions/errors.py", "actions/events.py")
FILES = {name: (SOURCES / name).read_text() for name in NAMES}
PRELOADED = """
import os, sys
warm = 'actions.events' in sys.modules
import actions.events
def main(args):
    files = sorted(os.path.join(at, name) for at, _, names in os.walk('.') for name in names)
    return {'warm': warm, 'process': os.getpid(), 'files': files, 'from': actions.events.__file__}
"""


def zygotes_of(pool: LocalPool) -> list[int]:
    """The processes that containers are copied from."""
    return [each.sandbox.process_id for each in pool._members._zygotes._running.values()]


def is_copy(process: int) -> bool:
    """A copy has the arguments that its zygote was started with."""
    return b"orders:" in Path(f"/proc/{process}/cmdline").read_bytes()


def test_containers_are_copies_of_what_has_preloaded() -> None:
    """Each keeps what its action brings unchanged, as files of its own; no two are the same."""
    wanted = [
        executable(zipped({**FILES, "__main__.py": PRELOADED}), revision=each, binary=True, preload=("actions.events",))
        for each in ("first", "second")
    ]

    async def test(pool: LocalPool) -> None:
        pool.prewarm(wanted)
        results = [(await pool.run(call(each))).result for each in wanted]
        assert [each["warm"] for each in results] == [True, True]
        assert all(is_copy(each["process"]) for each in results)
        assert results[0]["files"] == results[1]["files"] == sorted(f"./{name}" for name in ("__main__.py", *NAMES))
        assert len({each["from"] for each in results}) == len({each["process"] for each in results}) == 2

    with_pool(test)


def test_what_was_prepared_for_one_action_is_no_other_s() -> None:
    """A zygote that is not asked for a while puts files in place; an action that brings others has only its own."""
    changed = {**FILES, "actions/events.py": "CHANGED = True\n", "__main__.py": PRELOADED}
    del changed["actions/errors.py"]
    listing = "import os\ndef main(args): return {'all': [*os.walk('.')]}"

    async def test(pool: LocalPool) -> None:
        directory = pool._members.directory
        assert directory is not None
        pool.prewarm([executable(ECHO, preload=("actions.events",))])
        other = executable(zipped(changed), binary=True, preload=("actions.events",))
        for expected, each in (
            ([[".", [], ["__main__.py"]]], executable(listing, preload=("actions.events",))),
            (["./__main__.py", "./actions/__init__.py", "./actions/events.py"], other),
        ):
            await until(lambda: [*directory.glob("zygote-*/own/work/action-*/actions/events.py")])
            result = (await pool.run(call(each))).result
            assert result.get("all", result.get("files")) == expected
        assert not result["warm"]

    with_pool(test)


def test_copies_draw_their_own_random_numbers() -> None:
    """By every way there is; none goes on from where the zygote was."""
    code = (
        "import os, random, secrets, ssl, tempfile, uuid\ndef main(args):\n"
        "  drawn = [random.random(), secrets.token_hex(), ssl.RAND_bytes(16).hex(), uuid.uuid4().hex]\n"
        "  return {'drawn': [*drawn, os.urandom(16).hex(), os.path.basename(tempfile.mkdtemp())]}"
    )
    preload = ("random", "ssl", "tempfile")

    async def test(pool: LocalPool) -> None:
        pool.prewarm([executable(code, preload=preload)])
        drawn = [
            (await pool.run(call(executable(code, revision=each, preload=preload)))).result["drawn"] for each in "ab"
        ]
        assert not set(drawn[0]) & set(drawn[1])

    with_pool(test)


def test_containers_outlive_their_zygote() -> None:
    """One that was killed is replaced, and those it made answer on."""

    async def test(pool: LocalPool) -> None:
        first = (await pool.run(call(PROCESS))).result["process"]
        (zygote,) = zygotes_of(pool)
        os.kill(zygote, signal.SIGKILL)
        await until(lambda: zygotes_of(pool) not in ([zygote], []))
        assert (await pool.run(call(PROCESS))).result["process"] == first
        other = (await pool.run(call(PROCESS, revision="other"))).result["process"]
        assert is_copy(other)

    with_pool(test)


def test_what_runs_threads_is_not_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy would lack them: its container is started, and preloads by itself."""
    monkeypatch.setattr("infra.host.containers.kinds.SOURCES", tmp_path)
    (tmp_path / "actions").mkdir()
    (tmp_path / "actions/odd.py").write_text(
        "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()"
    )
    wanted = executable("import os\ndef main(args): return {'process': os.getpid()}", preload=("actions.odd",))

    async def test(pool: LocalPool) -> None:
        pool.prewarm([wanted])
        process = (await pool.run(call(wanted))).result["process"]
        assert not is_copy(process)

    with_pool(test)


def test_calls_without_a_key_wait_behind_all_others() -> None:
    """However many there are, and though they came first."""

    async def test(pool: LocalPool) -> None:
        order: list[str] = []

        async def one(name: str, *, keyless: bool) -> None:
            spin = "import time\ndef main(args):\n  time.sleep(0.02)\n  return args"
            await pool.run(Call(executable(spin), {}, CONTEXT, keyless))
            order.append(name)

        tasks = [asyncio.create_task(one(f"anybody {number}", keyless=True)) for number in range(3)]
        await asyncio.sleep(0)
        await asyncio.gather(one("a row", keyless=False), *tasks)
        assert order == ["anybody 0", "a row", "anybody 1", "anybody 2"]

    with_pool(test, slots=1)


def test_memory_is_kept_to_between_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    """What an action left running may not grow past the limit while nobody calls it."""
    monkeypatch.setattr(watch, "INTERVAL_IDLE", 0.05)
    code = (
        "import subprocess, sys\ndef main(args):\n"
        "  grow = 'import time; held = bytearray(200 << 20); time.sleep(60)'\n"
        "  quiet = subprocess.DEVNULL\n"
        "  return {'pid': subprocess.Popen([sys.executable, '-I', '-S', '-c', grow], stdout=quiet, stderr=quiet).pid}"
    )

    async def test(pool: LocalPool) -> None:
        outcome = await pool.run(call(code, memory=128))
        await until(lambda: not runs(outcome.result["pid"]))

    with_pool(test)


def test_cancelled_call() -> None:
    """A call nobody waits for any more is ended with its container, and its place is free."""

    async def test(pool: LocalPool) -> None:
        running = asyncio.create_task(pool.run(call("import time\ndef main(args): time.sleep(60)")))
        await until(lambda: any(member.container and member.container.initialized for member in pool._members))
        queued = asyncio.create_task(pool.run(call(ECHO)))
        queued.cancel()
        running.cancel()
        await asyncio.gather(running, queued, return_exceptions=True)
        assert (await pool.run(call(ECHO, {"a": 1}))).result == {"a": 1}
        assert len(pool._members) == 1

    with_pool(test, slots=1)


def test_stop_while_running() -> None:
    """Stopping ends running and waiting calls, and a stopped pool takes no more."""

    async def test(pool: LocalPool) -> None:
        spin = "def main(args):\n  while True: pass"
        running = [asyncio.create_task(pool.run(call(spin))) for _ in range(2)]
        await until(lambda: any(member.container and member.container.initialized for member in pool._members))
        process = next(iter(pool._members)).opened.result().process_id
        await pool.stop()
        first, second = await asyncio.gather(*running, return_exceptions=True)
        assert isinstance(first, Ran)
        assert isinstance(second, Busy)
        assert not runs(process)
        with pytest.raises(Busy):
            await pool.run(call(ECHO))

    with_pool(test, slots=1)


HOST = """
import asyncio, json, sys
from infra.host.containers.pool import LocalPool, PoolSettings
from infra.host.calls import Call, Executable
async def main():
    pool = LocalPool(PoolSettings(slots=8))
    await pool.start()
    idle = "import os\\ndef main(args): return {'p': os.getpid()}"
    first = await pool.run(Call(Executable("a", "1", "python:3.11", "main", idle, False), {}, {}))
    busy = ("import os, subprocess\\ndef main(args):\\n  child = subprocess.Popen(['sleep', '600']).pid\\n"
            "  open('child', 'w').write(f'{os.getpid()} {child}')\\n  while True: pass")
    asyncio.create_task(pool.run(Call(Executable("b", "2", "python:3.11", "main", busy, False), {}, {})))
    zygotes = [each.sandbox.process_id for each in pool._members._zygotes._running.values()]
    told = {"idle": [first.result["p"], *zygotes], "directory": str(pool._members.directory)}
    print(json.dumps(told), flush=True)
    await asyncio.sleep(600)
asyncio.run(main())
"""


def test_no_orphan_after_the_host_is_killed() -> None:
    """`kill -9` of the host takes every container with it, idle or in a busy loop, their children, and zygotes."""
    with subprocess.Popen([sys.executable, "-c", HOST], stdout=subprocess.PIPE, cwd=SOURCES) as host:
        assert host.stdout is not None
        told = json.loads(host.stdout.readline())
        directory = Path(told["directory"])

        def busy() -> list[int]:
            return [int(word) for file in directory.rglob("child") for word in file.read_text().split()]

        asyncio.run(until(lambda: len(busy()) == 2))
        processes = [*told["idle"], *busy()]
        assert all(map(runs, processes))
        host.kill()
    asyncio.run(until(lambda: not any(map(runs, processes))))

    async def next_pool(pool: LocalPool) -> None:
        assert pool._members.directory != directory

    with_pool(next_pool)
    assert not directory.exists()
