"""One question to a service that speaks HTTP: what does it answer?"""

from __future__ import annotations

import http.client
from collections.abc import Callable
from urllib.parse import urlsplit


def ask_status(url: str, path: str = "/", timeout: float = 1) -> int | None:
    """The status of `GET path` at the service of `url`; None where none comes within `timeout` seconds. Asks once."""
    address = urlsplit(url)
    kind: Callable[..., http.client.HTTPConnection] = (
        http.client.HTTPSConnection if address.scheme == "https" else http.client.HTTPConnection
    )
    connection = kind(address.hostname or "", address.port, timeout=timeout)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
