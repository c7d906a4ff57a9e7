"""All of it, in order: a running deployment in, one document out."""

from __future__ import annotations

import dataclasses
import json
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from infra import paths
from infra.bench import alone, baseline, burst, calls, cold, cost, machine, memory, pictures
from infra.bench.burst import place_of
from infra.bench.clients import Caller, RowReader, Uploader
from infra.bench.figures import Spread, ratio, round_figures
from infra.bench.targets import AtLeast, AtMost, Bound, look_up
from infra.bench.trickle import Route, Trickle
from infra.bench.trickle import measure as measure_trickle
from infra.deployment.record import Deployment
from infra.deployment.variables import manifest_variables
from infra.openwhisk.client import Whisk
from infra.services import lock
from infra.services.minio_binary import MinioMissing

Tell = Callable[[int], None]
# Announces a part, which will report how far it is of how much.
Part = Callable[[str, int], Tell]


@dataclass(frozen=True, slots=True)
class Plan:
    """How much of each. `calls` come in turns of twenty of each kind."""

    trickle: Trickle = field(default_factory=Trickle)
    call_turns: int = 25
    burst: int = 1000
    alone: int = 400
    cold: int = 10


QUICK = Plan(Trickle(turns=2, uploads=10, a_second=20), call_turns=2, burst=60, alone=40, cold=1)

# What `docs` promise. Ratios, to what was measured beside it in the same run, because the same machine may be half as
# fast an hour later; sizes are what they are.
TARGETS: Mapping[str, Bound] = {
    "upload_to_row.ratio": AtMost(1.0),
    "upload_to_row.p95_ratio": AtMost(1.25),
    "backlog.ratio": AtLeast(0.8),
    "warm.inline.ratio": AtMost(1.25),
    "warm.by_key.ratio": AtMost(1.35),
    "cold.from_nothing.ratio": AtMost(4),
    "memory.peak_mb": AtMost(96),
    "memory.further_mb": AtMost(16),
    "up.again_seconds": AtMost(3),
}


class Bench:
    """Measures one deployment. What it writes there has a prefix of its own, and is deleted by `clean`."""

    def __init__(self, deployment: Deployment, plan: Plan, part: Part) -> None:
        self._deployment, self._plan, self._part = deployment, plan, part
        self._usual = pictures.jpeg(*pictures.USUAL)
        self._pictures = pictures.different(self._usual)
        self._prefix = f"pixwhisk-bench-{time.time():.0f}/"
        self._model = paths.default_model()

    def run(self) -> dict[str, Any]:
        """Every figure that needs the deployment."""
        with ExitStack() as stack:
            directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="px-bench-")))
            picture = directory / "usual.jpg"
            picture.write_bytes(self._usual)
            deployment = self._deployment
            caller = stack.enter_context(Caller(deployment.apihost, deployment.auth))
            rows = stack.enter_context(RowReader(deployment.database_url))
            with alone.workers(picture, self._model, 1) as (worker,):
                warm = self._warm(caller, worker)
            trickled = self._upload_to_row(rows, directory)
            first = self._cold(caller)
            peak = self._memory(caller)
            many = self._many(caller, rows, picture)
        measured = {"upload_to_row": trickled, **many, "warm": warm, "cold": first, "memory": peak}
        return measured | {"cost": self._cost(caller, measured)}

    def clean(self) -> None:
        """Delete the objects and the rows of this run."""
        deployment = self._deployment
        with RowReader(deployment.database_url) as rows:
            burst.remove(place_of(deployment), self._prefix, with_bucket=False)
            burst.remove(place_of(deployment, burst.BUCKET_BACKLOG), self._prefix, with_bucket=True)
            rows.forget((deployment.bucket, burst.BUCKET_BACKLOG, baseline.BUCKET), self._prefix)

    def _warm(self, caller: Caller, worker: alone.Worker) -> dict[str, Any]:
        plan, deployment = self._plan, self._deployment
        key = self._put("warm.jpg", self._usual)
        report = self._part("warm calls", plan.call_turns * 60)
        named = {"bucket": deployment.bucket, "key": key}
        found = calls.measure(caller, worker, self._usual, named, turns=plan.call_turns, report=report)
        bare = Spread.of(found.alone)
        self._growth = {"calls": 2 * len(found.resident), "growth_mb": round_figures(found.growth)}
        return {
            "unit": "ms",
            "decode_and_inference": bare.dump(),
            "inline": _beside(found.inline, bare),
            "by_key": _beside(found.by_key, bare),
            "values": {"decode and inference": found.alone, "inline": found.inline, "by key": found.by_key},
        }

    def _upload_to_row(self, rows: RowReader, directory: Path) -> dict[str, Any]:
        plan, deployment = self._plan.trickle, self._deployment
        with ExitStack() as stack:
            routes = [Route(stack.enter_context(Uploader(place_of(deployment))))]
            if (inline := _inline(stack, deployment, directory)) is not None:
                routes.append(Route(inline))
            report = self._part("uploads to rows", plan.turns * plan.uploads * len(routes))
            measure_trickle(plan, routes, rows, self._pictures, prefix=self._prefix, report=report)
        ours = Spread.of(routes[0].times)
        theirs = Spread.of(routes[1].times) if len(routes) > 1 else None
        return {
            "unit": "ms",
            "a_second": plan.a_second,
            **ours.dump(),
            "inline_webhook": theirs.dump() if theirs else None,
            "ratio": ratio(ours.p50, theirs.p50) if theirs else None,
            "p95_ratio": ratio(ours.p95, theirs.p50) if theirs else None,
            "values": dict(zip(("pixwhisk", "inline webhook"), (route.times for route in routes), strict=False)),
        }

    def _cold(self, caller: Caller) -> dict[str, Any]:
        deployment, times = self._deployment, self._plan.cold
        report = self._part("cold calls", times)
        with Whisk(deployment.apihost, deployment.auth) as whisk:
            found = cold.measure(whisk, caller, calls.inline_body(self._usual), times, report)
        empty = Spread.of(found.empty_python)
        return {
            "unit": "ms",
            "empty_python": empty.dump(),
            "from_nothing": _beside(found.from_nothing, empty),
        }

    def _memory(self, caller: Caller) -> dict[str, Any]:
        """After all the calls, one picture of 12 megapixels."""
        report = self._part("a picture of 12 megapixels", 1)
        key = self._put("large.jpg", pictures.jpeg(*pictures.LARGE))
        body = json.dumps({"bucket": self._deployment.bucket, "key": key}).encode()
        milliseconds, _ = calls.time_call(caller, calls.ACTION, body)
        report(1)
        holder = lock.holder(self._deployment.data)
        held = {"peak_mb": memory.peak_megabytes(holder), "further_mb": memory.further_megabytes(holder)}
        return {**held, "large_picture_ms": round_figures(milliseconds), **self._growth}

    def _many(self, caller: Caller, rows: RowReader, picture: Path) -> dict[str, Any]:
        plan, deployment = self._plan, self._deployment
        report = self._part("a burst of uploads", plan.burst)
        since = time.time()
        watched = burst.ManyUploads(place_of(deployment), rows, self._pictures, f"{self._prefix}burst/")
        together = watched.burst(plan.burst, report)
        records = [record for name in ("classify", "store") for record in caller.activations(f"pixwhisk/{name}", since)]
        self._image = cost.image_in_burst(records)
        rates = [self._alone(picture)]
        report = self._part("a backlog", plan.burst)
        unwatched = dataclasses.replace(watched, place=place_of(deployment, burst.BUCKET_BACKLOG))
        pending = burst.backfill_many(deployment, unwatched, plan.burst, report)
        rates.append(self._alone(picture))
        bare = sum(rates) / len(rates)
        return {
            "burst": _burst(together, bare),
            "backlog": _backlog(pending, bare),
            "alone_a_second": round_figures(bare),
        }

    def _alone(self, picture: Path) -> float:
        """Decode and inference on all cores, one process each."""
        count, cores = self._plan.alone, machine.describe()["cores"]
        report = self._part("decode and inference alone", count)
        with alone.workers(picture, self._model, cores) as team:
            found = alone.rate(team, count)
        report(count)
        return found

    def _cost(self, caller: Caller, measured: Mapping[str, Any]) -> dict[str, Any]:
        records = caller.activations("pixwhisk/classify", 0)
        memory_mb = 128 if not records else cost.memory_of(records[0])
        warm = cost.typical(records, otherwise=measured["warm"]["by_key"]["p50"])
        return cost.compare_cost(memory_mb, warm, measured["cold"]["from_nothing"]["p50"], self._image)

    def _put(self, name: str, picture: bytes) -> str:
        """Upload one object; its key."""
        key = self._prefix + name
        with Uploader(place_of(self._deployment)) as uploader:
            uploader.put(uploader.sign(key), picture)
        return key


