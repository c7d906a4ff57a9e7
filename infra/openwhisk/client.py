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

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from types import TracebackType
from typing import Any, Literal, Self
from urllib.parse import quote, urlencode

# Not httpx: with click and rich installed it imports them all, which is half a second of every command.
import urllib3
from urllib3.exceptions import HTTPError, SSLError

from actions.causes import name_cause
from actions.settings import api_url
from infra.errors import OperatorError, ServiceAway

Collection = Literal["packages", "actions", "triggers", "rules", "activations"]

TIMEOUT_CONNECT = 5.0
# OpenWhisk holds a blocking call for a minute.
TIMEOUT_ANSWER = 75.0
# That a client keeps for threads that use it side by side; further ones are opened anew.
CONNECTIONS = 64
# Between two tries of a 429: the first for what is in flight, the longest for a quota, which is of a minute.
PAUSE_FIRST = 0.25
PAUSE_LONGEST = 4.0


class WhiskError(OperatorError):
    """Base of everything this client raises on purpose."""


class Unreachable(WhiskError, ServiceAway):
    """`why` is said without what to do about it."""

    def __init__(self, apihost: str, why: str = "does not answer", advice: str = "") -> None:
        super().__init__(f"OpenWhisk at {apihost} {why}{advice}")
        self.why = why


class OpenWhiskRefused(WhiskError):
    """`message` and `code` (the transaction) are OpenWhisk's own words."""

    def __init__(self, status: int, message: str, code: str | None) -> None:
        super().__init__(f"OpenWhisk answered {status}: {message}" + (f" (code {code})" if code else ""))
        self.status, self.message, self.code = status, message, code


class Unauthorized(OpenWhiskRefused):
    pass


class NotFound(OpenWhiskRefused):
    pass


class Conflict(OpenWhiskRefused):
    pass


class Throttled(OpenWhiskRefused):
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


_REFUSALS: Mapping[int, type[OpenWhiskRefused]] = {
    401: Unauthorized,
    403: Unauthorized,
    404: NotFound,
    409: Conflict,
    429: Throttled,
}


@dataclass(frozen=True, slots=True)
class Activation:
    """What a blocking call returned: the record's id and its result, None after OpenWhisk's minute."""

    activation_id: str | None
    result: Any


@dataclass(frozen=True, slots=True)
class Patience:
    """For how long what is over a quota is tried again: a 429 says that nothing was done. `report` hears of it once."""

    seconds: float
    report: Callable[[str], None]


class Whisk:
    """One namespace of one OpenWhisk. Close it, or use it in `with`. Without patience a 429 is the caller's to see."""

    def __init__(self, apihost: str, auth: str, namespace: str = "_", patience: Patience | None = None) -> None:
        self.apihost = api_url(apihost)
        self._namespace = namespace
        self._patience = patience
        self._headers = urllib3.make_headers(basic_auth=auth) | {"Content-Type": "application/json"}
        # No retry of its own: a second invoke is a second activation, so it is the caller's to decide.
        self._http = urllib3.PoolManager(
            timeout=urllib3.Timeout(connect=TIMEOUT_CONNECT, read=TIMEOUT_ANSWER),
            retries=urllib3.Retry(total=0),
            maxsize=CONNECTIONS,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._http.clear()

    def namespace(self) -> str:
        """The namespace that `_` stands for."""
        if self._namespace != "_":
            return self._namespace
        names = self._send("GET", "namespaces").document()
        return str(names[0])

    def get(self, collection: Collection, name: str, **query: str) -> dict[str, Any] | None:
        """The entity, or None where there is none."""
        try:
            found = self._send("GET", self._path(collection, name), query).document()
        except NotFound:
            return None
        return dict(found)

    def list(self, collection: Collection, **query: str) -> Sequence[dict[str, Any]]:
        """Summaries, newest first; at most 200 unless `limit` and `skip` say otherwise."""
        return list(self._send("GET", self._path(collection), {"limit": "200", **query}).document())

    def put(self, collection: Collection, name: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Create or replace."""
        return dict(self._send("PUT", self._path(collection, name), {"overwrite": "true"}, body).document())

    def delete(self, collection: Collection, name: str) -> bool:
        """Whether there was something to delete."""
        try:
            self._send("DELETE", self._path(collection, name))
        except NotFound:
            return False
        return True

    def invoke(self, action: str, params: Mapping[str, Any]) -> Activation:
        """Invoke and wait. Raises `ActivationFailed` with the action's own error."""
        answer = self._exchange("POST", self._path("actions", action), {"blocking": "true"}, params)
        record = answer.fields()
        if answer.status == 202:
            return Activation(record.get("activationId"), None)
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
        return None if answer.status == 204 else answer.fields().get("activationId")

    def _path(self, collection: Collection, name: str = "") -> str:
        path = f"namespaces/{quote(self._namespace, safe='')}/{collection}"
        return f"{path}/{quote(name)}" if name else path

    def _send(
        self, method: str, path: str, query: Mapping[str, str] | None = None, body: Mapping[str, Any] | None = None
    ) -> Answer:
        answer = self._exchange(method, path, query, body)
        if answer.status >= 400:
            raise refusal(answer)
        return answer

    def _exchange(
        self, method: str, path: str, query: Mapping[str, str] | None = None, body: Mapping[str, Any] | None = None
    ) -> Answer:
        answer = self._ask(method, path, query, body)
        if self._patience is None or answer.status != HTTPStatus.TOO_MANY_REQUESTS:
            return answer
        self._patience.report(f"{refusal(answer)}: trying again for up to {self._patience.seconds:.0f} s")
        deadline = time.monotonic() + self._patience.seconds
        pause = PAUSE_FIRST
        while answer.status == HTTPStatus.TOO_MANY_REQUESTS and time.monotonic() + pause < deadline:
            time.sleep(pause)
            pause = min(2 * pause, PAUSE_LONGEST)
            answer = self._ask(method, path, query, body)
        return answer

    def _ask(self, method: str, path: str, query: Mapping[str, str] | None, body: Mapping[str, Any] | None) -> Answer:
        url = f"{self.apihost}/api/v1/{path}" + (f"?{urlencode(query)}" if query else "")
        data = None if body is None else json.dumps(body).encode()
        try:
            response = self._http.request(method, url, body=data, headers=self._headers, redirect=False)
        except HTTPError as error:
            if isinstance(getattr(error, "reason", error), SSLError):
                raise Unreachable(self.apihost, f"does not answer: {name_cause(error)}") from None
            raise Unreachable(self.apihost, advice=": is it running, and is the address right?") from None
        return Answer(response.status, response.data)


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes

    def document(self) -> Any:
        """The JSON in it. Raises `OpenWhiskRefused` where there is none: that is no OpenWhisk."""
        try:
            return json.loads(self.body)
        except ValueError:
            raise OpenWhiskRefused(self.status, "that is no OpenWhisk, for it did not answer in JSON", None) from None

    def fields(self) -> dict[str, Any]:
        """The JSON object in it, or an empty one."""
        try:
            body = json.loads(self.body)
        except ValueError:
            return {}
        return body if isinstance(body, dict) else {}


def refusal(answer: Answer) -> OpenWhiskRefused:
    """The error for an answer that is one."""
    body = answer.fields()
    message = str(body.get("error") or _phrase(answer.status))
    code = body.get("code")
    return _REFUSALS.get(answer.status, OpenWhiskRefused)(answer.status, message, str(code) if code else None)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "no reason given"
