"""The document as people read it: each figure with its unit, what it is compared with, and its target."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from infra.bench.targets import Comparison

Row = tuple[str, str, str, str]

_HEAD: Row = ("", "measured", "beside", "target")


_HEAD_PEERS = ("", "PUT to row p50", "p95", "p99", "burst", "missing after kill -9 of its workers")


def table(found: Mapping[str, Any]) -> str:
    """Plain text in columns."""
    return "\n".join([*_columns([_HEAD, *_rows(found)]), "", _machine(found)])


def comparison_table(found: Mapping[str, Any]) -> str:
    """Plain text in columns, a contender a line."""
    compared = found["peers"]
    killed = compared["plan"]["killed"]
    rows = [_contender(each, killed) for each in compared["contenders"]]
    left_out = [f"left out: {title}: {reason}" for title, reason in compared["left_out"].items()]
    return "\n".join([*_columns([_HEAD_PEERS, *rows]), "", *left_out, _machine(found)])


def difference_table(differences: Iterable[Comparison]) -> str:
    """Plain text in columns, a figure a line."""
    rows = [("", "before", "now", "")]
    rows += [(each.name, f"{each.before:g}", f"{each.after:g}", each.verdict) for each in differences]
    return "\n".join(_columns(rows))


def past_table(found: Mapping[str, Any]) -> str:
    """What a large past takes: to fill, to ask, to search."""
    past = found["past"]
    similar = past["similar_ms"]
    rows = [
        (f"{past['pictures']:,} pictures of before", "", ""),
        ("  another head asked about all", f"{past['rescore_seconds']} s", ""),
        ("  the ten most like one", f"{similar['p50']} ms", f"p95 {similar['p95']} ms"),
        ("  groups of the same bytes", f"{past['duplicates_seconds']} s", ""),
        ("  groups of almost the same", f"{past['near_duplicates_seconds']} s", ""),
        ("  all dogs, in SQL", f"{past['ancestor_sql_seconds']} s", ""),
        ("  all dogs, by `results`", f"{past['ancestor_results_seconds']} s", ""),
    ]
    return "\n".join([*_columns(rows), "", _machine(found)])


def article_table(found: Mapping[str, Any]) -> str:
    """Plain text in columns: both averages beside those of 2018, the stages, and what the calls cost."""
    article = found["article"]
    then = article["cost"]["year2018"]
    rows: list[Row] = [("", "average", "p50 / p95 / p99", "2018")]
    for kind, before in (("warm", then["warm_ms"]), ("cold", then["cold_ms"])):
        each = article[kind]
        spread = f"{each['p50']} / {each['p95']} / {each['p99']} ms"
        rows.append((f"{each['count']} {kind} calls", f"{each['mean']} ms", spread, f"{before:.0f} ms"))
        rows += [(f"    {name}", f"{took} ms", "", "") for name, took in each["stages"].items()]
    return "\n".join([*_columns([*rows, *_cost(article["cost"])]), "", _machine(found)])


def _contender(found: Mapping[str, Any], killed: int) -> tuple[str, ...]:
    spread, missing = found["upload_to_row"], found["missing_after_kill"]
    times = (f"{spread[name]} ms" for name in ("p50", "p95", "p99"))
    if missing is None:
        return found["title"], *times, "loses some", "has none"
    return found["title"], *times, f"{found['burst_rows_a_second']} rows/s", f"{missing} of {killed}"


def _columns(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _machine(found: Mapping[str, Any]) -> str:
    on = found["machine"]
    quick = "; --quick: too few to be quoted" if found["quick"] else ""
    return (
        f"{on['processor']}, {on['cores']} cores, {on['memory_gb']} GB, Linux {on['kernel']}, Python {on['python']},"
        f" load {on['load']} before; pixwhisk {found['pixwhisk']}, {found['date'][:10]}{quick}"
    )


def _rows(found: Mapping[str, Any]) -> Iterator[Row]:
    yield from _upload_to_row(found["upload_to_row"], _targets(found))
    yield from _many(found, _targets(found))
    yield from _warm(found["warm"], _targets(found))
    yield from _cold(found["cold"], _targets(found))
    yield from _memory(found["memory"], _targets(found))
    up = found["up"]
    yield "up, first in a directory", f"{up['first_seconds']} s", "", ""
    yield "up, again", f"{up['again_seconds']} s", "", _targets(found)("up.again_seconds", "s")
    yield from _cost(found["cost"])


class _Targets:
    """A target in words, with a mark where it is missed."""

    def __init__(self, found: Mapping[str, Any]) -> None:
        self._targets = found["targets"]

    def __call__(self, name: str, unit: str) -> str:
        target = self._targets[name]
        return f"{target['words']} {unit}" + (" MISSED" if target["met"] is False else "")


def _targets(found: Mapping[str, Any]) -> _Targets:
    return _Targets(found)


def _upload_to_row(found: Mapping[str, Any], target: _Targets) -> Iterator[Row]:
    inline = found["inline_webhook"]
    beside = f"inline webhook {inline['p50']} ms: {found['ratio']} x" if inline else "no baseline here"
    name = f"PUT to row, {found['a_second']:.0f} a second, p50"
    yield name, f"{found['p50']} ms", beside, target("upload_to_row.ratio", "x")
    late = f"inline webhook {inline['p95']} ms; {found['p95_ratio']} x its p50" if inline else ""
    yield "    p95", f"{found['p95']} ms", late, target("upload_to_row.p95_ratio", "x")


def _many(found: Mapping[str, Any], target: _Targets) -> Iterator[Row]:
    burst, backlog = found["burst"], found["backlog"]
    bare = f"decode + inference, all cores {found['alone_a_second']}/s"
    yield (
        f"{backlog['pending']} pending until rows",
        f"{backlog['rows_a_second']} rows/s",
        f"{bare}: {backlog['ratio']} x",
        (target("backlog.ratio", "x")),
    )
    name = f"{burst['uploads']} uploads at once until rows"
    yield name, f"{burst['rows_a_second']} rows/s", f"uploaded at {burst['uploads_a_second']}/s: {burst['ratio']} x", ""
    yield "    from the last upload on", f"{burst['drained_a_second']} rows/s", "", ""


def _warm(found: Mapping[str, Any], target: _Targets) -> Iterator[Row]:
    bare = f"decode + inference {found['decode_and_inference']['p50']} ms"
    for name, words in (("inline", "classify, picture inline, p50"), ("by_key", "classify, by bucket and key, p50")):
        yield words, f"{found[name]['p50']} ms", f"{bare}: {found[name]['ratio']} x", target(f"warm.{name}.ratio", "x")


def _cold(found: Mapping[str, Any], target: _Targets) -> Iterator[Row]:
    empty = f"an empty Python's start {found['empty_python']['p50']} ms"
    each = found["from_nothing"]
    beside = f"{empty}: {each['ratio']} x"
    yield "first call, from nothing, p50", f"{each['p50']} ms", beside, target("cold.from_nothing.ratio", "x")


def _memory(found: Mapping[str, Any], target: _Targets) -> Iterator[Row]:
    peak = "unknown: not on this machine" if found["peak_mb"] is None else f"{found['peak_mb']} MB"
    yield "memory of classify, peak", peak, "a 12-megapixel JPEG included", target("memory.peak_mb", "MB")
    further = "unknown" if found["further_mb"] is None else f"{found['further_mb']} MB"
    yield "    of a further container", further, "what it shares with none", target("memory.further_mb", "MB")
    yield "    growth", f"{found['growth_mb']} MB", f"over {found['calls']} calls", ""


def _cost(found: Mapping[str, Any]) -> Iterator[Row]:
    then = found["year2018"]
    for name, words in (("warm", "a warm classify"), ("cold", "a cold classify")):
        ours = found[name]
        beside = f"2018: {then[name]['gigabyte_seconds']} GB-s, {then[name]['calls_a_dollar']:,} a dollar"
        yield words, f"{ours['gigabyte_seconds']} GB-s, {ours['calls_a_dollar']:,} a dollar", beside, ""
    if image := found["image_in_burst"]:
        measured = f"{image['gigabyte_seconds']} GB-s, {image['calls_a_dollar']:,} a dollar"
        yield "an image of a burst, with its row", measured, f"{image['images_an_activation']} images an activation", ""
