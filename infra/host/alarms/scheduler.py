"""Runs the catalogue's alarms: answers their feed actions, keeps them on disk, fires what is due."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from infra.host.activations.dispatch import Origin, now
from infra.host.activations.throttle import Throttle
from infra.host.activations.trigger_fires import Fires
from infra.host.alarms.schedule import NEVER, Alarm, AlarmKind, BadAlarm, parse_alarm
from infra.host.auth import Keyring
from infra.host.calls import Call, Executable, Pool, Ran
from infra.host.entities.models import Trigger
from infra.host.entities.registry import Registry
from infra.host.entities.storage import connect
from infra.host.errors import Refusal
from infra.host.json_bodies import dump
from infra.host.names import SYSTEM, Name, parse_name
from infra.logs import EventLogger

log = EventLogger(__name__)

PREFIX = f"/{SYSTEM}/alarms/"
LIMIT_ALARMS = 1000
# Clocks may be set; nothing is slept on for longer than this.
LIMIT_SLEEP_SECONDS = 30.0
RETRY_SECONDS = 5.0


class AlarmStorage:
    """Blocking, and small: one row an alarm. Failures are `sqlite3.Error`."""

    def __init__(self, path: Path) -> None:
        self._connection = connect(path, "FULL")
        self._connection.execute("CREATE TABLE IF NOT EXISTS alarm (key TEXT PRIMARY KEY, alarm TEXT NOT NULL)")

    def load(self) -> list[Alarm]:
        return [Alarm.load(row[0]) for row in self._connection.execute("SELECT alarm FROM alarm").fetchall()]

    def put(self, alarm: Alarm) -> None:
        self._connection.execute("INSERT OR REPLACE INTO alarm VALUES (?, ?)", (alarm.key, alarm.dump()))

    def delete(self, key: str) -> None:
        self._connection.execute("DELETE FROM alarm WHERE key = ?", (key,))

    def close(self) -> None:
        self._connection.close()


class Scheduler:
    """The alarms there are; one task fires them, in order."""

    def __init__(
        self,
        storage: AlarmStorage,
        keyring: Keyring,
        registry: Registry,
        throttle: Throttle,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._storage = storage
        self._keyring = keyring
        self._registry = registry
        self._throttle = throttle
        self._clock = clock
        self._fires: Fires
        self._due: dict[str, tuple[float, Alarm]] = {}
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self, fires: Fires) -> None:
        self._fires = fires
        for alarm in self._storage.load():
            self._plan(alarm)
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        if self._task:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        self._storage.close()

    def feed(self, kind: AlarmKind, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        """What the feed action `kind` answers. CREATE may be repeated; DELETE of what is gone succeeds."""
        trigger, namespace = self._read_address(parameters)
        key = f"{namespace}/{trigger}"
        match parameters.get("lifecycleEvent", "CREATE"):
            case "CREATE" | "UPDATE":
                if len(self._due) >= LIMIT_ALARMS and key not in self._due:
                    raise BadAlarm(f"there are {LIMIT_ALARMS} alarms already: delete some first")
                alarm = parse_alarm(kind, parameters, namespace, trigger, self._clock())
                self._storage.put(alarm)
                self._plan(alarm)
                return {"status": "success"}
            case "DELETE":
                self._forget(key)
                return {"status": "success"}
            case "READ":
                if key not in self._due:
                    raise BadAlarm(f"no alarm is set for {key}")
                return self._due[key][1].describe()
        raise BadAlarm("lifecycleEvent: CREATE, READ, UPDATE or DELETE expected")

    def _read_address(self, parameters: Mapping[str, Any]) -> tuple[str, str]:
        """The trigger's name and namespace; the key must be the namespace's own."""
        key = parameters.get("authKey")
        owner = self._keyring.identify(key) if isinstance(key, str) else None
        if owner is None:
            raise BadAlarm("authKey: not a key of this host")
        try:
            name = parse_name(parameters.get("triggerName"), owner.namespace)
        except Refusal:
            raise BadAlarm("triggerName: /namespace/name expected") from None
        if name.namespace != owner.namespace:
            raise BadAlarm("triggerName: the trigger is not in the key's namespace")
        return name.name, name.namespace

    def _plan(self, alarm: Alarm) -> None:
        # By the clock on the wall, since that is what a cron means. So each sleep is short (`LIMIT_SLEEP_SECONDS`), and
        # a clock that was set is noticed.
        self._due[alarm.key] = (alarm.next(self._clock()), alarm)
        self._changed.set()

    def _forget(self, key: str) -> None:
        self._storage.delete(key)
        self._due.pop(key, None)
        self._changed.set()

    async def _run(self) -> None:
        while True:
            self._changed.clear()
            moment = self._clock()
            for due, alarm in list(self._due.values()):
                if due <= moment:
                    self._fire(alarm, moment)
            nearest = min((due for due, _ in self._due.values()), default=NEVER)
            seconds = min(max(nearest - self._clock(), 0.0), LIMIT_SLEEP_SECONDS)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._changed.wait()

    def _fire(self, alarm: Alarm, moment: float) -> None:
        """Fire once and plan the next; over quota or with a failing disk, try again shortly."""
        owner = self._keyring.owner(alarm.namespace)
        try:
            trigger = self._registry.find(Trigger, Name(alarm.namespace, "", alarm.trigger))
            if owner is None or trigger is None:
                log.info("alarm-dropped", trigger=alarm.key, reason="trigger-gone")
                self._forget(alarm.key)
                return
            self._throttle.fire(alarm.namespace)
            # Written first: an alarm with a bound must not exceed it because of a crash in between.
            fired = alarm.after_firing(moment)
            self._storage.put(fired)
        except (Refusal, sqlite3.Error) as error:
            log.warning("alarm-put-off", trigger=alarm.key, reason=error)
            self._due[alarm.key] = (moment + RETRY_SECONDS, alarm)
            return
        size = len(dump(alarm.payload))
        self._fires.fire(trigger, alarm.payload, {"content-type": "application/json"}, Origin(owner, "alarm"), size)
        self._plan(fired)


class AlarmPool:
    """A `Pool` that runs the alarms' feed actions in the host, and hands everything else on."""

    def __init__(self, pool: Pool, scheduler: Scheduler) -> None:
        self._pool = pool
        self._scheduler = scheduler

    async def start(self) -> None:
        await self._pool.start()

    def prewarm(self, executables: Sequence[Executable]) -> None:
        self._pool.prewarm(executables)

    async def stop(self) -> None:
        await self._pool.stop()

    async def run(self, call: Call) -> Ran:
        # By its full name: an action of somebody's own that is called `alarms/once` is none of ours.
        name = call.context["action_name"]
        if not name.startswith(PREFIX):
            return await self._pool.run(call)
        began = now()
        kind: Any = name.removeprefix(PREFIX)
        try:
            result = self._scheduler.feed(kind, call.arguments)
        except BadAlarm as bad:
            return Ran(1, {"error": str(bad)}, (), began, now(), 0, None)
        except sqlite3.Error as error:
            log.warning("alarm-unwritten", reason=error)
            return Ran(1, {"error": "The alarm could not be stored. Try again later."}, (), began, now(), 0, None)
        return Ran(0, result, (), began, now(), 0, None)
