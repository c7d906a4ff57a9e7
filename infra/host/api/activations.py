"""Activations as the API lists and shows them."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from infra.host.activations.archive import NEVER, ActivationQuery
from infra.host.activations.record import LEGAL_ID
from infra.host.api.request import Transaction, integer, reply
from infra.host.assembly import Host
from infra.host.entities.updates import check_own
from infra.host.errors import NOT_FOUND, Refusal, refuse_missing
from infra.host.names import Name, check_name


async def list_activations(host: Host, transaction: Transaction) -> Response:
    check_own(Name(transaction.namespace, "", ""), transaction.identity)
    skip, limit = transaction.page("activations")
    query = ActivationQuery(
        namespace=transaction.namespace,
        filter=_filter(transaction.query.get("name")),
        since=integer(transaction.query.get("since"), "for since", 0),
        upto=integer(transaction.query.get("upto"), "for upto", NEVER),
        skip=skip,
        limit=limit,
    )
    if transaction.flag("count", default=False):
        return reply({"activations": await host.archive.count(query)})
    return reply(await host.archive.listed(query, full=transaction.flag("docs", default=False)))


def _filter(name: str | None) -> str | None:
    if not name:
        return None
    parts = name.split("/")
    if len(parts) > 2:
        raise Refusal(400, "The name parameter must be an action's name, or package/name.")
    return "/".join(check_name(part) for part in parts)


async def get_activation(host: Host, transaction: Transaction) -> Response:
    """The record, or its `logs` or `result` alone."""
    check_own(Name(transaction.namespace, "", ""), transaction.identity)
    activation_id, *part = [each for each in transaction.rest if each]
    if not LEGAL_ID.match(activation_id):
        raise Refusal(400, "The activation id is not valid.")
    if part not in ([], ["logs"], ["result"]):
        raise Refusal(404, NOT_FOUND)
    record = await host.archive.find(transaction.namespace, activation_id)
    if record is None:
        raise refuse_missing()
    return reply(_part(record, part[0] if part else ""), headers={"x-openwhisk-activation-id": activation_id})


def _part(record: dict[str, Any], part: str) -> Any:
    if part == "logs":
        return {"logs": record["logs"]}
    return record["response"] if part == "result" else record
