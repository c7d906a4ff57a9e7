"""Trigger fires: answered first, then dispatched to the rules, each of whose ends is one line of the fire's record."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from infra.host.activations.archive import Archive
from infra.host.activations.dispatch import Dispatch, Origin, check_size, now
from infra.host.activations.record import ActivationRecord, new_id
from infra.host.entities.models import Trigger, TriggerRule
from infra.host.entities.parameters import arguments_of, parameters_size
from infra.host.entities.resolution import Resolver
from infra.host.errors import Refusal

LIMIT_HEADER_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Fired:
    """One fire: `payload` is what was sent, `arguments` what the rules' actions get, in at most `size_bound` bytes."""

    activation_id: str
    trigger: Trigger
    payload: Mapping[str, Any]
    arguments: Mapping[str, Any]
    origin: Origin
    start: int
    size_bound: int


class Fires:
    def __init__(self, resolver: Resolver, dispatch: Dispatch, archive: Archive) -> None:
        self._resolver = resolver
        self._dispatch = dispatch
        self._archive = archive

    def fire(
        self,
        trigger: Trigger,
        payload: Mapping[str, Any],
        headers: Mapping[str, str],
        origin: Origin,
        received: int,
    ) -> str | None:
        """The id of the fire, whose rules run after this returns; None, and no record, without an active rule.

        Nothing is waited for here: whoever fires (MinIO, while an uploader waits for it) is answered first.
        """
        if not any(rule.status == "active" for rule in (trigger.rules or {}).values()):
            return None
        activation_id = new_id()
        # In this order: a payload wins over bound parameters, and could even claim other headers. An action must not
        # trust `__ow_headers` of a fire.
        arguments = {**arguments_of(trigger.parameters), "__ow_headers": headers, **payload}
        bound = received + LIMIT_HEADER_BYTES + parameters_size(trigger.parameters)
        fired = Fired(activation_id, trigger, payload, arguments, origin, now(), bound)
        self._dispatch.keep(asyncio.ensure_future(self._run(fired)))
        return activation_id

    async def _run(self, fired: Fired) -> None:
        rules = (fired.trigger.rules or {}).items()
        lines = await asyncio.gather(*(self._rule(name, rule, fired) for name, rule in rules))
        trigger = fired.trigger
        self._archive.record(
            ActivationRecord(
                id=fired.activation_id,
                namespace=fired.origin.caller.namespace,
                name=trigger.name.name,
                version=trigger.version,
                start=fired.start,
                end=None,
                status=0,
                # The payload alone: the arguments hold the caller's credentials.
                result=dict(fired.payload),
                logs=lines,
                annotations=[],
            )
        )

    async def _rule(self, name: str, rule: TriggerRule, fired: Fired) -> str:
        """What became of one rule, as its line in the fire's log; a refused one is lost but for this line."""
        noted = {"rule": name, "action": str(rule.action)}
        if rule.status != "active":
            words = f"Rule '{name}' is inactive, action '{rule.action}' was not activated."
            return _line({"statusCode": 1, "success": False, "error": words}, noted)
        try:
            invocable = self._resolver.resolve(rule.action, fired.origin.caller)
            check_size(invocable, fired.arguments, fired.size_bound)
            running = await self._dispatch.invoke(invocable, fired.arguments, fired.origin)
        except Refusal as refusal:
            status = 3 if refusal.status >= 500 else 1
            return _line({"statusCode": status, "success": False, "error": refusal.message}, noted)
        return _line({"statusCode": 0, "success": True, "activationId": running.activation_id}, noted)


def _line(end: Mapping[str, Any], rule: Mapping[str, Any]) -> str:
    return json.dumps({**rule, **end}, separators=(",", ":"))
