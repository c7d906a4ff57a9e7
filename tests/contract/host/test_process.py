"""The host as a process: what it refuses to do, what survives its death, how it stops."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import resource
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest

from tests.contract.host.served import Namespace
from tests.fixtures.deployment import eventually
from tests.fixtures.needs import need

SLOW = "import time\ndef main(params):\n    time.sleep(params['seconds'])\n    return {'slept': True}\n"


def command(data: Path, *flags: str) -> list[str]:
    return [sys.executable, "-m", "infra.host", "--data", str(data), "--port", "0", *flags]


@dataclass
class Process:
    data: Path
    process: subprocess.Popen[str]
    guest: Namespace


@contextlib.contextmanager
def running(data: Path, *flags: str) -> Iterator[Process]:
    with (data.parent / "host.log").open("a") as log:
        process = subprocess.Popen(command(data, *flags), stdout=subprocess.PIPE, stderr=log, text=True)
    assert process.stdout is not None
    with process:
        try:
            url = process.stdout.readline().strip()
            guest = Namespace("guest", url, (data / "auth").read_text().strip())
            eventually(lambda: guest.plain.get("/").is_success, "the host to answer")
            with contextlib.closing(guest):
                yield Process(data, process, guest)
        finally:
            process.kill()


def fails(data: Path, *flags: str, **environ: str) -> tuple[int, str]:
    """The exit code and words of a host that does not start."""
    env = {**os.environ, **environ}
    done = subprocess.run(command(data, *flags), capture_output=True, text=True, timeout=20, env=env, check=False)
    return done.returncode, done.stderr


def test_everything_survives_a_kill(tmp_path: Path) -> None:
    """What was acknowledged is there again: entities at once, activations as far as written."""
    with running(tmp_path / "host") as host:
        guest = host.guest
        guest.action("echo", parameters=[{"key": "secret", "value": "s", "init": True}])
        guest.ok("PUT", "packages/p", {})
        guest.sequence("p/s", "/_/echo")
        guest.ok("PUT", "triggers/t", {})
        guest.ok("PUT", "rules/r", {"trigger": "/_/t", "action": "/_/p/s"})
        record = guest.record(guest.invoke("echo", x=1)["activationId"])
        database = host.data / "activations.db-wal"
        eventually(lambda: record["activationId"].encode() in database.read_bytes(), "the record to be written")
        before = [guest.ok("GET", path) for path in ("actions/echo", "actions/p/s", "triggers/t", "rules/r")]
        host.process.kill()
        host.process.wait(10)
    with running(tmp_path / "host") as host:
        after = [host.guest.ok("GET", path) for path in ("actions/echo", "actions/p/s", "triggers/t", "rules/r")]
        assert after == before
        assert host.guest.ok("GET", f"activations/{record['activationId']}") == record
        assert host.guest.ask("POST", "triggers/t", {}).status_code == 202


def test_a_stop_is_clean_and_soon(tmp_path: Path) -> None:
    """Callers that wait are told the activation's id; the process ends with 0 and leaves no child."""
    with running(tmp_path / "host") as host:
        host.guest.action("slow", SLOW)
        host.guest.ask("POST", "actions/slow?blocking=true", {"seconds": 0})
        children = psutil.Process(host.process.pid).children(recursive=True)
        assert children
        answered: list[httpx.Response] = []
        path = "actions/slow?blocking=true"
        asking = Background(lambda: answered.append(host.guest.ask("POST", path, {"seconds": 30})))
        eventually(lambda: connections(host.process.pid) >= 1 and asking.alive, "the request")
        eventually(lambda: host.guest.plain.get("/").is_success, "another request to be served meanwhile")
        host.process.send_signal(signal.SIGTERM)
        assert host.process.wait(10) == 0
        asking.join()
        assert (answered[0].status_code, list(answered[0].json())) == (202, ["activationId"])
        _, alive = psutil.wait_procs(children, timeout=10)
        assert not alive


