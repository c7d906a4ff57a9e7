"""The rule by which uploads go to the actions one by one: whether it is active, and switching it."""

from __future__ import annotations

import json
from typing import Literal

import urllib3

RULE = "classify-uploads"

# It stands between uploads and their rows: who does not answer by then is asked again.
TIMEOUT = urllib3.Timeout(connect=2, read=5)

Status = Literal["active", "inactive", "missing", "unknown"]


class UploadRule:
    """One rule of one namespace. Nothing is raised: what OpenWhisk does not say is `unknown`."""

    def __init__(self, apihost: str, auth: str, name: str = RULE) -> None:
        self.name = name
        self._url = f"{apihost}/api/v1/namespaces/_/rules/{name}"
        self._pool = urllib3.PoolManager(timeout=TIMEOUT, retries=False)
        self._headers = urllib3.make_headers(basic_auth=auth) | {"Content-Type": "application/json"}

    def status(self) -> Status:
        """What OpenWhisk says of it."""
        code, body = self._ask("GET")
        if code == 404:
            return "missing"
        found = body.get("status") if code == 200 and isinstance(body, dict) else None
        return found if found in ("active", "inactive") else "unknown"

    def switch(self, to: Literal["active", "inactive"]) -> bool:
        """Whether it is so now, or there is no such rule any more."""
        code, _ = self._ask("POST", {"status": to})
        return code in (200, 202, 404)

    def close(self) -> None:
        self._pool.clear()

    def _ask(self, method: str, body: object = None) -> tuple[int, object]:
        """The answer's status and document; 0 where there is no answer."""
        sent = None if body is None else json.dumps(body).encode()
        try:
            answer = self._pool.request(method, self._url, body=sent, headers=self._headers)
            return answer.status, json.loads(answer.data) if method == "GET" else None
        except (urllib3.exceptions.HTTPError, ValueError):
            return 0, None
