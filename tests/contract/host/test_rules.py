"""Triggers, rules, and what becomes of a fire."""

from __future__ import annotations

import json
from typing import Any

from tests.contract.host.served import ECHO, Namespace
from tests.fixtures.deployment import eventually


def wired(guest: Namespace, action: str = "echo") -> None:
    guest.action("echo")
    guest.ok("PUT", "triggers/t", {"parameters": [{"key": "bound", "value": 1}, {"key": "x", "value": 1}]})
    guest.ok("PUT", "rules/r", {"name": "r", "status": "", "trigger": "/_/t", "action": f"/_/{action}"})


def lines(record: dict[str, Any]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in record["logs"]]


def test_a_rule_is_shown_with_its_status(guest: Namespace) -> None:
    """Texts in, objects out; the list has no status."""
    wired(guest)
    rule = guest.ok("GET", "rules/r")
    assert rule["trigger"] == {"path": guest.name, "name": "t"}
    assert rule["action"] == {"path": guest.name, "name": "echo"}
    assert rule["status"] == "active"
    assert "status" not in guest.ok("GET", "rules")[0]
    rules = guest.ok("GET", "triggers/t")["rules"]
    assert rules == {f"{guest.name}/r": {"action": {"path": guest.name, "name": "echo"}, "status": "active"}}


def test_a_fire_runs_its_rules(guest: Namespace) -> None:
    """With the payload over the trigger's parameters and the caller's headers, noted in the fire's record.

    Whoever fired it is nobody's business: no header with a credential is among them.
    """
    wired(guest)
    response = guest.ask("POST", "triggers/t", {"x": 2}, headers={"Cookie": "c=1", "X-Said": "this"})
    assert response.status_code == 202
    fire = guest.record(response.json()["activationId"])
    assert fire["response"]["result"] == {"x": 2}
    assert not fire.keys() & {"end", "duration"}
    (line,) = lines(fire)
    run = guest.record(line.pop("activationId"))
    assert line == {"rule": f"{guest.name}/r", "action": f"{guest.name}/echo", "statusCode": 0, "success": True}
    result = run["response"]["result"]
    headers = result.pop("__ow_headers")
    assert result == {"bound": 1, "x": 2}
    assert headers["x-said"] == "this"
    assert not headers.keys() & {"authorization", "cookie"}
    assert "cause" not in run


def test_a_fires_record_holds_no_secret(guest: Namespace) -> None:
    """The headers reach the action, and stay out of the fire's record."""
    wired(guest)
    fire = guest.record(guest.ok("POST", "triggers/t", {})["activationId"])
    assert "authorization" not in json.dumps(fire).lower()


def test_without_an_active_rule_a_fire_is_204(guest: Namespace) -> None:
    """And leaves no record: no rule, one that is off, one whose trigger was made anew."""
    guest.ok("PUT", "triggers/t", {})
    assert guest.ask("POST", "triggers/t", {}).status_code == 204
    wired_again(guest)
    guest.ok("POST", "rules/r", {"status": "inactive", "trigger": None, "action": None})
    assert guest.ok("GET", "rules/r")["status"] == "inactive"
    response = guest.ask("POST", "triggers/t", {})
    assert (response.status_code, response.content) == (204, b"")
    guest.ok("DELETE", "triggers/t")
    assert guest.ok("GET", "rules/r")["status"] == "inactive"
    guest.ok("PUT", "triggers/t", {})
    assert guest.ask("POST", "triggers/t", {}).status_code == 204
    guest.ok("POST", "rules/r", {"status": "active"})
    assert guest.ask("POST", "triggers/t", {}).status_code == 202
    assert len(guest.ok("GET", "activations?name=t")) <= 1


def wired_again(guest: Namespace) -> None:
    guest.action("echo")
    guest.ok("PUT", "rules/r", {"trigger": "/_/t", "action": "/_/echo"})


def test_switching_a_rule_twice_is_fine(guest: Namespace) -> None:
    """200 though nothing changes."""
    wired(guest)
    for status in ("active", "inactive", "inactive", "active"):
        assert guest.ask("POST", "rules/r", {"status": status}).status_code == 200
        assert guest.ok("GET", "rules/r")["status"] == status
    assert guest.refused("POST", "rules/r", {"status": "maybe"})[0] == 400


