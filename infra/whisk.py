"""A small OpenWhisk client: entities, invocations, fires. Errors say what OpenWhisk said.

WhiskError
├── Unreachable          no answer at all
├── Refused              an answer with a status of 400 or more
│   ├── Unauthorized     401, 403
│   ├── NotFound         404
│   ├── Conflict         409
│   └── Throttled        429
└── ActivationFailed     the action ran, or was tried, and ended in an error
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal, Self
from urllib.parse import quote

import httpx

Collection = Literal["packages", "actions", "triggers", "rules", "activations"]

TIMEOUT_CONNECT = 5.0
# OpenWhisk holds a blocking call for a minute.
TIMEOUT_ANSWER = 75.0


class WhiskError(Exception):
    """Base of everything this client raises on purpose."""


class Unreachable(WhiskError):
    def __init__(self, apihost: str) -> None:
        super().__init__(f"OpenWhisk at {apihost} does not answer: is it running, and is the address right?")


class Refused(WhiskError):
    """`message` and `code` (the transaction) are OpenWhisk's own words."""

    def __init__(self, status: int, message: str, code: str | None) -> None:
        super().__init__(f"OpenWhisk answered {status}: {message}" + (f" (code {code})" if code else ""))
        self.status, self.message, self.code = status, message, code


class Unauthorized(Refused):
    pass


class NotFound(Refused):
    pass


class Conflict(Refused):
    pass


class Throttled(Refused):
    pass


class ActivationFailed(WhiskError):
    """The activation's `error`, as the action or OpenWhisk gave it."""

    def __init__(self, action: str, activation_id: str | None, error: object) -> None:
        self.action, self.activation_id, self.error = action, activation_id, error
        message = error.get("message", error) if isinstance(error, Mapping) else error
        seen = f": wsk activation logs {activation_id}" if activation_id else ""
        super().__init__(f"{action} failed: {message}{seen}")

    @property
    def retryable(self) -> bool:
        return isinstance(self.error, Mapping) and self.error.get("retryable") is True


_REFUSALS: Mapping[int, type[Refused]] = {
    401: Unauthorized,
    403: Unauthorized,
    404: NotFound,
    409: Conflict,
    429: Throttled,
}


@dataclass(frozen=True, slots=True)
class Activation:
    """What a blocking call returned: the record's id and its result; `finished` is False after OpenWhisk's minute."""

    activation_id: str | None
    result: Any
    finished: bool = True


class Whisk:
    """One namespace of one OpenWhisk. Close it, or use it in `with`."""

    def __init__(self, apihost: str, auth: str, namespace: str = "_", transport: httpx.BaseTransport | None = None):
        self.apihost = base_url(apihost)
        self._namespace = namespace
        user, _, password = auth.partition(":")
        self._http = httpx.Client(
            base_url=f"{self.apihost}/api/v1/",
            auth=(user, password),
            timeout=httpx.Timeout(TIMEOUT_ANSWER, connect=TIMEOUT_CONNECT),
            transport=transport,
            # Proxy settings of the environment are not for a service on loopback or in one's own cluster.
            trust_env=False,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def namespace(self) -> str:
        """The namespace that `_` stands for."""
        if self._namespace != "_":
            return self._namespace
        names = _document(self._send("GET", "namespaces"))
        return str(names[0])

    def get(self, collection: Collection, name: str, **query: str) -> dict[str, Any] | None:
        """The entity, or None where there is none."""
        try:
            found = _document(self._send("GET", self._path(collection, name), query))
        except NotFound:
            return None
        return dict(found)

    def list(self, collection: Collection, **query: str) -> Sequence[dict[str, Any]]:
        """Summaries, newest first; at most 200 unless `limit` and `skip` say otherwise."""
        return list(_document(self._send("GET", self._path(collection), {"limit": "200", **query})))

    def put(self, collection: Collection, name: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Create or replace."""
        return dict(_document(self._send("PUT", self._path(collection, name), {"overwrite": "true"}, body)))

    def delete(self, collection: Collection, name: str) -> bool:
        """Whether there was something to delete."""
        try:
            self._send("DELETE", self._path(collection, name))
        except NotFound:
            return False
        return True

    def invoke(self, action: str, params: Mapping[str, Any]) -> Activation:
        """Invoke and wait. Raises `ActivationFailed` with the action's own error."""
        answer = self._http_send("POST", self._path("actions", action), {"blocking": "true"}, params)
        record = _json(answer)
        if answer.status_code == 202:
            return Activation(record.get("activationId"), None, finished=False)
        response = record.get("response")
        if not isinstance(response, Mapping):
            raise refusal(answer)
        if not response.get("success"):
            result = response.get("result")
            error = result.get("error", result) if isinstance(result, Mapping) else result
            raise ActivationFailed(action, record.get("activationId"), error)
        return Activation(record.get("activationId"), response.get("result"))

    def fire(self, trigger: str, params: Mapping[str, Any]) -> str | None:
        """Fire a trigger. The activation's id; None where no active rule listens."""
        answer = self._send("POST", self._path("triggers", trigger), {}, params)
        return None if answer.status_code == 204 else _json(answer).get("activationId")

    def _path(self, collection: Collection, name: str = "") -> str:
        path = f"namespaces/{quote(self._namespace, safe='')}/{collection}"
        return f"{path}/{quote(name)}" if name else path

    def _send(
        self, method: str, path: str, query: Mapping[str, str] | None = None, body: Mapping[str, Any] | None = None
    ) -> httpx.Response:
        answer = self._http_send(method, path, query, body)
        if answer.status_code >= 400:
            raise refusal(answer)
        return answer

    def _http_send(
        self, method: str, path: str, query: Mapping[str, str] | None = None, body: Mapping[str, Any] | None = None
    ) -> httpx.Response:
        try:
            return self._http.request(method, path, params=query, json=body)
        except httpx.HTTPError:
            raise Unreachable(self.apihost) from None


def base_url(apihost: str) -> str:
    """A URL from what `wsk` takes as its API host: without a scheme it means https."""
    return (apihost if "://" in apihost else f"https://{apihost}").rstrip("/")


def refusal(answer: httpx.Response) -> Refused:
    """The error for an answer that is one."""
    body = _json(answer)
    message = str(body.get("error") or answer.reason_phrase)
    code = body.get("code")
    return _REFUSALS.get(answer.status_code, Refused)(answer.status_code, message, str(code) if code else None)


def _document(answer: httpx.Response) -> Any:
    try:
        return answer.json()
    except ValueError:
        raise Refused(answer.status_code, "that is no OpenWhisk, for it did not answer in JSON", None) from None


def _json(answer: httpx.Response) -> dict[str, Any]:
    try:
        body = answer.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
