"""Triggers: create, update, read, list, delete, fire."""

from __future__ import annotations

from starlette.responses import Response

from infra.host.activations.dispatch import Origin
from infra.host.api.packages import entity_name
from infra.host.api.request import LIMIT_PAYLOAD_BYTES, Transaction, reply, reply_page
from infra.host.assembly import Host
from infra.host.auth import without_credentials
from infra.host.entities.models import Trigger
from infra.host.entities.updates import check_overwrite, check_own, entity_fields
from infra.host.names import Name


def own_name(transaction: Transaction) -> Name:
    """The name a path gives, in a namespace that must be the caller's."""
    name = entity_name(transaction)
    check_own(name, transaction.identity)
    return name


async def put_trigger(host: Host, transaction: Transaction) -> Response:
    name = own_name(transaction)
    overwrite = transaction.flag("overwrite", default=False)
    raw = await transaction.document("parameters")
    async with host.registry.change() as change:
        old = host.registry.find(Trigger, name)
        check_overwrite(old, overwrite=overwrite)
        # The rules' status is kept here, so an update hands it on; a trigger that was deleted first starts with none.
        rules = old.rules if old else None
        change.puts.append(trigger := Trigger(name=name, rules=rules, **entity_fields(raw, old)))
    return reply(trigger.dump())


async def get_trigger(host: Host, transaction: Transaction) -> Response:
    return reply(host.registry.get(Trigger, own_name(transaction)).dump())


async def list_triggers(host: Host, transaction: Transaction) -> Response:
    page = transaction.page("triggers")
    check_own(Name(transaction.namespace, "", ""), transaction.identity)
    triggers = host.registry.list_entities(Trigger, transaction.namespace)
    return reply_page(transaction, "triggers", triggers, page)


async def delete_trigger(host: Host, transaction: Transaction) -> Response:
    """Its rules stay, and read inactive from now on: their status went with the trigger."""
    name = own_name(transaction)
    async with host.registry.change() as change:
        trigger = host.registry.get(Trigger, name)
        change.deletes.append(name)
    return reply(trigger.dump())


async def fire_trigger(host: Host, transaction: Transaction) -> Response:
    """202 before any rule runs; 204 where no rule is active, and then there is no record either."""
    name = own_name(transaction)
    payload, size = await transaction.measure_document(LIMIT_PAYLOAD_BYTES)
    trigger = host.registry.get(Trigger, name)
    # Counted before rules are looked for: OpenWhisk charges for a fire that runs nothing, too.
    host.throttle.fire(transaction.identity.namespace)
    headers = without_credentials(transaction.request.headers)
    origin = Origin(transaction.identity, transaction.id)
    activation_id = host.fires.fire(trigger, payload, headers, origin, size)
    if activation_id is None:
        return Response(status_code=204)
    return reply({"activationId": activation_id}, 202, {"x-openwhisk-activation-id": activation_id})