def document(measured: Mapping[str, Any], up: Mapping[str, float], *, quick: bool) -> dict[str, Any]:
    """All figures with what they were measured on, and whether each target is met."""
    found: dict[str, Any] = {**write_heading(quick=quick), **measured, "up": dict(up)}
    return found | {"targets": {name: _target(name, found) for name in TARGETS}}


def write_heading(*, quick: bool) -> dict[str, Any]:
    """What figures were measured of, when, and on what."""
    return {
        "pixwhisk": version("pixwhisk"),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "quick": quick,
        "machine": machine.describe(),
    }


def _target(name: str, found: Mapping[str, Any]) -> dict[str, Any]:
    value, target = look_up(found, name), TARGETS[name]
    return {
        "value": value,
        "target": target.limit,
        "met": None if value is None else target.is_met(value),
        "words": str(target),
    }


def _inline(stack: ExitStack, deployment: Deployment, directory: Path) -> Uploader | None:
    """The baseline, where there is a MinIO to run it with."""
    if "PIXWHISK_MODEL" not in manifest_variables(deployment):
        return None
    try:
        return stack.enter_context(baseline.running(deployment, directory / "inline"))
    except MinioMissing:
        return None


def _beside(values: Sequence[float], bare: Spread) -> dict[str, Any]:
    spread = Spread.of(values)
    return {**spread.dump(), "ratio": ratio(spread.p50, bare.p50)}


def _burst(found: burst.Burst, bare: float) -> dict[str, Any]:
    return {
        "uploads": found.uploads,
        "uploads_a_second": round_figures(found.uploads_a_second),
        "seconds": round_figures(found.seconds),
        "rows_a_second": round_figures(found.rows_a_second),
        "drained_a_second": round_figures(found.drained_a_second),
        "ratio": ratio(found.rows_a_second, bare),
        "curve": found.curve,
    }


def _backlog(found: burst.Burst, bare: float) -> dict[str, Any]:
    return {
        "pending": found.uploads,
        "seconds": round_figures(found.seconds),
        "rows_a_second": round_figures(found.rows_a_second),
        "ratio": ratio(found.rows_a_second, bare),
        "curve": found.curve,
    }
