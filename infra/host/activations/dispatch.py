"""Runs what is invoked: single actions, and sequences component by component."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

from infra.host.activations.archive import Archive
from infra.host.activations.record import ActivationRecord, action_annotations, new_id, sequence_annotations
from infra.host.activations.throttle import Throttle
from infra.host.auth import Identity
from infra.host.calls import Busy, Call, Pool, Ran, Status
from infra.host.entities.parameters import LIMIT_BYTES
from infra.host.entities.resolution import Invocable, Resolver
from infra.host.errors import SEQUENCE_COMPONENT_MISSING, Refusal
from infra.host.json_bodies import WrittenObject, dump
from infra.logs import EventLogger

log = EventLogger(__name__)

# What a component may take beyond its own limit before the sequence gives it up: waiting and starting take time too.
COMPONENT_GRACE_SECONDS = 60.0
# A sequence that has begun waits for room in the pool, as it would in a real OpenWhisk's queue.
ROOM_SECONDS = (0.02, 0.05, 0.1, 0.2)


@dataclass(frozen=True, slots=True)
class Origin:
    """Who caused an activation: the caller, the request, and the sequence it is a component of. `keyless`: anybody at
    all, on the caller's account.
    """

    caller: Identity
    transaction: str
    cause: str | None = None
    keyless: bool = False


@dataclass(frozen=True, slots=True)
class RunningActivation:
    """An activation under way; it goes on whether or not anyone waits for `task`."""

    activation_id: str
    task: asyncio.Task[ActivationRecord]
    closing: asyncio.Future[None]

    async def wait(self, seconds: float) -> ActivationRecord | None:
        """The record, or None when it takes longer, or longer than the host lives."""
        waited: list[asyncio.Future[Any]] = [self.task, self.closing]
        await asyncio.wait(waited, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        return self.task.result() if self.task.done() else None


class Dispatch:
    def __init__(self, resolver: Resolver, pool: Pool, throttle: Throttle, archive: Archive) -> None:
        self._resolver = resolver
        self._pool = pool
        self._throttle = throttle
        self._archive = archive
        self._under_way: set[asyncio.Task[Any]] = set()
        self._closing: asyncio.Future[None]

    def start(self) -> None:
        self._closing = asyncio.get_running_loop().create_future()

    def close(self) -> None:
        """Keep nobody waiting any longer; what runs goes on."""
        if not self._closing.done():
            self._closing.set_result(None)

    async def invoke(self, invocable: Invocable, payload: Mapping[str, Any], origin: Origin) -> RunningActivation:
        """Begin an activation. A 400, 413 or 429 here means that nothing ran and nothing is recorded."""
        namespace = origin.caller.namespace
        invocable.check(payload)
        self._throttle.enter(namespace)
        activation_id = new_id()
        task = self.keep(asyncio.ensure_future(self._admit(invocable, payload, activation_id, origin)))
        # One turn of the loop lets the pool say at once that it is full, while there is still someone to tell.
        await asyncio.sleep(0)
        if task.done() and isinstance(task.exception(), Busy):
            raise self._throttle.busy(namespace)
        return RunningActivation(activation_id, task, self._closing)

    def keep(self, task: asyncio.Task[Any]) -> asyncio.Task[Any]:
        """Hold a reference to background work until it ends, and hear of its failure."""
        self._under_way.add(task)
        task.add_done_callback(self._note_end)
        return task

    async def drain(self, seconds: float) -> None:
        """Let what is under way finish for a while, then end it."""
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=seconds)
        # A copy: a task that ends takes itself out of the set.
        for task in list(self._under_way):
            task.cancel()

    def _note_end(self, task: asyncio.Task[Any]) -> None:
        self._under_way.discard(task)
        if not task.cancelled() and (error := task.exception()) and not isinstance(error, Busy):
            log.fault("dispatch-failed", error)

    # `leave` here and not in `invoke`: the caller may have gone long before the activation ends.
    async def _admit(self, invocable: Invocable, payload: Any, activation_id: str, origin: Origin) -> ActivationRecord:
        try:
            return await self._activate(invocable, payload, activation_id, origin)
        finally:
            self._throttle.leave(origin.caller.namespace)

    async def _activate(
        self, invocable: Invocable, payload: Any, activation_id: str, origin: Origin
    ) -> ActivationRecord:
        if invocable.executable is None:
            return await self._sequence(invocable, payload, activation_id, origin)
        return await self._action(invocable, payload, activation_id, origin)

    async def _action(self, invocable: Invocable, payload: Any, activation_id: str, origin: Origin) -> ActivationRecord:
        call = _call(invocable, payload, activation_id, origin)
        namespace = origin.caller.namespace
        ran = await self._run(call)
        action = invocable.action
        return self._record(
            ActivationRecord(
                id=activation_id,
                namespace=namespace,
                name=action.name.name,
                version=action.version,
                start=ran.start,
                end=ran.end,
                duration=ran.end - ran.start,
                size=ran.size,
                status=ran.status,
                result=ran.result,
                logs=ran.logs,
                annotations=action_annotations(action, ran, origin.cause, invocable.binding),
                cause=origin.cause,
            )
        )

    async def _run(self, call: Call) -> Ran:
        began = now()
        try:
            return await self._pool.run(call)
        except Busy:
            raise
        except Exception as error:  # noqa: BLE001 - a mistake in the pool ends one activation, not the host
            log.fault("pool-failed", error, activation_id=call.context["activation_id"])
            return Ran(3, {"error": "The action could not be run."}, (), began, now(), 0, None)

    async def _sequence(
        self, invocable: Invocable, payload: Any, activation_id: str, origin: Origin
    ) -> ActivationRecord:
        progress = SequenceProgress(now())
        within = replace(origin, cause=activation_id)
        for component in invocable.action.exec.components:
            try:
                # Not when the sequence begins: what is gone by its turn is the sequence's error, with the ids of those
                # that ran.
                resolved = self._resolver.resolve(component, origin.caller)
                progress.memory = max(progress.memory, resolved.action.limits.memory)
                last = await self._component(resolved, payload, within, first=not progress.ended)
            except Refusal as refusal:
                words = SEQUENCE_COMPONENT_MISSING if refusal.status == 404 else refusal.message
                progress.failure = SequenceFailure(1, words)
                break
            except OutOfPatience as overdue:
                progress.failure = SequenceFailure(3, str(overdue))
                break
            progress.ended.append(last)
            # An error ends a sequence, also one that a component returned as its result in all good faith.
            if _has_failed(last):
                break
            # The result alone: a component sees neither what the sequence was called with nor what came before.
            payload = last.result
        return self._record(_sequence_record(invocable, activation_id, origin, progress))

    async def _component(self, resolved: Invocable, payload: Any, origin: Origin, *, first: bool) -> ActivationRecord:
        activation_id = new_id()
        running = self._patiently(resolved, payload, activation_id, origin, first=first)
        if resolved.executable is None:
            return await running
        seconds = resolved.action.limits.timeout / 1000 + COMPONENT_GRACE_SECONDS
        try:
            # Not `wait_for`, which would start a task of its own: a full pool could then not be told of at once.
            async with asyncio.timeout(seconds):
                return await running
        except TimeoutError:
            words = f"Timeout reached when retrieving activation {activation_id} for sequence component."
            raise OutOfPatience(words) from None

    async def _patiently(
        self, resolved: Invocable, payload: Any, activation_id: str, origin: Origin, *, first: bool
    ) -> ActivationRecord:
        attempt = 0
        while True:
            try:
                return await self._activate(resolved, payload, activation_id, origin)
            except Busy:
                # Nothing has run yet: whoever asked can be told so.
                if first:
                    raise
                await asyncio.sleep(ROOM_SECONDS[min(attempt, len(ROOM_SECONDS) - 1)])
                attempt += 1

    def _record(self, activation: ActivationRecord) -> ActivationRecord:
        self._archive.record(activation)
        return activation


class OutOfPatience(Exception):
    """A component did not end in time; the message is the sequence's error."""


