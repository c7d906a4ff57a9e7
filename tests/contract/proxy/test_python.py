"""What the Python runtime promises beyond the statuses."""

from __future__ import annotations

import http.client
import io
import json
import os
import socket
import subprocess
import tarfile
import textwrap
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.contract.proxy.containers import Client, logs_of, logs_until, python


def returned(client: Client, body: str, value: object = None) -> tuple[int, Any]:
    """Initialise with `main` doing `body`, and run it."""
    lines = "\n".join(f"    {line}" for line in body.splitlines())
    assert client.init(f"import os, sys\ndef main(args):\n{lines}\n") == (200, {"ok": True})
    return client.run(value)


def test_array_result(runtime: Client) -> None:
    """An array is a result, and may be an argument."""
    assert returned(runtime, "return args + [3]", [1, 2]) == (200, [1, 2, 3])


@pytest.mark.parametrize("expression", ["None", "'text'", "3", "True", "b'x'", "(n for n in [])", "main"])
def test_other_results_are_refused(runtime: Client, expression: str) -> None:
    """A result is a dictionary or an array."""
    status, body = returned(runtime, f"return {expression}")
    assert (status, body) == (502, {"error": "The action did not return a dictionary or array."})


@pytest.mark.parametrize("expression", ["float('nan')", "b'x'", "{1, 2}", "object()", "float('inf')"])
def test_results_beyond_json_are_refused(runtime: Client, expression: str) -> None:
    """What JSON cannot say is refused, not bent."""
    status, body = returned(runtime, "return {'x': " + expression + "}")
    assert status == 502
    assert body["error"].startswith("The action did not return a dictionary or array. Its result is no JSON: ")


def test_endless_result_is_refused(runtime: Client) -> None:
    """A result that holds itself is refused, and the container lives."""
    assert returned(runtime, "x = {}\nx['x'] = x\nreturn x if args else {}", {"loop": True})[0] == 502
    assert runtime.run({}) == (200, {})


def test_exception(runtime: Client) -> None:
    """An exception's text is the error; its traceback is on stderr, and shows none of the proxy's own frames."""
    assert returned(runtime, "return 1 / args['by']", {"by": 0}) == (200, {"error": "division by zero"})
    logged = logs_of(runtime, 1)[1]
    assert "ZeroDivisionError: division by zero" in logged
    assert "/proxy/" not in logged


