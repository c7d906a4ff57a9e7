"""One question to a service that speaks HTTP: does it answer?"""

from __future__ import annotations

import http.client


def answers(host: str, port: int, path: str = "/", timeout: float = 1) -> bool:
    """Whether `GET path` is a 200 within `timeout` seconds. Asks once."""
    connection = http.client.HTTPConnection(host, port, timeout=timeout)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