@dataclass(frozen=True, slots=True)
class SequenceFailure:
    """Why a sequence ended without its next component's result."""

    status: Status
    message: str


@dataclass(slots=True)
class SequenceProgress:
    """How far a sequence has come. `memory` is the largest limit among the components so far."""

    began: int
    ended: list[ActivationRecord] = field(default_factory=list)
    memory: int = 0
    failure: SequenceFailure | None = None


def now() -> int:
    """Milliseconds since the epoch."""
    return int(time.time() * 1000)


def _call(invocable: Invocable, payload: Any, activation_id: str, origin: Origin) -> Call:
    assert invocable.executable is not None
    action = invocable.action
    context = {
        "activation_id": activation_id,
        "transaction_id": origin.transaction,
        "namespace": origin.caller.namespace,
        "action_name": f"/{action.name}",
        "action_version": action.version,
    }
    if invocable.provides_key:
        context["api_key"] = origin.caller.key
    # A published action runs for several namespaces; what one leaves in a container is none of another's.
    executable = replace(invocable.executable, revision=f"{invocable.executable.revision} {origin.caller.namespace}")
    return Call(executable, arguments(invocable.arguments, payload), context, origin.keyless)


def arguments(bound: Mapping[str, Any], payload: Any) -> Mapping[str, Any]:
    """The payload over the bound parameters. A list is passed on as it is, and anything else counts as no payload."""
    if isinstance(payload, WrittenObject):
        return payload.merge_over(bound)
    if isinstance(payload, dict):
        return {**bound, **payload}
    if isinstance(payload, list):
        return cast("Mapping[str, Any]", payload)
    return bound


def check_size(invocable: Invocable, payload: Mapping[str, Any], received: int) -> None:
    """Refuse arguments beyond 1 MiB once merged; `received` is an upper bound of the payload's own size."""
    if invocable.arguments_size + received <= LIMIT_BYTES:
        return
    size = len(dump(arguments(invocable.arguments, payload)))
    if size > LIMIT_BYTES:
        raise Refusal(413, f"Request larger than allowed: {size} > {LIMIT_BYTES} bytes.")


def _has_failed(activation: ActivationRecord) -> bool:
    result = activation.result
    return activation.status != 0 or (isinstance(result, dict) and "error" in result)


def _sequence_record(
    invocable: Invocable, activation_id: str, origin: Origin, progress: SequenceProgress
) -> ActivationRecord:
    action, ended, failure = invocable.action, progress.ended, progress.failure
    last = ended[-1] if ended else None
    status = failure.status if failure else last.status if last else 0
    result = {"error": failure.message} if failure else last.result if last else {}
    return ActivationRecord(
        id=activation_id,
        namespace=origin.caller.namespace,
        name=action.name.name,
        version=action.version,
        start=progress.began,
        end=now(),
        duration=sum(each.duration or 0 for each in ended),
        size=None if failure or last is None else last.size,
        status=status,
        result=result,
        logs=[each.id for each in ended],
        annotations=sequence_annotations(action, progress.memory, origin.cause),
        cause=origin.cause,
    )
