"""The catalogue's alarms: which there are, and when each is due next. Pure; the clock is handed in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from croniter import croniter

from infra.host.json_bodies import dump

AlarmKind = Literal["alarm", "interval", "once"]
LIMIT_CRON = 256
# Leap days are at most eight years apart; looking further only costs time.
LIMIT_YEARS = 9
LIMIT_MINUTES = 60 * 24 * 365
NEVER = float("inf")


class BadAlarm(ValueError):
    """The feed's parameters cannot be understood; the message names the one at fault."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """One trigger's alarm. Times in seconds since the epoch; `fired` counts towards `most`, 0 being no bound."""

    namespace: str
    trigger: str
    kind: AlarmKind
    payload: Mapping[str, Any]
    created: float
    cron: str = ""
    timezone: str = "UTC"
    seconds: float = 0.0
    start: float = 0.0
    stop: float = NEVER
    most: int = 0
    fired: int = 0
    last: float = 0.0

    @property
    def key(self) -> str:
        return f"{self.namespace}/{self.trigger}"

    def next(self, now: float) -> float:
        """When it is due next: what fell due while nobody looked is not made up for, except `once`."""
        if self.most and self.fired >= self.most:
            return NEVER
        if self.kind == "once":
            return NEVER if self.fired else self.start
        due = self._next_cron(max(now, self.start)) if self.kind == "alarm" else self._next_interval(now)
        return due if due <= self.stop else NEVER

    def _next_cron(self, after: float) -> float:
        return float(_schedule(self.cron, datetime.fromtimestamp(after, ZoneInfo(self.timezone))).get_next(float))

    def _next_interval(self, now: float) -> float:
        first = self.start or self.created
        if not self.last and first >= now:
            return first
        since = self.last or first
        missed = max(0, int((now - since) // self.seconds))
        return since + (missed + 1) * self.seconds

    def after_firing(self, now: float) -> Alarm:
        return replace(self, fired=self.fired + 1, last=now)

    def dump(self) -> str:
        """As it is stored; infinity is left out, for JSON has none."""
        fields = {name: getattr(self, name) for name in self.__slots__ if getattr(self, name) != NEVER}
        return dump(fields).decode()

    @classmethod
    def load(cls, text: str) -> Alarm:
        return cls(**json.loads(text))

    def describe(self) -> dict[str, Any]:
        """What READ answers."""
        kinds: Mapping[AlarmKind, Mapping[str, Any]] = {
            "alarm": {"cron": self.cron, "timezone": self.timezone},
            "interval": {"minutes": self.seconds / 60},
            "once": {"date": _iso(self.start)},
        }
        bounds = {"maxTriggers": self.most} if self.most else {}
        common = {"name": self.trigger, "namespace": self.namespace, "trigger_payload": self.payload}
        return {"config": {**common, **kinds[self.kind], **bounds}, "status": {"active": True, "fired": self.fired}}


def parse_alarm(kind: AlarmKind, parameters: Mapping[str, Any], namespace: str, trigger: str, now: float) -> Alarm:
    """The alarm that CREATE asks for. Raises `BadAlarm`."""
    alarm = Alarm(
        namespace=namespace,
        trigger=trigger,
        kind=kind,
        payload=_payload(parameters.get("trigger_payload")),
        created=now,
        start=_time(parameters, "startDate", 0.0),
        stop=_time(parameters, "stopDate", NEVER),
        # OpenWhisk's own word for "no bound" is -1.
        most=0 if parameters.get("maxTriggers") == -1 else int(_number(parameters, "maxTriggers", 0.0)),
    )
    match kind:
        case "alarm":
            zone = str(parameters.get("timezone") or "UTC")
            return replace(alarm, cron=_cron(parameters.get("cron"), zone), timezone=zone)
        case "interval":
            minutes = _number(parameters, "minutes", 0.0)
            if minutes <= 0:
                raise BadAlarm("minutes: a number above 0 expected")
            return replace(alarm, seconds=minutes * 60)
        case "once":
            when = _time(parameters, "date", NEVER)
            if when == NEVER:
                raise BadAlarm("date: missing")
            return replace(alarm, start=when)


def _cron(expression: object, zone: str) -> str:
    """Five fields, or six of which the first is seconds, as OpenWhisk's alarms have them."""
    if not isinstance(expression, str) or len(expression) > LIMIT_CRON or len(expression.split()) not in (5, 6):
        raise BadAlarm("cron: five fields expected, or six with seconds first")
    try:
        _schedule(expression, datetime.now(ZoneInfo(zone))).get_next(float)
    except (ZoneInfoNotFoundError, OSError):
        raise BadAlarm("timezone: unknown") from None
    except (ValueError, KeyError, OverflowError):
        raise BadAlarm("cron: not a schedule, or one that is never due") from None
    return expression


def _schedule(expression: str, base: datetime) -> Any:
    seconds_first = len(expression.split()) == 6
    return croniter(expression, base, second_at_beginning=seconds_first, max_years_between_matches=LIMIT_YEARS)


def _payload(given: object) -> Mapping[str, Any]:
    """An object, or one as text, which is how `wsk` sends it."""
    if isinstance(given, str):
        try:
            given = json.loads(given) if given else {}
        except (ValueError, RecursionError):
            return {"payload": given}
    if given is None:
        return {}
    return given if isinstance(given, dict) else {"payload": given}


def _number(parameters: Mapping[str, Any], name: str, default: float) -> float:
    value = parameters.get(name, default)
    try:
        number = float(value) if isinstance(value, int | float | str) else NEVER
    except (ValueError, OverflowError):
        number = NEVER
    if not 0 <= number <= LIMIT_MINUTES:
        raise BadAlarm(f"{name}: a number from 0 to {LIMIT_MINUTES} expected")
    return number


def _time(parameters: Mapping[str, Any], name: str, default: float) -> float:
    """A date in ISO form, or ms since the epoch."""
    value = parameters.get(name)
    if value is None:
        return default
    try:
        if isinstance(value, str) and not value.isdigit():
            parsed = datetime.fromisoformat(value)
            return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()
        if isinstance(value, int | str) and not isinstance(value, bool):
            moment = int(value) / 1000
            datetime.fromtimestamp(moment, UTC)
            return moment
    except (ValueError, OverflowError, OSError):
        pass
    raise BadAlarm(f"{name}: a date such as 2026-12-31T23:00:00Z expected")


def _iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat()
