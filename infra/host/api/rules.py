"""Rules: create, update, read, list, delete, switch on and off."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from starlette.responses import Response

from infra.host.api.actions import check_reachable
from infra.host.api.request import Transaction, reply, reply_page
from infra.host.api.triggers import own_name
from infra.host.assembly import Host
from infra.host.entities.exec_field import follow
from infra.host.entities.models import Action, Rule, RuleStatus, Trigger, TriggerRule
from infra.host.entities.registry import EntityChange
from infra.host.entities.updates import check_overwrite, check_own, entity_fields
from infra.host.errors import RULE_INCOMPLETE, TRIGGER_OF_RULE_MISSING, Refusal, forbidden, malformed
from infra.host.json_bodies import dump
from infra.host.names import Name, parse_name


def status_of(host: Host, rule: Rule) -> RuleStatus:
    """As the trigger has it; inactive where the trigger is gone or was made anew."""
    trigger = host.registry.find(Trigger, rule.trigger)
    noted = (trigger.rules or {}).get(str(rule.name)) if trigger else None
    return noted.status if noted else "inactive"


def _dump(rule: Rule, status: RuleStatus) -> dict[str, Any]:
    return rule.dump() | {"status": status}


async def put_rule(host: Host, transaction: Transaction) -> Response:
    """A new rule is active; an update keeps the status."""
    name = own_name(transaction)
    overwrite = transaction.flag("overwrite", default=False)
    raw = await transaction.document("trigger")
    async with host.registry.change() as change:
        old = host.registry.find(Rule, name)
        check_overwrite(old, overwrite=overwrite)
        rule = _rule(raw, name, old)
        status = status_of(host, old) if old else "active"
        trigger = _check(host, rule)
        if old is not None and old.trigger != rule.trigger:
            _unlink(host, old, change)
        change.puts += [rule, link(trigger, rule, status)]
    return reply(_dump(rule, status))


def _rule(raw: Mapping[str, Any], name: Name, old: Rule | None) -> Rule:
    trigger, action = raw.get("trigger"), raw.get("action")
    if old is None and (trigger is None or action is None):
        raise Refusal(400, RULE_INCOMPLETE)
    own = name.namespace
    fields = entity_fields(raw, old) | {"parameters": ()}
    return Rule(
        name=name,
        trigger=old.trigger if old and trigger is None else parse_name(trigger, own),
        action=old.action if old and action is None else parse_name(action, own),
        **fields,
    )


def _check(host: Host, rule: Rule) -> Trigger:
    """The rule's trigger; a 400 where it, or the action, does not exist."""
    if rule.trigger.namespace != rule.name.namespace:
        raise forbidden(str(rule.trigger))
    trigger = host.registry.find(Trigger, rule.trigger)
    if trigger is None:
        raise Refusal(400, f"trigger /{rule.trigger} does not exist")
    check_reachable(host, rule.action, rule.name.namespace)
    if host.registry.find(Action, follow(rule.action, host.registry)) is None:
        raise Refusal(400, f"action /{rule.action} does not exist")
    return trigger


def link(trigger: Trigger, rule: Rule, status: RuleStatus) -> Trigger:
    return replace(trigger, rules={**(trigger.rules or {}), str(rule.name): TriggerRule(rule.action, status)})


def _unlink(host: Host, rule: Rule, change: EntityChange) -> None:
    trigger = host.registry.find(Trigger, rule.trigger)
    if trigger is not None and trigger.rules and str(rule.name) in trigger.rules:
        kept = {name: each for name, each in trigger.rules.items() if name != str(rule.name)}
        change.puts.append(replace(trigger, rules=kept))


async def get_rule(host: Host, transaction: Transaction) -> Response:
    rule = host.registry.get(Rule, own_name(transaction))
    return reply(_dump(rule, status_of(host, rule)))


async def list_rules(host: Host, transaction: Transaction) -> Response:
    """Without status, as in OpenWhisk: clients ask for each rule."""
    page = transaction.page("rules")
    check_own(Name(transaction.namespace, "", ""), transaction.identity)
    rules = host.registry.list_entities(Rule, transaction.namespace)
    return reply_page(transaction, "rules", rules, page)


async def delete_rule(host: Host, transaction: Transaction) -> Response:
    name = own_name(transaction)
    async with host.registry.change() as change:
        rule = host.registry.get(Rule, name)
        _unlink(host, rule, change)
        change.deletes.append(name)
    # Whatever it was: a rule is switched off before it goes.
    return reply(_dump(rule, "inactive"))


async def set_rule(host: Host, transaction: Transaction) -> Response:
    """Switch a rule on or off; 200 also where it already is."""
    name = own_name(transaction)
    document = await transaction.document("status")
    if "status" not in document:
        raise malformed("key not found: status")
    wanted = document["status"]
    if wanted not in ("active", "inactive"):
        shown = wanted if isinstance(wanted, str) else dump(wanted).decode()
        raise malformed(f"requirement failed: {shown[:256]} is not a recognized rule state")
    async with host.registry.change() as change:
        rule = host.registry.get(Rule, name)
        trigger = host.registry.find(Trigger, rule.trigger)
        if trigger is None:
            raise Refusal(404, TRIGGER_OF_RULE_MISSING)
        if status_of(host, rule) != wanted:
            change.puts.append(link(trigger, rule, wanted))
    return Response("OK", media_type="text/plain; charset=UTF-8")
