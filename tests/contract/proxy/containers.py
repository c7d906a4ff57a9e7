"""A container under test, whatever runs it: an address, its two streams, and a way to end it."""

from __future__ import annotations

import base64
import http.client
import io
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, Protocol

from infra.host.containers.kinds import PROXIES

SENTINEL = "XXX_THE_END_OF_A_WHISK_ACTIVATION_XXX"


class Container(Protocol):
    """A started container. A Docker container fits as well as a local process."""

    host: str
    port: int

    def output(self) -> tuple[str, str]:
        """All of stdout and stderr so far."""
        ...

    def files(self) -> list[str]:
        """What lies in its temporary directory."""
        ...

    def alive(self) -> bool: ...

    def terminate(self) -> int:
        """Send SIGTERM and wait; the exit status."""
        ...

    def close(self) -> None: ...


class ProcessContainer:
    """The proxy as a local process on a loopback port."""

    def __init__(
        self, *arguments: str, environment: Mapping[str, str] | None = None, program: tuple[str, ...] | None = None
    ) -> None:
        self._directory = tempfile.TemporaryDirectory()
        place = Path(self._directory.name)
        self._streams = (place / "stdout", place / "stderr")
        self._temporary = place / "tmp"
        self._temporary.mkdir()
        listener = socket.create_server(("127.0.0.1", 0))
        self.host, self.port = listener.getsockname()
        with listener, self._streams[0].open("wb") as out, self._streams[1].open("wb") as err:
            self.process = subprocess.Popen(
                [*(program or python()), "--listen", f"fd:{listener.fileno()}", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                pass_fds=(listener.fileno(),),
                cwd=place,
                env={"PATH": os.environ["PATH"], "TMPDIR": str(self._temporary), **(environment or {})},
            )

    def output(self) -> tuple[str, str]:
        return self._streams[0].read_text(), self._streams[1].read_text()

    def files(self) -> list[str]:
        return [path.name for path in self._temporary.iterdir()]

    def alive(self) -> bool:
        return self.process.poll() is None

    def terminate(self) -> int:
        self.process.terminate()
        return self.process.wait(10)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self._directory.cleanup()


def python() -> tuple[str, ...]:
    return (sys.executable, "-I", "-S", str(PROXIES / "proxy/__main__.py"))


def node(found: str) -> tuple[str, ...]:
    return (found, str(PROXIES / "proxy.js"))


class Client:
    """Speaks to a container as an invoker does."""

    def __init__(self, container: Container, language: Literal["python", "nodejs"] = "python") -> None:
        self.container = container
        self.language = language
        self._connection = http.client.HTTPConnection(container.host, container.port, timeout=20)

    def post(self, path: str, document: object) -> tuple[int, Any]:
        return self.send("POST", path, json.dumps(document).encode())

    def send(self, method: str, path: str, body: bytes | None = None) -> tuple[int, Any]:
        self._connection.request(method, path, body, {"Content-Type": "application/json"})
        response = self._connection.getresponse()
        return response.status, json.loads(response.read())

    def init(self, code: str | bytes | Mapping[str, str], **value: object) -> tuple[int, Any]:
        """Text is plain code, bytes an archive, a mapping the files of a zip to be made."""
        if isinstance(code, Mapping):
            code = zipped(code)
        binary = isinstance(code, bytes)
        text = base64.b64encode(code).decode() if isinstance(code, bytes) else code
        return self.post(
            "/init", {"value": {"name": "tested", "main": "main", "binary": binary, "code": text, **value}}
        )

    def run(self, value: object = None, **context: object) -> tuple[int, Any]:
        return self.post("/run", {"value": {} if value is None else value, **context})

    def close(self) -> None:
        self._connection.close()


def zipped(files: Mapping[str, str]) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for name, text in files.items():
            file.writestr(name, text)
    return archive.getvalue()


def logs_until(client: Client, complete: Callable[[str, str], bool]) -> tuple[str, str]:
    """The streams once they are `complete`: behind Docker they may lag."""
    deadline = time.monotonic() + 10
    while not complete(*(streams := client.container.output())):
        assert time.monotonic() < deadline, streams
        time.sleep(0.01)
    return streams


def logs_of(client: Client, sentinels: int) -> tuple[str, str]:
    """The streams once each holds so many sentinels."""
    return logs_until(client, lambda out, err: out.count(SENTINEL) >= sentinels <= err.count(SENTINEL))
