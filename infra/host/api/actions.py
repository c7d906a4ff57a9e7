"""Actions: create, update, read, list, delete, invoke."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from starlette.responses import Response

from infra.host.activations.dispatch import Origin, RunningActivation, check_size
from infra.host.activations.record import ActivationRecord
from infra.host.api.request import LIMIT_PAYLOAD_BYTES, Transaction, reply, reply_page
from infra.host.assembly import Host
from infra.host.calls import ActionLimits, Busy
from infra.host.entities.exec_field import check_components, parse_exec
from infra.host.entities.limits import parse_limits
from infra.host.entities.models import Action, Exec, Package
from infra.host.entities.parameters import Parameter, without
from infra.host.entities.resolution import package_of
from infra.host.entities.updates import annotate, check_overwrite, check_own, entity_fields
from infra.host.errors import NOT_FOUND, ON_BINDING, Refusal, forbidden, refuse_query
from infra.host.names import Name, check_name


def action_name(transaction: Transaction) -> Name:
    """The action a path names: `[package/]name`."""
    rest = [part for part in transaction.rest if part]
    if not 1 <= len(rest) <= 2:
        raise Refusal(404, NOT_FOUND)
    package = check_name(rest[0]) if len(rest) == 2 else ""
    return Name(transaction.namespace, package, check_name(rest[-1]))


async def put_action(host: Host, transaction: Transaction) -> Response:
    name = action_name(transaction)
    check_own(name, transaction.identity)
    overwrite = transaction.flag("overwrite", default=False)
    raw = await transaction.document("exec")
    # Read before anything is looked for: what cannot be read is a 400 even where the name is taken.
    exec_ = None if raw.get("exec") is None else parse_exec(raw["exec"], host.runtimes, name.namespace)
    parse_limits(raw.get("limits"), ActionLimits())
    async with host.registry.change() as change:
        if name.package and host.registry.get(Package, package_of(name)).binding:
            raise Refusal(400, ON_BINDING)
        old = host.registry.find(Action, name)
        check_overwrite(old, overwrite=overwrite)
        action = _action(host, raw, name, old, exec_)
        change.puts.append(action)
    return reply(action.dump())


def _action(host: Host, raw: Mapping[str, Any], name: Name, old: Action | None, given: Exec | None) -> Action:
    fields = entity_fields(raw, old)
    exec_ = _exec(host, given, name, old)
    if exec_.kind == "sequence":
        fields["parameters"] = (Parameter("_actions", [f"/{each}" for each in exec_.components]),)
    elif old is not None and old.exec.kind == "sequence" and raw.get("parameters") is None:
        fields["parameters"] = ()
    annotations = without(fields.pop("annotations"), ["exec"])
    if old is None:
        annotations = annotate(annotations, provide_api_key=False)
    annotations = annotate(annotations, exec=exec_.kind)
    limits = parse_limits(raw.get("limits"), old.limits if old else ActionLimits())
    return Action(name=name, exec=exec_, limits=limits, annotations=annotations, **fields)


def _exec(host: Host, given: Exec | None, name: Name, old: Action | None) -> Exec:
    if given is None:
        if old is None:
            raise Refusal(400, "exec undefined")
        return old.exec
    if given.kind == "sequence":
        for component in given.components:
            check_reachable(host, component, name.namespace)
        check_components(given, name, host.registry)
    return given


def check_reachable(host: Host, name: Name, namespace: str) -> None:
    """An action of another namespace may be named only if its package is published."""
    if name.namespace == namespace:
        return
    package = host.registry.find(Package, package_of(name)) if name.package else None
    if package is None or not package.publish:
        raise forbidden(str(name))


async def get_action(host: Host, transaction: Transaction) -> Response:
    name = action_name(transaction)
    code = transaction.flag("code", default=True)
    invocable = host.resolver.resolve(name, transaction.identity)
    return reply(replace(invocable.action, parameters=invocable.parameters).dump(code=code))


async def list_actions(host: Host, transaction: Transaction) -> Response:
    page = transaction.page("actions")
    name = Name(transaction.namespace, "", "")
    wanted: str | None = None
    if transaction.rest and transaction.rest[0]:
        asked = replace(name, name=check_name(transaction.rest[0]))
        found = host.registry.find(Package, asked)
        if found is None or not found.publish:
            check_own(asked, transaction.identity)
        package = host.registry.get(Package, asked)
        name = replace(package.binding or package.name, package="")
        wanted = name.name
    else:
        check_own(name, transaction.identity)
    actions = host.registry.list_entities(Action, name.namespace, wanted)
    return reply_page(transaction, "actions", actions, page)


async def delete_action(host: Host, transaction: Transaction) -> Response:
    name = action_name(transaction)
    check_own(name, transaction.identity)
    async with host.registry.change() as change:
        if name.package and host.registry.get(Package, package_of(name)).binding:
            raise Refusal(400, ON_BINDING)
        action = host.registry.get(Action, name)
        change.deletes.append(name)
    return reply(action.dump())


async def invoke_action(host: Host, transaction: Transaction) -> Response:
    """Begin, and with `blocking=true` wait for the end up to the blocking limit; then it goes on unattended."""
    name = action_name(transaction)
    blocking = transaction.flag("blocking", default=False)
    result_only = transaction.flag("result", default=False)
    seconds = _patience(host, transaction)
    payload, size = await transaction.measure_document(LIMIT_PAYLOAD_BYTES)
    invocable = host.resolver.resolve(name, transaction.identity)
    check_size(invocable, payload, size)
    running = await host.dispatch.invoke(invocable, payload, Origin(transaction.identity, transaction.id))
    # A caller that hangs up ends the waiting, never the activation: OpenWhisk has no way to cancel one.
    ended = await wait(host, running, seconds, transaction) if blocking else None
    headers = {"x-openwhisk-activation-id": running.activation_id}
    if ended is None:
        return reply({"activationId": running.activation_id}, 202, headers)
    # A list is answered bare, as OpenWhisk does: its controller takes it for the result that was asked for. A
    # sequence's logs are its components' ids, known at once; an action's come too late for the answer.
    bare = result_only or isinstance(ended.result, list)
    shown = ended.result if bare else ended.dump(logs=invocable.executable is None)
    return reply(shown, answer_status(ended), headers)


async def wait(
    host: Host, running: RunningActivation, seconds: float, transaction: Transaction
) -> ActivationRecord | None:
    try:
        return await running.wait(seconds)
    except Busy:
        raise host.throttle.busy(transaction.identity.namespace) from None


def answer_status(ended: ActivationRecord) -> int:
    return {0: 200, 1: 502, 2: 502, 3: 500}[ended.status]


def _patience(host: Host, transaction: Transaction) -> float:
    most = host.settings.timeout_blocking_seconds
    given = transaction.query.get("timeout")
    if given is None:
        return most
    if not (given.isascii() and given.isdigit() and len(given) <= 18 and 0 < int(given) <= most * 1000):
        raise refuse_query("timeout", f"Timeout must be number of milliseconds up to {int(most * 1000)}.")
    return int(given) / 1000
