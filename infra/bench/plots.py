"""The document as pictures, each as PNG and as SVG."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra.bench.clients import BenchFailed
from infra.bench.cost import YEAR_2018

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Points = Sequence[tuple[float, float]]
Draw = Callable[[], "Figure"]

SIZE_INCHES = (8.0, 4.6)
COLOURS = ("#1f5fa8", "#d1602d", "#3c8d40", "#7a4fa3", "#b08900", "#5bb5c5", "#c05d9d", "#777777")


def require_packages() -> None:
    """Raises `BenchFailed` with the command that installs what draws."""
    if find_spec("matplotlib") is None:
        raise BenchFailed("matplotlib is not installed: `make setup-bench` installs what plots need")


def write(found: Mapping[str, Any], directory: Path) -> Iterator[Path]:
    """Two files a picture, named as they are written."""
    from matplotlib import rc_context

    directory.mkdir(parents=True, exist_ok=True)
    # The same figures make the same file, so that a picture which is committed changes with what it shows alone.
    with rc_context({"svg.hashsalt": "pixwhisk", "font.family": "sans-serif", "figure.constrained_layout.use": True}):
        for name, draw in _pictures(found).items():
            figure = draw()
            for suffix, metadata in (("png", {}), ("svg", {"Date": None})):
                path = directory / f"{name}.{suffix}"
                figure.savefig(path, dpi=120, metadata=metadata)
                yield path


def _pictures(found: Mapping[str, Any]) -> Mapping[str, Draw]:
    if "article" in found:
        article, under = found["article"], _caption(found)
        return {
            "article-warm": lambda: _calls(article["warm"], YEAR_2018["warm_ms"], "Warm calls of classify", under),
            "article-cold": lambda: _calls(article["cold"], YEAR_2018["cold_ms"], "Cold calls of classify", under),
            "article-stages": lambda: _stages(article, under),
        }
    return {
        "upload-to-row": lambda: _shares("From PUT to row", found["upload_to_row"]["values"], _caption(found)),
        "warm": lambda: _shares("Warm calls of classify", found["warm"]["values"], _caption(found)),
        "burst": lambda: _curves(found),
    }


def _caption(found: Mapping[str, Any]) -> str:
    on = found["machine"]
    quick = ", --quick: too few to be quoted" if found["quick"] else ""
    return f"{on['processor']}, {on['cores']} cores, pixwhisk {found['pixwhisk']}, {found['date'][:10]}{quick}"


def _figure(title: str, under: str) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=SIZE_INCHES)
    figure.suptitle(title)
    figure.supxlabel(under, fontsize="x-small", color="#777777")
    return figure


def _shares(title: str, values: Mapping[str, Sequence[float]], under: str) -> Figure:
    figure = _figure(title, under)
    axes = figure.add_subplot()
    for colour, (name, times) in zip(COLOURS, values.items(), strict=False):
        axes.plot(*zip(*shares(times), strict=True), color=colour, label=name)
    return _finish(figure, axes, "milliseconds", "% of them are done within")


def _curves(found: Mapping[str, Any]) -> Figure:
    figure = _figure("Many at once", _caption(found))
    axes = figure.add_subplot()
    lines = {
        f"{found['burst']['uploads']} uploads at once": found["burst"]["curve"],
        f"{found['backlog']['pending']} pending": found["backlog"]["curve"],
    }
    for colour, (name, points) in zip(COLOURS, lines.items(), strict=False):
        axes.plot(*zip(*points, strict=True), color=colour, label=name)
    return _finish(figure, axes, "seconds", "rows")


def _finish(figure: Figure, axes: Axes, across: str, up: str) -> Figure:
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    axes.grid(color="#dddddd")
    axes.legend(frameon=False)
    return figure


def _calls(measured: Mapping[str, Any], then: float, title: str, under: str) -> Figure:
    """Each call's time in their order, and how often each time came; 2018's average as a line through both."""
    figure = _figure(f"{title}: {measured['mean']} ms on average, {then:.0f} ms in 2018", under)
    by_call, histogram = figure.subplots(1, 2, sharey=True, width_ratios=(3, 1))
    values = measured["values"]
    by_call.scatter(range(1, len(values) + 1), values, s=3, color=COLOURS[0])
    histogram.hist(values, bins=_logarithmic_bins(values), orientation="horizontal", color=COLOURS[0])
    for axes in (by_call, histogram):
        axes.axhline(then, color=COLOURS[1], linestyle="--")
        axes.axhline(measured["mean"], color=COLOURS[0], linewidth=1)
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter("")
        axes.grid(color="#dddddd", which="both")
    by_call.annotate("2018: TensorFlow.js, MobileNet v1, 256 MB", (1, then), va="bottom", color=COLOURS[1])
    by_call.set_xlabel("call")
    by_call.set_ylabel("milliseconds")
    histogram.set_xlabel("calls")
    return figure


def _logarithmic_bins(values: Sequence[float]) -> Sequence[float]:
    least, most = min(values), max(values) * 1.001  # above the largest, so that the last bin holds it
    return [least * (most / least) ** (step / 60) for step in range(61)]


def _stages(article: Mapping[str, Any], under: str) -> Figure:
    """What a call's time went to, on average: a bar for warm and for cold calls, a colour a stage."""
    figure = _figure("Where the time of a call goes", under)
    axes = figure.add_subplot()
    kinds = ("cold", "warm")
    names = [name for name in article["cold"]["stages"] if any(article[kind]["stages"][name] for kind in kinds)]
    left = [0.0, 0.0]
    for colour, name in zip(COLOURS, names, strict=False):
        widths = [article[kind]["stages"][name] for kind in kinds]
        axes.barh(kinds, widths, left=left, color=colour, label=name)
        left = [start + width for start, width in zip(left, widths, strict=True)]
    axes.set_xlabel("milliseconds, on average")
    axes.legend(frameon=False, ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    return figure


def shares(values: Sequence[float]) -> Points:
    """Each value with the percentage of all that do not exceed it; the slowest hundredth is left out of the picture."""
    ordered = sorted(values)
    shown = ordered[: max(1, round(len(ordered) * 0.99))]
    return [(value, 100 * (place + 1) / len(ordered)) for place, value in enumerate(shown)]
