"""Everything a request handler needs, put together once."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from infra.host.activations.archive import Archive
from infra.host.activations.dispatch import Dispatch
from infra.host.activations.throttle import Throttle
from infra.host.activations.trigger_fires import Fires
from infra.host.alarms.scheduler import AlarmPool, AlarmStorage, Scheduler
from infra.host.auth import Keyring
from infra.host.calls import Pool
from infra.host.containers.kinds import Runtimes
from infra.host.entities.catalogue import catalogue
from infra.host.entities.registry import Registry
from infra.host.entities.resolution import Resolver
from infra.host.entities.storage import EntityStorage
from infra.host.settings import HostSettings

DRAIN_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Host:
    settings: HostSettings
    keyring: Keyring
    runtimes: Runtimes
    registry: Registry
    resolver: Resolver
    dispatch: Dispatch
    fires: Fires
    archive: Archive
    throttle: Throttle
    pool: Pool
    scheduler: Scheduler

    async def start(self) -> None:
        # What is asked before what asks: an alarm may be due at once, and its rules need a pool.
        self.dispatch.start()
        await self.pool.start()
        self.archive.start()
        self.scheduler.start(self.fires)
        self._prewarm()
        self.registry.watch(self._prewarm)

    async def stop(self) -> None:
        """Let activations end for a moment, end the rest, and write down what is known."""
        # In the other direction. The archive after the pool: what its end makes of running calls is still a record.
        await self.scheduler.stop()
        self.dispatch.close()
        await self.dispatch.drain(DRAIN_SECONDS)
        await self.pool.stop()
        await self.archive.stop()
        self.registry.close()

    def _prewarm(self) -> None:
        self.pool.prewarm(self.resolver.find_preloaded())


def assemble(settings: HostSettings, pool: Pool, runtimes: Runtimes, clock: Callable[[], float] = time.time) -> Host:
    """A host over `pool`, with the state kept in `settings.data`; not started yet."""
    settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    registry = Registry(EntityStorage(settings.data / "entities.db"), catalogue(runtimes))
    resolver = Resolver(registry)
    archive = Archive(settings.data / "activations.db", settings.retention, clock)
    throttle = Throttle(settings.quotas, clock)
    keyring = Keyring(settings.keys)
    scheduler = Scheduler(AlarmStorage(settings.data / "alarms.db"), keyring, registry, throttle, clock)
    whole = AlarmPool(pool, scheduler)
    dispatch = Dispatch(resolver, whole, throttle, archive)
    fires = Fires(resolver, dispatch, archive)
    return Host(settings, keyring, runtimes, registry, resolver, dispatch, fires, archive, throttle, whole, scheduler)
