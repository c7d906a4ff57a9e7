"""The arithmetic of `pixwhisk bench`, and what is made of its document."""

from __future__ import annotations

import hashlib
import io
from itertools import islice
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from infra.bench import cost, pictures, plots
from infra.bench.article import average_stages
from infra.bench.burst import Burst
from infra.bench.calls import Calls
from infra.bench.cold import copy
from infra.bench.figures import Spread, calls_a_dollar, gigabyte_seconds, percentile, ratio, round_figures
from infra.bench.measuring import TARGETS
from infra.bench.targets import AtLeast, AtMost, Bound, compare_documents, read_old_keys

VALUES = st.lists(st.floats(0.001, 1e6), min_size=1, max_size=50)


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [([1.0], 0.5, 1.0), ([3.0, 1.0], 0.5, 2.0), ([1, 2, 3, 4, 5], 0.5, 3), ([0, 10], 0.95, 9.5), ([1, 2, 3], 1, 3)],
)
def test_a_percentile_lies_between_its_neighbours(values: list[float], share: float, expected: float) -> None:
    """Whatever the order the values came in."""
    assert percentile(values, share) == pytest.approx(expected)
    assert percentile(values[::-1], share) == pytest.approx(expected)


@given(VALUES)
def test_a_spread_is_in_order(values: list[float]) -> None:
    """Best, median, 95th percentile and worst never overtake each other."""
    spread = Spread.of(values)
    assert spread.count == len(values)
    tolerance = 1e-9 * spread.worst
    assert spread.best - tolerance <= spread.p50 <= spread.p95 + tolerance <= spread.worst + 2 * tolerance
    assert spread.p95 - tolerance <= spread.p99 <= spread.worst + tolerance
    assert spread.best - tolerance <= spread.mean <= spread.worst + tolerance


def test_a_ratio_to_nothing_is_none() -> None:
    """A baseline that did not run is no baseline of zero."""
    assert ratio(3, 2) == 1.5
    assert ratio(3, 0) is None


@pytest.mark.parametrize(("value", "expected"), [(1234.56, 1234.6), (99.94, 99.9), (1.2345, 1.23), (0.0, 0.0)])
def test_figures_are_rounded_to_what_they_say(value: float, expected: float) -> None:
    """Three digits for small ones, one decimal for large ones."""
    assert round_figures(value) == expected


@pytest.mark.parametrize(
    ("milliseconds", "megabytes", "expected"),
    [(316, 256, 0.1), (1260, 256, 0.325), (9, 128, 0.0125), (100, 128, 0.0125), (100.1, 128, 0.025), (0, 1024, 0.1)],
)
def test_time_is_billed_in_steps(milliseconds: float, megabytes: float, expected: float) -> None:
    """Rounded up to the next 100 ms, and never for nothing."""
    assert gigabyte_seconds(milliseconds, megabytes) == pytest.approx(expected)


def test_a_dollar_of_2018_bought_what_was_published() -> None:
    """Some 600,000 warm and 180,000 cold calls."""
    compared = cost.compare_cost(128, 9.0, 200.0, None)
    assert compared["year2018"]["warm"] == {"gigabyte_seconds": 0.1, "calls_a_dollar": 588_000}
    assert compared["year2018"]["cold"]["calls_a_dollar"] == 181_000
    assert compared["warm"]["calls_a_dollar"] == calls_a_dollar(0.0125) == 4_706_000
    assert compared["warm_ratio"] == 8


def record(name: str, duration: int, images: int, *, cold: bool = False) -> dict[str, Any]:
    """An activation's record, as far as its cost goes."""
    annotations: list[dict[str, Any]] = [{"key": "limits", "value": {"memory": 128}}]
    if cold:
        annotations.append({"key": "initTime", "value": 5})
    return {
        "name": name,
        "duration": duration,
        "annotations": annotations,
        "response": {"success": True, "result": {"outcomes": [{}] * images}},
    }


def test_a_batch_shares_its_cost_among_its_images() -> None:
    """Both activations of a sequence count, their images once."""
    records = [record("classify", 250, 32), record("store", 20, 32)]
    shared = cost.image_in_burst(records)
    assert shared is not None
    assert shared["gigabyte_seconds"] == pytest.approx((0.0375 + 0.0125) / 32, rel=0.01)
    assert shared["images_an_activation"] == 32
    assert cost.image_in_burst([]) is None


def test_cold_activations_do_not_count_as_typical() -> None:
    """The usual duration is that of warm containers; without any it is what was given instead."""
    records = [record("classify", 9, 1), record("classify", 900, 1, cold=True), record("classify", 11, 1)]
    assert cost.typical(records, otherwise=1) == 10
    assert cost.typical(records[1:2], otherwise=1) == 1


