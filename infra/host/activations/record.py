"""Records of what was invoked or fired, as the API shows them."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from infra.host.calls import ActionLimits, Ran, Status
from infra.host.entities.limits import dump_limits
from infra.host.entities.models import Action
from infra.host.names import Name

WORDS: Mapping[Status, str] = {
    0: "success",
    1: "application error",
    2: "action developer error",
    3: "whisk internal error",
}
LEGAL_ID = re.compile(r"\A[0-9a-f]{32}\Z")


def new_id() -> str:
    return secrets.token_hex(16)


@dataclass(frozen=True, slots=True)
class ActivationRecord:
    """One activation that ended, or one fire (`end` is None). Times in ms since the epoch.

    It holds results and logs, never arguments: a trigger's rules are called with the caller's `Authorization`.
    """

    id: str
    namespace: str
    name: str
    version: str
    start: int
    end: int | None
    status: Status
    result: Any
    logs: Sequence[str]
    annotations: Sequence[Mapping[str, Any]]
    cause: str | None = None
    duration: int | None = None
    size: int | None = None

    @property
    def filter(self) -> str:
        """What the `name` filter of lists compares with: `name`, or `package/name` as it was invoked."""
        noted = {each["key"]: each["value"] for each in self.annotations if each["key"] in ("path", "binding")}
        place = noted.get("binding") or noted.get("path", "").rpartition("/")[0]
        package = place.partition("/")[2]
        return f"{package}/{self.name}" if package else self.name

    def response(self) -> dict[str, Any]:
        said = {"status": WORDS[self.status], "success": self.status == 0, "result": self.result}
        return said if self.size is None else said | {"size": self.size}

    def dump(self, *, logs: bool = True) -> dict[str, Any]:
        return self._common() | {
            "subject": self.namespace,
            "response": self.response(),
            "logs": list(self.logs) if logs else [],
        }

    def summary(self) -> dict[str, Any]:
        """The record as lists show it."""
        return self._common() | {"statusCode": self.status}

    def _common(self) -> dict[str, Any]:
        common: dict[str, Any] = {
            "namespace": self.namespace,
            "name": self.name,
            "version": self.version,
            "publish": False,
            "annotations": list(self.annotations),
            "activationId": self.id,
            "start": self.start,
        }
        if self.end is not None:
            common |= {"end": self.end, "duration": self.duration}
        if self.cause is not None:
            common["cause"] = self.cause
        return common


def annotation(key: str, value: Any) -> Mapping[str, Any]:
    return {"key": key, "value": value}


def action_annotations(action: Action, ran: Ran, cause: str | None, binding: Name | None) -> list[Mapping[str, Any]]:
    noted = [
        annotation("path", str(action.name)),
        annotation("waitTime", ran.wait_time),
        annotation("kind", action.exec.kind),
        annotation("timeout", ran.timed_out),
        annotation("limits", dump_limits(action.limits)),
    ]
    if ran.init_time is not None:
        noted.append(annotation("initTime", ran.init_time))
    if cause is not None:
        noted.append(annotation("causedBy", "sequence"))
    if binding is not None:
        noted.append(annotation("binding", str(binding)))
    return noted


def sequence_annotations(action: Action, memory: int, cause: str | None) -> list[Mapping[str, Any]]:
    """`memory` is the largest of the components', and 0 where none ran: then there are no limits to
    tell of, and OpenWhisk has the rest in another order.
    """
    limits = ActionLimits(action.limits.timeout, memory, action.limits.logs, action.limits.concurrency)
    timed = [annotation("waitTime", 0), annotation("kind", "sequence"), annotation("limits", dump_limits(limits))]
    noted = [
        annotation("topmost", cause is None),
        annotation("path", str(action.name)),
        *(timed if memory else timed[1::-1]),
    ]
    if cause is not None:
        noted.append(annotation("causedBy", "sequence"))
    return noted
