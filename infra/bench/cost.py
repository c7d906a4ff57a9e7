"""What calls cost as they are billed, beside the system of 2018 that this one follows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from infra.bench.figures import calls_a_dollar, gigabyte_seconds, percentile, round_figures

# As it was published: TensorFlow.js and MobileNet v1 on OpenWhisk, 256 MB, 1000 calls each.
YEAR_2018 = {"memory_mb": 256, "warm_ms": 316.0, "cold_ms": 1260.0}


def compare_cost(memory: int, warm_ms: float, cold_ms: float, image: Mapping[str, float] | None) -> dict[str, Any]:
    """Calls of `classify` alone, warm and cold; `image`: what one image of a burst costs, with its row."""
    then_warm = gigabyte_seconds(YEAR_2018["warm_ms"], YEAR_2018["memory_mb"])
    then_cold = gigabyte_seconds(YEAR_2018["cold_ms"], YEAR_2018["memory_mb"])
    return {
        "memory_mb": memory,
        "warm": _of(gigabyte_seconds(warm_ms, memory)),
        "cold": _of(gigabyte_seconds(cold_ms, memory)),
        "image_in_burst": image,
        "year2018": {**YEAR_2018, "warm": _of(then_warm), "cold": _of(then_cold)},
        "warm_ratio": round_figures(then_warm / gigabyte_seconds(warm_ms, memory)),
    }


def durations(records: Sequence[Mapping[str, Any]]) -> Sequence[float]:
    """Of the activations that began in a warm container."""
    return [each["duration"] for each in records if not _cold(each) and each["response"]["success"]]


def image_in_burst(records: Sequence[Mapping[str, Any]]) -> dict[str, float] | None:
    """What one image costs on average, over activations of single actions with the outcomes each returned."""
    images = sum(len(each["response"]["result"]["outcomes"]) for each in records if _has_name(each, "store"))
    if not images:
        return None
    billed = sum(gigabyte_seconds(each["duration"], memory_of(each)) for each in records)
    return _of(billed / images) | {"images_an_activation": round_figures(images / (len(records) / 2))}


def typical(records: Sequence[Mapping[str, Any]], otherwise: float) -> float:
    """The usual duration, in ms."""
    found = durations(records)
    return percentile(found, 0.5) if found else otherwise


def _of(billed: float) -> dict[str, float]:
    return {"gigabyte_seconds": float(f"{billed:.3g}"), "calls_a_dollar": calls_a_dollar(billed)}


def memory_of(record: Mapping[str, Any]) -> int:
    """The limit of the action's memory, in MB."""
    limits = next(each["value"] for each in record["annotations"] if each["key"] == "limits")
    return int(limits["memory"])


def _has_name(record: Mapping[str, Any], name: str) -> bool:
    return bool(record["name"] == name)


def _cold(record: Mapping[str, Any]) -> bool:
    return any(each["key"] == "initTime" for each in record["annotations"])
