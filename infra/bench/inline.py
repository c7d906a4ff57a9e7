"""The baseline: one process that receives MinIO's webhook, fetches, decodes, classifies and inserts, then answers.

The same code as the actions', called in place: no queue, no journal, no retry, no limit, no second process. What it is
busy with when it dies is lost, and so is whatever comes while it is away. `python -m infra.bench.inline` takes its
settings from the environment, as the actions do, and prints the port that it listens on.
"""

from __future__ import annotations

import contextlib
import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from actions.classify import handler as classify
from actions.classify.warm_up import warm
from actions.malloc import return_memory_early
from actions.store import handler as store
from infra.services.minio import LOOPBACK


class Receiver(BaseHTTPRequestHandler):
    """One event a request."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """MinIO's webhook."""
        event = json.loads(self.rfile.read(int(self.headers["Content-Length"])) or b"{}")
        if event.get("Records"):
            store.handle(classify.handle(event, os.environ), os.environ)
        self._answer()

    def do_HEAD(self) -> None:
        """MinIO asks whether we are there."""
        self._answer()

    def _answer(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as in the class above
        """Nothing: the actions' own words are enough."""


def main() -> None:
    return_memory_early()
    warm(os.environ)
    with ThreadingHTTPServer((LOOPBACK, 0), Receiver) as server:
        print(server.server_address[1], flush=True)
        # What the actions log is written by them in any case; here nobody reads it.
        with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stdout(nowhere):
            server.serve_forever()


if __name__ == "__main__":
    main()
