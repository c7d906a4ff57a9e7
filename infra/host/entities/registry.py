"""All entities in memory, written through to storage: the one place that changes them."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from infra.host.entities.models import Action, Entity, Package, Rule, Trigger
from infra.host.entities.storage import EntityStorage
from infra.host.errors import INTERNAL, OTHER_COLLECTION, Refusal, refuse_missing
from infra.host.names import Name
from infra.logs import EventLogger

log = EventLogger(__name__)

AnyEntity = TypeVar("AnyEntity", Action, Package, Trigger, Rule)


@dataclass(slots=True)
class EntityChange:
    """What one request wants changed, applied as a whole once its checks have passed."""

    puts: list[Entity] = field(default_factory=list)
    deletes: list[Name] = field(default_factory=list)


class Registry:
    """Reads are plain and never wait; changes go one at a time and are durable before they can be seen."""

    def __init__(self, storage: EntityStorage, built_in: Iterable[Entity] = ()) -> None:
        self._storage = storage
        self._lock = asyncio.Lock()
        self._entities: dict[str, Entity] = {str(entity.name): entity for entity in storage.load()}
        # Over what was stored: a catalogue of an earlier version must not outlive it.
        self._entities |= {str(entity.name): entity for entity in built_in}
        self._watchers: list[Callable[[], None]] = []

    def watch(self, watcher: Callable[[], None]) -> None:
        """Call `watcher` after every change."""
        self._watchers.append(watcher)

    def find(self, collection: type[AnyEntity], name: Name) -> AnyEntity | None:
        """The entity of that name; a 409 if the name belongs to another collection."""
        entity = self._entities.get(str(name))
        if entity is None or isinstance(entity, collection):
            return entity
        raise Refusal(409, OTHER_COLLECTION)

    def get(self, collection: type[AnyEntity], name: Name) -> AnyEntity:
        entity = self.find(collection, name)
        if entity is None:
            raise refuse_missing()
        return entity

    def all(self, collection: type[AnyEntity]) -> Sequence[AnyEntity]:
        return [entity for entity in self._entities.values() if isinstance(entity, collection)]

    def list_entities(
        self, collection: type[AnyEntity], namespace: str, package: str | None = None
    ) -> Sequence[AnyEntity]:
        """Newest first: all of a namespace, or those of one package of it."""
        wanted = [
            entity
            for entity in self.all(collection)
            if entity.name.namespace == namespace and package in (None, entity.name.package)
        ]
        return sorted(wanted, key=lambda entity: entity.updated, reverse=True)

    @asynccontextmanager
    async def change(self) -> AsyncIterator[EntityChange]:
        """Nothing else changes between the checks in the body and the write at its end.

        A write that fails changes nothing and is a 500: what was read before stays true.
        """
        async with self._lock:
            change = EntityChange()
            yield change
            if change.puts or change.deletes:
                await self._apply_whole(change)

    async def _apply_whole(self, change: EntityChange) -> None:
        # A caller that hangs up must neither part what is on disk from what is in memory nor let the next change in.
        applying = asyncio.ensure_future(self._apply(change))
        try:
            await asyncio.shield(applying)
        except asyncio.CancelledError:
            await asyncio.wait([applying])
            raise

    async def _apply(self, change: EntityChange) -> None:
        try:
            await asyncio.to_thread(self._storage.write, change.puts, change.deletes)
        except sqlite3.Error as error:
            log.error("entity-write-failed", reason=error)  # noqa: TRY400 - the reason is the disk's, not the code's
            raise Refusal(500, INTERNAL) from error
        # After the disk, never before: what was read once must not be gone after a crash.
        for name in change.deletes:
            self._entities.pop(str(name), None)
        self._entities |= {str(entity.name): entity for entity in change.puts}
        for watcher in self._watchers:
            watcher()

    def close(self) -> None:
        self._storage.close()