def test_a_burst_is_told_apart_from_its_uploads() -> None:
    """Overall rate, rate of the uploads, and rate of what was missing when they had ended."""
    burst = Burst(100, 2.0, 10.0, [(0.0, 0), (1.9, 20), (2.1, 30), (10.0, 100)])
    assert (burst.rows_a_second, burst.uploads_a_second, burst.drained_a_second) == (10, 50, 10)


def test_growth_is_between_the_first_and_the_last_calls() -> None:
    """One odd call in the middle is none."""
    assert Calls(resident=[50.0] * 10 + [90.0] + [51.0] * 10).growth == pytest.approx(1)


def test_a_copy_is_all_that_makes_an_action() -> None:
    """Its name, its version and when it was changed are its own."""
    made = {"exec": {"code": "x"}, "limits": {"memory": 128}, "parameters": [], "annotations": [{"key": "final"}]}
    assert copy({**made, "name": "classify", "version": "0.0.1", "updated": 1}) == made


def test_pictures_are_the_same_everywhere_and_no_two_uploads_are_equal() -> None:
    """One seed, one picture of about the size asked for; the same picture under ever new bytes."""
    one, again = pictures.jpeg(*pictures.USUAL), pictures.jpeg(*pictures.USUAL)
    assert one == again
    assert 90_000 < len(one) <= 120_000
    several = list(islice(pictures.different(one), 5))
    assert len({hashlib.md5(each).digest() for each in several}) == 5
    for each in several:
        with Image.open(io.BytesIO(each)) as image:
            image.load()
            assert (image.format, image.size) == ("JPEG", (1024, 768))


def test_stages_are_averaged_over_all_calls() -> None:
    """A stage that only some calls have is spread over all; lines that tell of none are passed over."""
    logged = "2026-11-25T12:00:00.000000000Z     stdout: {}"
    said = ("loadModel: 20.0ms", "memory used: rss=58.10 MB", "main: 30.0ms")
    started = [{"key": "waitTime", "value": 200}, {"key": "initTime", "value": 8}, {"key": "path", "value": "guest/a"}]
    cold = {"annotations": started, "logs": [logged.format(line) for line in said]}
    warm = {"annotations": [], "logs": [logged.format("decodeImage: 3.0ms")]}
    found = {name: average for name, average in average_stages([cold, warm]).items() if average}
    assert found == {"container": 100, "init": 4, "decodeImage": 1.5, "loadModel": 10}


@given(VALUES)
def test_shares_rise_to_all(values: list[float]) -> None:
    """Sorted, ending at or just below 100 %."""
    points = plots.shares(values)
    assert list(points) == sorted(points)
    assert 98 <= points[-1][1] <= 100


def test_a_comparison_says_what_became_worse_whichever_way_is_better() -> None:
    """A rate that fell and a time that rose are worse; what two runs of the same code differ by is noise."""
    before = {"time": {"ratio": 1.0}, "rate": {"ratio": 0.8}, "calm": 10.0, "gone": 1.0}
    after = {"time": {"ratio": 1.5}, "rate": {"ratio": 0.4}, "calm": 10.5, "new": 1.0}
    rest = dict.fromkeys(("time.ratio", "calm", "gone", "new"), AtMost(1))
    bounds: dict[str, Bound] = {"rate.ratio": AtLeast(0.5), **rest}
    verdicts = {each.name: each.verdict for each in compare_documents(bounds, before, after)}
    assert verdicts == {
        "time.ratio": "worse by 50%",
        "rate.ratio": "worse by 100%",
        "calm": "the same, within noise",
    }
    assert next(compare_documents(bounds, after, before)).verdict == "better by 50%"


def test_a_document_of_0_2_0_can_be_compared_with() -> None:
    """Its keys were in camelCase; every figure that has a target is found in it, and nothing else is changed."""
    old = {
        "uploadToRow": {"ratio": 0.7, "p95Ratio": 1.1, "values": {"inline webhook": [1.5]}},
        "backlog": {"ratio": 0.9, "curve": [[0.1, 2]]},
        "warm": {"inline": {"ratio": 1.1}, "byKey": {"ratio": 1.2}},
        "cold": {"fromNothing": {"ratio": 3}},
        "memory": {"peakMb": 80, "furtherMb": 11},
        "up": {"againSeconds": 2},
    }
    found = read_old_keys(old)
    assert {each.name for each in compare_documents(TARGETS, found, found)} == set(TARGETS)
    assert found["upload_to_row"]["values"] == {"inline webhook": [1.5]}
    assert read_old_keys(found) == found


def test_targets_are_met_on_their_side() -> None:
    """The bound itself is met."""
    assert [AtMost(1).is_met(value) for value in (0.5, 1, 1.5)] == [True, True, False]
    assert [AtLeast(1).is_met(value) for value in (0.5, 1, 1.5)] == [False, True, True]