@pytest.mark.parametrize(
    ("statement", "error"),
    [
        ("sys.exit(3)", "SystemExit: 3"),
        ("exit(3)", "SystemExit: 3"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt: "),
        ("raise MemoryError", "MemoryError"),
        ("raise ValueError", "ValueError"),
        ("main(args)", "maximum recursion depth exceeded"),
    ],
)
def test_what_ends_programs_is_an_error(runtime: Client, statement: str, error: str) -> None:
    """Nothing an action raises ends its container."""
    assert returned(runtime, f"if args: return {{}}\n{statement}") == (200, {"error": error})
    assert runtime.run({"again": 1}) == (200, {})


def test_import_failure(runtime: Client) -> None:
    """A module that fails as it is imported does not start, and its directory and environment go with it."""
    status, body = runtime.init("import os\nos.environ['LEFT'] = '1'\nimport nowhere", env={"GIVEN": "1"})
    assert (status, body) == (502, {"error": "Cannot start action. Check logs for details."})
    assert "nowhere" in logs_of(runtime, 1)[1]
    assert returned(runtime, "return {'left': [n for n in ('LEFT', 'GIVEN') if n in os.environ]}") == (
        200,
        {"left": []},
    )


def test_named_function(runtime: Client) -> None:
    """`main` names the function to call."""
    assert runtime.init("def other(args): return {'called': 'other'}", main="other")[0] == 200
    assert runtime.run() == (200, {"called": "other"})


def test_environment(runtime: Client) -> None:
    """Initial parameters are the environment, as text; the context of a call is there as `__OW_*` and goes with it."""
    code = "import os\ndef main(args): return {n: os.environ.get(n) for n in args['names']}"
    runtime.init(code, env={"TEXT": "ü", "NUMBER": 3, "NONE": None, "OBJECT": {"a": 1}, "__OW_NAMESPACE": "guest"})
    names = ["TEXT", "NUMBER", "NONE", "OBJECT", "__OW_NAMESPACE", "__OW_API_KEY", "__OW_DEADLINE"]
    assert runtime.run({"names": names}, api_key="a:b", deadline=12) == (
        200,
        dict(zip(names, ["ü", "3", "", '{"a": 1}', "guest", "a:b", "12"], strict=True)),
    )
    assert runtime.run({"names": ["__OW_API_KEY"]}, namespace="guest") == (200, {"__OW_API_KEY": None})


def test_the_context_of_a_call_is_not_kept(runtime: Client) -> None:
    """C's side of the environment, which programs of an action inherit, has it too; memory does not grow by it."""
    runtime.init(
        "import ctypes, os\n"
        "getenv = ctypes.CDLL(None).getenv\n"
        "getenv.restype = ctypes.c_char_p\n"
        "def main(args):\n"
        "    resident = int(open('/proc/self/statm').read().split()[1]) * os.sysconf('SC_PAGE_SIZE')\n"
        "    return {'resident': resident, 'id': (getenv(b'__OW_TRANSACTION_ID') or b'').decode()}"
    )
    resident = []
    for number in range(2000):
        sent = f"{number}-" + "x" * (5000 + number % 100)
        _, answer = runtime.run({}, transaction_id=sent)
        assert answer["id"] == sent
        resident.append(answer["resident"])
    assert runtime.run({})[1]["id"] == ""
    assert resident[-1] - resident[100] < 2**20


@pytest.mark.parametrize("env", [{"A=B": "x"}, {"": "x"}, {"A": "x\0y"}, ["A"], "A"])
def test_bad_environment_is_refused(runtime: Client, env: object) -> None:
    """What cannot be an environment is refused."""
    assert runtime.init("def main(args): return {}", env=env)[0] == 400


def test_zip(runtime: Client) -> None:
    """A zip's files are the working directory and can be imported."""
    main = "import os, helper.words\ndef main(args): return {'word': helper.words.WORD, 'here': sorted(os.listdir())}"
    assert runtime.init({"__main__.py": main, "helper/__init__.py": "", "helper/words.py": "WORD = 'w'"})[0] == 200
    assert runtime.run() == (200, {"word": "w", "here": ["__main__.py", "helper"]})


def test_zip_without_main(runtime: Client) -> None:
    """A zip needs a `__main__.py`."""
    status, body = runtime.init({"main.py": ""})
    assert (status, body["error"]) == (
        502,
        "The action failed to generate or locate a binary. See logs for details.",
    )


def test_tar(runtime: Client) -> None:
    """A tar.gz serves as well as a zip."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        code = b"def main(args): return {'from': 'tar'}"
        entry = tarfile.TarInfo("./__main__.py")
        entry.size = len(code)
        tar.addfile(entry, io.BytesIO(code))
    assert runtime.init(archive.getvalue())[0] == 200
    assert runtime.run() == (200, {"from": "tar"})


def test_virtualenv(runtime: Client) -> None:
    """Libraries in a zip's `virtualenv` for the container's version of Python are found."""
    brought = {
        f"virtualenv/lib/python3.{minor}/site-packages/brought.py": f"def main(args): return {{'minor': {minor}}}"
        for minor in range(9, 20)
    }
    main = "import sys, brought\ndef main(args): return {'own': sys.version_info[1], **brought.main(args)}"
    assert runtime.init({"__main__.py": main, **brought})[0] == 200
    status, body = runtime.run()
    assert (status, body["minor"]) == (200, body["own"])


def test_main_guard(runtime: Client) -> None:
    """The action is imported, not run as a program."""
    assert (
        runtime.init("def main(args): return {'name': __name__}\nif __name__ == '__main__': raise SystemExit")[0] == 200
    )
    assert runtime.run() == (200, {"name": "main__"})


def test_output_survives_closed_streams(runtime: Client) -> None:
    """An action that closes its streams still ends its logs with sentinels."""
    assert (
        returned(runtime, "print('last words', flush=True)\nsys.stdout.close()\nsys.stderr = None\nreturn {}")[0] == 200
    )
    assert "last words" in logs_of(runtime, 1)[0]
    assert runtime.run() == (200, {"error": "I/O operation on closed file."})


def test_odd_characters(runtime: Client) -> None:
    """Half a surrogate pair passes through arguments, logs and results."""
    assert returned(runtime, "print(args['x'])\nreturn args", {"x": "\ud800 ü 😀"}) == (200, {"x": "\ud800 ü 😀"})
    assert "\\ud800 ü 😀" in logs_of(runtime, 1)[0]


def test_terminates_while_running(runtime: Client) -> None:
    """SIGTERM ends a container at once, cleanly, whatever the action does."""
    stubborn = "print('begun')\nwhile True:\n  try: time.sleep(60)\n  except BaseException: pass"
    assert runtime.init("import time\ndef main(args):\n" + textwrap.indent(stubborn, "  "))[0] == 200
    with ThreadPoolExecutor() as threads:
        running = threads.submit(runtime.run)
        logs_until(runtime, lambda out, _: "begun" in out)
        assert runtime.container.terminate() == 0
        assert isinstance(running.exception(), OSError)


def test_no_file_is_left(runtime: Client) -> None:
    """A failed /init leaves no file; a good one only the action's directory."""
    runtime.init("import nowhere")
    runtime.init({"../x": ""})
    assert runtime.container.files() == []
    runtime.init("def main(args): return {}")
    assert [name.split("-")[0] for name in runtime.container.files()] == ["action"]


def test_nobody_reads_the_logs() -> None:
    """A container whose log pipes are broken goes on working."""
    ours, theirs = socket.socketpair()
    reading, writing = os.pipe()
    os.close(reading)
    command = [*python(), "--listen", f"connection:{theirs.fileno()}"]
    with subprocess.Popen(command, pass_fds=[theirs.fileno()], stdout=writing, stderr=writing) as process:
        os.close(writing)
        theirs.close()
        connection = http.client.HTTPConnection("container")
        connection.sock = ours
        body = json.dumps({"value": {"code": "def main(args): return args"}})
        for path, said in (("/init", body), ("/run", "no json"), ("/run", '{"value": {"a": 1}}')):
            connection.request("POST", path, said)
            response = connection.getresponse()
            answer = response.read()
        assert (response.status, answer) == (200, b'{"a":1}')
        connection.close()
        assert process.wait(20) == 0
