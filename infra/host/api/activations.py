"""Activations as the API lists and shows them."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from infra.host.activations.archive import NEVER, ActivationQuery
from infra.host.activations.record import LEGAL_ID
from infra.host.api.request import Transaction, reply
from infra.host.assembly import Host
from infra.host.entities.updates import check_own
from infra.host.errors import NOT_FOUND, Refusal, refuse_missing, refuse_query
from infra.host.names import LEGAL, Name

NO_MOMENT = "Parameter is not a valid value for epoch seconds: {}"
LENGTH_ID = 32


async def list_activations(host: Host, transaction: Transaction) -> Response:
    check_own(Name(transaction.namespace, "", ""), transaction.identity)
    skip, limit = transaction.page("activations")
    query = ActivationQuery(
        namespace=transaction.namespace,
        filter=_filter(transaction.query.get("name")),
        since=transaction.integer("since", 0, NO_MOMENT),
        upto=transaction.integer("upto", NEVER, NO_MOMENT),
        skip=skip,
        limit=limit,
    )
    if transaction.flag("count", default=False):
        return reply({"activations": await host.archive.count(query)})
    return reply(await host.archive.search(query, full=transaction.flag("docs", default=False)))


def _filter(name: str | None) -> str | None:
    if not name:
        return None
    parts = name.split("/")
    if len(parts) > 2 or not all(LEGAL.match(part) for part in parts):
        words = f"Parameter may be a 'simple' name or 'package-name/simple' name: {name[:256]}"
        raise refuse_query("name", words)
    return name


async def get_activation(host: Host, transaction: Transaction) -> Response:
    """The record, or its `logs` or `result` alone."""
    activation_id, *part = [each for each in transaction.rest if each]
    check_own(Name(transaction.namespace, "", activation_id), transaction.identity)
    if len(activation_id) != LENGTH_ID:
        raise Refusal(400, f"Activation id length is {len(activation_id)} but must be {LENGTH_ID}.")
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
