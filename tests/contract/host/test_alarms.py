"""The catalogue's alarms, as `wsk trigger create --feed /whisk.system/alarms/…` drives them."""

from __future__ import annotations

import time
from typing import Any

from tests.contract.host.served import Namespace
from tests.fixtures.deployment import eventually


def feed(guest: Namespace, name: str, event: str, **parameters: Any) -> Any:
    body = {"lifecycleEvent": event, "triggerName": "/_/tick", "authKey": guest.key, **parameters}
    path = f"/api/v1/namespaces/whisk.system/actions/alarms/{name}?blocking=true&result=false"
    return guest.http.post(path, json=body)


def wired(guest: Namespace) -> None:
    guest.action("echo")
    guest.ok("PUT", "triggers/tick", {"annotations": [{"key": "feed", "value": "/whisk.system/alarms/interval"}]})
    guest.ok("PUT", "rules/r", {"trigger": "/_/tick", "action": "/_/echo"})


def runs(guest: Namespace) -> list[dict[str, Any]]:
    found = guest.ok("GET", "activations?name=echo&docs=true")
    return [each["response"]["result"] for each in found]


def test_once_fires_once(guest: Namespace) -> None:
    """With the payload it was given."""
    wired(guest)
    when = int(time.time() * 1000) + 300
    created = feed(guest, "once", "CREATE", date=when, trigger_payload={"a": 1})
    assert created.json()["response"] == {"status": "success", "success": True, "result": {"status": "success"}}
    eventually(lambda: runs(guest), "the alarm")
    assert runs(guest)[0]["a"] == 1
    assert feed(guest, "once", "READ").json()["response"]["result"]["status"]["fired"] == 1


def test_an_interval_goes_on_until_deleted(guest: Namespace) -> None:
    """CREATE may be repeated; DELETE of what is gone succeeds."""
    wired(guest)
    for _ in range(2):
        assert feed(guest, "interval", "CREATE", minutes=0.005).status_code == 200
    eventually(lambda: len(runs(guest)) >= 3, "three intervals")
    for _ in range(2):
        assert feed(guest, "interval", "DELETE").status_code == 200
    assert feed(guest, "interval", "READ").status_code == 502


def test_an_alarm_ends_with_its_trigger(guest: Namespace) -> None:
    """Its next moment finds no trigger, and drops it."""
    wired(guest)
    assert feed(guest, "alarm", "CREATE", cron="* * * * * *").status_code == 200
    guest.ok("DELETE", "triggers/tick")
    eventually(lambda: feed(guest, "alarm", "READ").status_code == 502, "the alarm to be dropped")


def test_only_the_owner_sets_alarms(guest: Namespace, other: Namespace) -> None:
    """Neither another's trigger nor another's key will do."""
    wired(guest)
    foreign = feed(other, "interval", "CREATE", minutes=1, triggerName=f"/{guest.name}/tick")
    assert foreign.status_code == 502
    assert "triggerName" in foreign.json()["response"]["result"]["error"]
    assert feed(guest, "interval", "CREATE", minutes=1, authKey="x:y").status_code == 502
    assert feed(guest, "interval", "CREATE", minutes=-1).status_code == 502