class Background:
    """One call in a thread."""

    def __init__(self, call: Callable[[], object]) -> None:
        self._thread = threading.Thread(target=call, daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def join(self) -> None:
        self._thread.join(10)
        assert not self.alive


def connections(process_id: int) -> int:
    found = psutil.Process(process_id).net_connections("tcp")
    return sum(each.status == psutil.CONN_ESTABLISHED for each in found)


def test_secrets_are_kept(tmp_path: Path) -> None:
    """The key is made once, in a file of the owner's alone; it is in no log and no argument."""
    with running(tmp_path / "host") as host:
        key = host.guest.key
        for path in host.data.iterdir():
            assert path.stat().st_mode & 0o077 == 0 or path.name == "lock", path
        assert key not in " ".join(psutil.Process(host.process.pid).cmdline())
        host.guest.ask("GET", "actions")
        host.process.terminate()
        host.process.wait(10)
    with running(tmp_path / "host") as host:
        assert host.guest.key == key
    assert key.partition(":")[2] not in (tmp_path / "host.log").read_text()


def test_a_full_disk_stops_writes_and_nothing_else(tmp_path: Path) -> None:
    """A write is refused and changes nothing; invokes and fires go on; all is well once there is room."""
    with running(tmp_path / "host") as host:
        guest = host.guest
        guest.action("echo")
        guest.ok("PUT", "triggers/t", {})
        guest.ok("PUT", "rules/r", {"trigger": "/_/t", "action": "/_/echo"})
        limits = psutil.Process(host.process.pid)
        limits.rlimit(psutil.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
        status, words = guest.refused("PUT", "actions/new", {"exec": {"kind": "python:3", "code": "x" * 9999}})
        assert (status, words) == (500, "There was an internal server error.")
        assert guest.refused("GET", "actions/new")[0] == 404
        assert guest.result("echo", x=1) == {"x": 1}
        fired = guest.ok("POST", "triggers/t", {"x": 2})["activationId"]
        assert guest.record(fired)["logs"]
        limits.rlimit(psutil.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        guest.action("new")
        written = host.data / "activations.db-wal"
        eventually(lambda: fired.encode() in written.read_bytes(), "the records to be written after all", within=20)


def test_one_host_a_directory(tmp_path: Path) -> None:
    """A second one says so and ends."""
    with running(tmp_path / "host"):
        code, words = fails(tmp_path / "host")
    assert code == 2
    assert "is in use by another host" in words


def test_one_that_is_ending_is_waited_for(tmp_path: Path) -> None:
    """A host that is started while another still finishes what it had begun takes over from it."""
    with running(tmp_path / "host") as first:
        first.guest.action("slow", SLOW)
        first.guest.invoke("slow", seconds=0)
        first.guest.ok("POST", "actions/slow", {"seconds": 1})
        first.process.terminate()
        with running(tmp_path / "host") as second:
            assert second.guest.ok("GET", "actions/slow")
        assert first.process.wait(10) == 0


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    """With the exit code for what cannot be reached."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, words = fails(tmp_path / "host", "--port", str(port))
    assert code == 3
    assert str(port) in words
    assert "Traceback" not in words


@pytest.mark.parametrize(
    ("flags", "environ", "words"),
    [
        (["--host", "0.0.0.0"], {}, "is not loopback"),
        (["--tls-key", "x.pem"], {}, "need each other"),
        (["--port", "99999"], {}, "is not a port"),
        (["--host", "::"], {}, "is not loopback"),
        (["--host", "example.org"], {}, "is not loopback"),
        (["--readable", "/nowhere"], {}, "/nowhere: not there"),
        (["--quotas", "none"], {}, "expected `embedded` or `openwhisk`"),
        ([], {"PIXWHISK_AUTH": "short:key"}, "not uuid:secret"),
        ([], {"PIXWHISK_AUTH": '{"guest": 3}'}, "every key must be text"),
        ([], {"PIXWHISK_AUTH": "{"}, "not JSON"),
    ],
)
def test_bad_settings_are_refused(tmp_path: Path, flags: list[str], environ: dict[str, str], words: str) -> None:
    """In words, without a traceback, with exit code 2, and without the key."""
    code, said = fails(tmp_path / "host", *flags, **environ)
    assert code == 2
    assert words in said
    assert "Traceback" not in said


def test_a_key_for_others_to_read_is_refused(tmp_path: Path) -> None:
    """The file says who may act for the namespace."""
    key = tmp_path / "key"
    key.write_text("guest:" + "s" * 32)
    key.chmod(0o644)
    code, said = fails(tmp_path / "host", "--auth-file", str(key))
    assert code == 2
    assert "chmod 600" in said


def test_with_a_certificate_it_speaks_tls_alone(tmp_path: Path) -> None:
    """The address says so; who speaks plainly to it is not understood, and learns nothing."""
    need(shutil.which("openssl"), "there is no `openssl` to make a certificate with")
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    making = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    making += ["-days", "1", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*making, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    flags = command(tmp_path / "host", "--tls-certificate", str(certificate), "--tls-key", str(key))
    with subprocess.Popen(flags, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        try:
            url = process.stdout.readline().strip()
            assert url.startswith("https://127.0.0.1:")
            trusting = ssl.create_default_context(cafile=str(certificate))
            assert httpx.get(url, verify=trusting).is_success
            with pytest.raises(httpx.TransportError):
                httpx.get(url.replace("https", "http"))
        finally:
            process.kill()


def test_several_namespaces(tmp_path: Path) -> None:
    """By a JSON object of keys."""
    key = tmp_path / "key"
    key.touch(0o600)
    key.write_text(json.dumps({"guest": "g:" + "1" * 32, "other": "o:" + "2" * 32}))
    with running_with(tmp_path, key) as url:
        assert httpx.get(f"{url}/api/v1/namespaces", auth=("o", "2" * 32)).json() == ["other"]


@contextlib.contextmanager
def running_with(tmp_path: Path, key: Path) -> Iterator[str]:
    flags = command(tmp_path / "host", "--auth-file", str(key))
    with subprocess.Popen(flags, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    with running(tmp_path_factory.mktemp("lasting") / "host") as host:
        yield host


def send(host: Process, *parts: bytes, timeout: float = 20) -> bytes:
    """What the host answers to raw bytes, until it closes the connection."""
    address = httpx.URL(host.guest.url)
    with socket.create_connection((address.host, address.port or 80), timeout=timeout) as connection:
        with contextlib.suppress(ConnectionError):
            for part in parts:
                connection.sendall(part)
        answer = b""
        with contextlib.suppress(ConnectionError):
            while part := connection.recv(65536):
                answer += part
        return answer


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"rubbish\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: a\r\ncontent-length: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: a\r\ncontent-length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"GET / HTTP/1.1\r\nhost: a\r\nlong: " + b"x" * 200_000 + b"\r\n\r\n",
        b"GET /" + b"x" * 200_000 + b" HTTP/1.1\r\nhost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: a\r\n" + b"a: b\r\n" * 5000 + b"\r\n",
        b"GET / HTTP/1.1\r\nhost: a\r\na: b\0c\r\n\r\n",
    ],
    ids=["rubbish", "length", "negative", "chunk", "long-header", "long-path", "many-headers", "nul"],
)
def test_what_is_no_http_is_refused(lasting: Process, request_bytes: bytes) -> None:
    """With a 400 in the clients' shape where there is a request to answer, and the connection closed."""
    answer = send(lasting, request_bytes)
    assert b" 400 " in answer.partition(b"\r\n")[0] or b" 408 " in answer.partition(b"\r\n")[0]
    assert b'"error"' in answer


def test_slow_headers_are_cut_off(lasting: Process) -> None:
    """A connection that never finishes its request is closed; others are served meanwhile."""
    assert send(lasting, b"GET / HTTP/1.1\r\nhost: a\r\nx: ") == b""
    assert lasting.guest.plain.get("/").is_success


def test_many_idle_connections_do_not_matter(lasting: Process) -> None:
    """Beyond the bound the oldest that never asked for anything goes first; whoever asks is served all the while."""
    address = httpx.URL(lasting.guest.url)
    with contextlib.ExitStack() as stack:
        assert lasting.guest.plain.get("/").is_success
        for _ in range(1100):
            stack.enter_context(socket.create_connection((address.host, address.port or 80)))
        assert lasting.guest.plain.get("/").is_success
        assert connects(lasting)


def connects(host: Process) -> bool:
    with contextlib.suppress(httpx.TransportError):
        return httpx.get(host.guest.url).is_success
    return False


def test_concurrent_callers_are_all_answered(lasting: Process) -> None:
    """Each with its own result."""
    lasting.guest.action("echo")

    async def all_of_them() -> list[int]:
        user, _, secret = lasting.guest.key.partition(":")
        async with httpx.AsyncClient(base_url=lasting.guest.url, auth=(user, secret), timeout=60) as client:
            path = "/api/v1/namespaces/_/actions/echo?blocking=true&result=true"
            answers = await asyncio.gather(*(client.post(path, json={"n": n}) for n in range(60)))
            return [answer.json()["n"] for answer in answers]

    assert asyncio.run(all_of_them()) == list(range(60))
