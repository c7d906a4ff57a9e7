"""The two measurements of the article of 2018 that this system follows, made again: so many warm and so many cold calls
of `classify` through the API, with a picture in the call, and what each stage of them takes.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from infra.bench import cost
from infra.bench.calls import ACTION, inline_body, time_call
from infra.bench.clients import BenchFailed, Caller
from infra.bench.cold import call_new_action
from infra.bench.figures import Spread, round_figures
from infra.bench.pictures import USUAL, jpeg
from infra.deployment.record import Deployment
from infra.openwhisk.client import Whisk

Part = Callable[[str, int], Callable[[int], None]]

# The stages that the log of an activation tells of, as the article names them.
STAGES = ("fetchImage", "decodeImage", "imageToInput", "loadModel", "classify")
# What the record itself tells of: how long the call waited for a container, its start included, and its initialisation.
WAITS = {"waitTime": "container", "initTime": "init"}
# What remains of a call's time: JSON, HTTP, OpenWhisk's own work.
REST = "the way there and back"
_LINE = re.compile(r"stdout: (\w+): ([\d.]+)ms$")
# How often a record is looked for; it is written behind the answer.
PAUSE_LOOK, TIMEOUT_RECORDS = 0.2, 30.0


@dataclass(frozen=True, slots=True)
class ArticlePlan:
    """How many calls of each kind."""

    calls: int = 1000


QUICK = ArticlePlan(calls=10)


def measure_article(deployment: Deployment, plan: ArticlePlan, begin_part: Part) -> dict[str, Any]:
    """Milliseconds of each call as the caller saw it, on average by stage, and what such calls cost."""
    body = inline_body(jpeg(*USUAL))
    with Caller(deployment.apihost, deployment.auth) as caller, Whisk(deployment.apihost, deployment.auth) as whisk:
        warm = _warm(caller, body, plan.calls, begin_part("warm calls", plan.calls))
        cold = _cold(whisk, caller, body, plan.calls, begin_part("cold calls", plan.calls))
        memory = cost.memory_of(caller.activations(ACTION, 0, most=1)[0])
    return {
        "warm": warm,
        "cold": cold,
        "cost": cost.compare_cost(memory, warm["mean"], cold["mean"], None),
    }


def _warm(caller: Caller, body: bytes, count: int, advance: Callable[[int], None]) -> dict[str, Any]:
    time_call(caller, ACTION, body)
    since, times = time.time(), []
    for number in range(count):
        times.append(time_call(caller, ACTION, body)[0])
        advance(number + 1)
    return _describe(times, _records(caller, ACTION, since, count))


def _cold(whisk: Whisk, caller: Caller, body: bytes, count: int, advance: Callable[[int], None]) -> dict[str, Any]:
    original = whisk.get("actions", ACTION)
    if original is None:
        raise BenchFailed(f"there is no action {ACTION}: `pixwhisk deploy` makes it")
    times: list[float] = []
    records: list[Mapping[str, Any]] = []
    for number in range(count):
        since = time.time()
        name, milliseconds = call_new_action(whisk, caller, original, body)
        times.append(milliseconds)
        records += _records(caller, name, since, 1)
        advance(number + 1)
    return _describe(times, records)


def _records(caller: Caller, action: str, since: float, count: int) -> Sequence[Mapping[str, Any]]:
    deadline = time.monotonic() + TIMEOUT_RECORDS
    while True:
        found = caller.activations(action, since, most=count)
        if len(found) >= count:
            return found[:count]
        if time.monotonic() > deadline:
            raise BenchFailed(f"{count - len(found)} of {count} activations of {action} have no record")
        time.sleep(PAUSE_LOOK)


def _describe(times: Sequence[float], records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    spread = Spread.of(times)
    stages = {name: round_figures(value) for name, value in average_stages(records).items()}
    return {
        "unit": "ms",
        **spread.dump(),
        "stages": {**stages, REST: round_figures(max(0.0, spread.mean - sum(stages.values())))},
        "values": [round_figures(value) for value in times],
    }


def average_stages(records: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """Milliseconds by stage, over all records; a stage that a record does not tell of took it no time."""
    totals, count = dict.fromkeys((*WAITS.values(), *STAGES), 0.0), 0
    for record in records:
        count += 1
        for annotation in record["annotations"]:
            if name := WAITS.get(annotation["key"]):
                totals[name] += float(annotation["value"])
        for line in record["logs"]:
            if (found := _LINE.search(line)) and found[1] in totals:
                totals[found[1]] += float(found[2])
    return {name: total / max(1, count) for name, total in totals.items()}
