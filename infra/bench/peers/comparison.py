"""All contenders in turns: an upload now and then, many at once, and many while their workers are killed."""

from __future__ import annotations

import dataclasses
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from infra.bench.burst import ManyUploads, place_of, remove
from infra.bench.clients import RowReader, Uploader
from infra.bench.figures import Spread, round_figures
from infra.bench.peers.contenders import Contender, LeftOut, contending, require_packages
from infra.bench.pictures import USUAL, different, jpeg
from infra.bench.trickle import Route, Trickle
from infra.bench.trickle import measure as measure_trickle
from infra.deployment.record import Deployment

Advance = Callable[[int], None]
Part = Callable[[str, int], Advance]


@dataclass(frozen=True, slots=True)
class ComparisonPlan:
    """How much of each. Workers are killed once `killed_at` of `killed` uploads are rows; what has not come when
    nothing came for `quiet_seconds` is missing.
    """

    trickle: Trickle = field(default_factory=lambda: Trickle(turns=10, uploads=20))
    burst: int = 1000
    killed: int = 400
    killed_at: int = 100
    quiet_seconds: float = 30.0


QUICK = ComparisonPlan(Trickle(turns=1, uploads=5, settling=2), burst=40, killed=40, killed_at=10, quiet_seconds=8.0)


@dataclass(frozen=True)
class PeerComparison:
    """One run of it. Objects and rows have `prefix`."""

    rows: RowReader
    pictures: Iterator[bytes]
    prefix: str
    plan: ComparisonPlan
    begin_part: Part

    def run(self, contenders: Sequence[Contender]) -> list[dict[str, Any]]:
        """Figures of each contender, in their order."""
        spreads = self._trickle(contenders)
        bursts = [self._burst(each) for each in contenders]
        missing = [self._kill(each) for each in contenders]
        return [
            {
                "name": each.name,
                "title": each.title,
                "upload_to_row": spread.dump(),
                "burst_rows_a_second": burst,
                "missing_after_kill": lost,
            }
            for each, spread, burst, lost in zip(contenders, spreads, bursts, missing, strict=True)
        ]

    def _trickle(self, contenders: Sequence[Contender]) -> list[Spread]:
        plan = self.plan.trickle
        with ExitStack() as stack:
            routes = [Route(stack.enter_context(Uploader(each.place))) for each in contenders]
            advance = self.begin_part("uploads to rows", plan.turns * plan.uploads * len(routes))
            measure_trickle(plan, routes, self.rows, self.pictures, prefix=self.prefix, report=advance)
        return [Spread.of(route.times) for route in routes]

    def _burst(self, contender: Contender) -> float | None:
        if contender.kill_workers is None:
            return None  # what comes while it is busy is lost: it never ends
        count = self.plan.burst
        advance = self.begin_part(f"a burst: {contender.title}", count)
        return round_figures(self._uploads(contender, "burst").burst(count, advance).rows_a_second)

    def _kill(self, contender: Contender) -> int | None:
        if contender.kill_workers is None:
            return None
        plan, killed = self.plan, False
        show = self.begin_part(f"workers killed: {contender.title}", plan.killed)

        def advance(found: int) -> None:
            nonlocal killed
            show(found)
            if not killed and found >= plan.killed_at and contender.kill_workers is not None:
                killed = True
                contender.kill_workers()

        uploads = self._uploads(contender, "killed")
        return plan.killed - uploads.burst_until_quiet(plan.killed, advance, plan.quiet_seconds)

    def _uploads(self, contender: Contender, part: str) -> ManyUploads:
        return ManyUploads(contender.place, self.rows, self.pictures, f"{self.prefix}{part}/")


def compare(deployment: Deployment, plan: ComparisonPlan, begin_part: Part) -> dict[str, Any]:
    """Figures of everything that could be compared, and why the rest was left out. What it wrote is deleted again.

    Raises `BenchFailed` where a package is missing.
    """
    require_packages()
    prefix, left_out = f"pixwhisk-bench-{time.time():.0f}/", LeftOut()
    own = place_of(deployment)
    with tempfile.TemporaryDirectory(prefix="px-peers-") as directory, RowReader(deployment.database_url) as rows:
        buckets = [own.bucket]
        try:
            with contending(deployment, own, Path(directory), left_out) as contenders:
                buckets = [each.place.bucket for each in contenders]
                picture = different(jpeg(*USUAL))
                found = PeerComparison(rows, picture, prefix, plan, begin_part).run(contenders)
        finally:
            begin_part("clearing up", 1)
            remove(own, prefix, with_bucket=False)
            rows.forget(buckets, prefix)
    return {"plan": dataclasses.asdict(plan), "contenders": found, "left_out": left_out.reasons}