def test_every_rule_has_its_line(guest: Namespace) -> None:
    """Those that ran, those that are off, and those whose action is gone."""
    wired(guest)
    guest.action("gone")
    guest.ok("PUT", "rules/off", {"trigger": "/_/t", "action": "/_/echo"})
    guest.ok("POST", "rules/off", {"status": "inactive"})
    guest.ok("PUT", "rules/lost", {"trigger": "/_/t", "action": "/_/gone"})
    guest.ok("DELETE", "actions/gone")
    fire = guest.record(guest.ok("POST", "triggers/t", {})["activationId"])
    found = {line["rule"].rpartition("/")[2]: line for line in lines(fire)}
    assert found["r"]["success"] is True
    assert found["off"]["error"] == (
        f"Rule '{guest.name}/off' is inactive, action '{guest.name}/echo' was not activated."
    )
    assert found["lost"] == {
        "rule": f"{guest.name}/lost",
        "action": f"{guest.name}/gone",
        "statusCode": 1,
        "success": False,
        "error": "The requested resource does not exist.",
    }


def test_a_rule_may_run_a_sequence(guest: Namespace) -> None:
    """The way of every upload."""
    guest.action("echo")
    guest.sequence("twice", "/_/echo", "/_/echo")
    guest.ok("PUT", "triggers/t", {})
    guest.ok("PUT", "rules/r", {"trigger": f"/{guest.name}/t", "action": f"/{guest.name}/twice"})
    fire = guest.record(guest.ok("POST", "triggers/t", {"x": 1})["activationId"])
    run = guest.record(lines(fire)[0]["activationId"])
    assert (run["name"], run["response"]["result"]["x"]) == ("twice", 1)


def test_rules_are_checked(guest: Namespace) -> None:
    """Both ends must exist when the rule is made."""
    guest.action("echo")
    guest.ok("PUT", "triggers/t", {})
    assert guest.refused("PUT", "rules/r", {"trigger": "/_/none", "action": "/_/echo"}) == (
        400,
        f"trigger /{guest.name}/none does not exist",
    )
    assert guest.refused("PUT", "rules/r", {"trigger": "/_/t", "action": "/_/none"}) == (
        400,
        f"action /{guest.name}/none does not exist",
    )
    assert guest.refused("PUT", "rules/r", {"trigger": "/_/t"})[0] == 400


def test_an_update_keeps_the_status(guest: Namespace) -> None:
    """Even when the rule moves to another trigger."""
    wired(guest)
    guest.ok("POST", "rules/r", {"status": "inactive"})
    guest.ok("PUT", "triggers/u", {})
    moved = guest.ok("PUT", "rules/r?overwrite=true", {"trigger": "/_/u"})
    assert (moved["status"], moved["version"], moved["action"]["name"]) == ("inactive", "0.0.2", "echo")
    assert guest.ok("GET", "triggers/t")["rules"] == {}
    assert guest.refused("PUT", "rules/r", {"trigger": "/_/t", "action": "/_/echo"})[0] == 409


def test_an_active_rule_may_be_deleted(guest: Namespace) -> None:
    """Its trigger then has none."""
    wired(guest)
    assert guest.ok("DELETE", "rules/r")["status"] == "inactive"
    assert guest.ask("POST", "triggers/t", {}).status_code == 204


def test_an_update_of_a_trigger_keeps_its_rules(guest: Namespace) -> None:
    """wskdeploy puts triggers anew with every deployment."""
    wired(guest)
    updated = guest.ok("PUT", "triggers/t?overwrite=true", {"annotations": [{"key": "a", "value": 1}]})
    assert updated["version"] == "0.0.2"
    assert updated["parameters"] == [{"key": "bound", "value": 1}, {"key": "x", "value": 1}]
    assert guest.ask("POST", "triggers/t", {}).status_code == 202


def test_a_fire_too_large_for_its_action_is_noted(guest: Namespace) -> None:
    """The fire is accepted; the rule's line says what happened."""
    wired(guest)
    guest.ok("PUT", "triggers/t?overwrite=true", {"parameters": [{"key": "bound", "value": "x" * 600_000}]})
    fire = guest.record(guest.ok("POST", "triggers/t", {"x": "x" * 600_000})["activationId"])
    (line,) = lines(fire)
    assert line["statusCode"] == 1
    assert line["error"].startswith("Request larger than allowed: ")
    assert guest.refused("POST", "triggers/t", {"x": "x" * 1_048_576})[0] == 413


def test_the_feed_of_a_trigger_is_an_ordinary_invoke(guest: Namespace) -> None:
    """As `wsk trigger create --feed` does it: an annotated trigger, then the feed action with the caller's key."""
    guest.ok("PUT", "packages/feeds", {})
    guest.action("feeds/source", ECHO, annotations=[{"key": "feed", "value": True}])
    guest.ok("PUT", "triggers/t", {"annotations": [{"key": "feed", "value": "/_/feeds/source"}]})
    created = {"lifecycleEvent": "CREATE", "triggerName": "/_/t", "authKey": guest.key, "bucket": "images"}
    answer = guest.ok("POST", "actions/feeds/source?blocking=true&result=false", created)
    assert answer["response"]["success"] is True
    eventually(lambda: guest.ok("GET", "activations?name=feeds/source"), "the feed's record")
