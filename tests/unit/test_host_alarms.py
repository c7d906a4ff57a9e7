"""When alarms are due, and which are refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.host.alarms.schedule import NEVER, Alarm, AlarmKind, BadAlarm, parse_alarm

NOON = 1_800_000_000.0 - 1_800_000_000.0 % 86_400 + 43_200


def alarm(kind: AlarmKind, **parameters: Any) -> Alarm:
    return parse_alarm(kind, parameters, "guest", "t", NOON)


@pytest.mark.parametrize(
    ("cron", "zone", "after"),
    [
        ("* * * * *", "UTC", 60),
        ("30 * * * *", "UTC", 1800),
        ("*/10 * * * * *", "UTC", 10),
        ("0 13 * * *", "UTC", 3600),
        ("0 22 * * *", "Asia/Tokyo", 3600),
    ],
)
def test_cron(cron: str, zone: str, after: int) -> None:
    """Five fields, or six with the seconds first; in the time zone named."""
    assert alarm("alarm", cron=cron, timezone=zone).next(NOON) == NOON + after


def test_intervals_are_kept_from_the_first() -> None:
    """What was missed is not made up for, and does not shift the rest."""
    made = alarm("interval", minutes=10)
    assert made.next(NOON) == NOON
    later = made.after_firing(NOON)
    assert later.next(NOON + 1) == NOON + 600
    assert later.next(NOON + 1500) == NOON + 1800


def test_once_is_once() -> None:
    """Even if its moment passed while nobody looked."""
    made = alarm("once", date="2027-01-01T00:00:00Z")
    assert made.next(made.start + 99) == made.start
    assert made.after_firing(made.start).next(made.start + 99) == NEVER


def test_bounds() -> None:
    """So many times, not before, not after."""
    twice = alarm("interval", minutes=1, maxTriggers=1)
    assert twice.after_firing(NOON).next(NOON) == NEVER
    assert alarm("interval", minutes=1, maxTriggers=-1).most == 0
    assert alarm("alarm", cron="* * * * *", stopDate=int(NOON * 1000) + 1).next(NOON) == NEVER
    assert alarm("alarm", cron="* * * * *", startDate=int((NOON + 3600) * 1000)).next(NOON) == NOON + 3660


@pytest.mark.parametrize("kind", ["alarm", "interval", "once"])
def test_an_alarm_survives_being_stored(kind: AlarmKind) -> None:
    """All of it, infinity included."""
    made = alarm(kind, cron="* * * * *", minutes=1, date=1, trigger_payload='{"a": 1}')
    assert Alarm.load(made.dump()) == made
    assert made.payload == {"a": 1}


@pytest.mark.parametrize(
    ("kind", "parameters"),
    [
        ("alarm", {}),
        ("alarm", {"cron": "rubbish"}),
        ("alarm", {"cron": "0 0 30 2 *"}),
        ("alarm", {"cron": "* * * * *", "timezone": "../../etc/passwd"}),
        ("alarm", {"cron": "* * * * *", "timezone": "Nowhere/None"}),
        ("interval", {"minutes": 0}),
        ("interval", {"minutes": "x"}),
        ("once", {}),
        ("once", {"date": "soon"}),
        ("once", {"date": 10**30}),
    ],
)
def test_bad_alarms(kind: AlarmKind, parameters: dict[str, Any]) -> None:
    """Are refused by the name of what is wrong with them."""
    with pytest.raises(BadAlarm):
        alarm(kind, **parameters)


@given(
    st.sampled_from(["alarm", "interval", "once"]),
    st.dictionaries(
        st.sampled_from(
            ["cron", "timezone", "minutes", "date", "startDate", "stopDate", "maxTriggers", "trigger_payload"]
        ),
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.lists(st.integers()),
    ),
)
def test_any_parameters_are_taken_or_refused(kind: AlarmKind, parameters: dict[str, Any]) -> None:
    """Nothing but `BadAlarm` comes of them."""
    try:
        made = alarm(kind, **parameters)
    except BadAlarm:
        return
    assert isinstance(made.next(NOON), float)
