"""The document as pictures: SVG, written by hand, for a drawing library would be the largest dependency of all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

Points = Sequence[tuple[float, float]]

WIDTH, HEIGHT = 720, 420
LEFT, RIGHT, TOP, BOTTOM = 64, 24, 48, 56
COLOURS = ("#1f5fa8", "#d1602d", "#3c8d40", "#7a4fa3")
TICKS = 5


def write(found: Mapping[str, Any], directory: Path) -> Sequence[Path]:
    """One file a chart; returns them."""
    directory.mkdir(parents=True, exist_ok=True)
    written = []
    for name, text in charts(found).items():
        path = directory / f"{name}.svg"
        path.write_text(text)
        written.append(path)
    return written


def charts(found: Mapping[str, Any]) -> Mapping[str, str]:
    """SVG by name."""
    percent, milliseconds, seconds = "% of them are done within", "milliseconds", "seconds"
    to_row = {name: shares(values) for name, values in found["uploadToRow"]["values"].items()}
    warm = {name: shares(values) for name, values in found["warm"]["values"].items()}
    many = {
        f"{found['burst']['uploads']} uploads at once": found["burst"]["curve"],
        f"{found['backlog']['pending']} pending": found["backlog"]["curve"],
    }
    return {
        "upload-to-row": chart("From PUT to row", milliseconds, percent, to_row),
        "warm": chart("Warm calls of classify", milliseconds, percent, warm),
        "burst": chart("Many at once", seconds, "rows", many),
    }


def shares(values: Sequence[float]) -> Points:
    """Each value with the percentage of all that do not exceed it; the slowest hundredth is left out of the picture."""
    ordered = sorted(values)
    shown = ordered[: max(1, round(len(ordered) * 0.99))]
    return [(value, 100 * (place + 1) / len(ordered)) for place, value in enumerate(shown)]


def chart(title: str, across: str, up: str, lines: Mapping[str, Points]) -> str:
    """Lines over two axes that begin at zero."""
    right = nice(max(x for points in lines.values() for x, _ in points))
    top = nice(max(y for points in lines.values() for _, y in points))
    parts = [_text(LEFT, 28, title, size=17), *_axes(right, top, across, up)]
    for number, (name, points) in enumerate(lines.items()):
        colour = COLOURS[number % len(COLOURS)]
        path = " ".join(f"{_across(x, right):.1f},{_up(y, top):.1f}" for x, y in points)
        parts.append(f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="{path}"/>')
        parts.append(_text(WIDTH - RIGHT - 8, HEIGHT - BOTTOM - 12 - 18 * number, name, anchor="end", colour=colour))
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif">\n'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>\n{body}\n</svg>\n'
    )


def nice(value: float) -> float:
    """The next round number that is not below."""
    size = 1.0
    while size * 10 <= value:
        size *= 10
    while size > value > 0:
        size /= 10
    return next(size * step for step in (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10) if size * step >= value)


def _axes(right: float, top: float, across: str, up: str) -> list[str]:
    parts = []
    for tick in range(TICKS + 1):
        x, y = right * tick / TICKS, top * tick / TICKS
        level = _up(y, top)
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{level:.1f}" y2="{level:.1f}" stroke="#ddd"/>')
        parts.append(_text(LEFT - 8, level + 4, f"{y:g}", anchor="end"))
        parts.append(_text(_across(x, right), HEIGHT - BOTTOM + 20, f"{x:g}", anchor="middle"))
    parts.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12, across, anchor="middle"))
    parts.append(_text(LEFT, TOP - 4, up))
    return parts


def _across(value: float, right: float) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * value / right


def _up(value: float, top: float) -> float:
    return HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP - 12) * value / top


def _text(x: float, y: float, text: str, *, size: int = 12, anchor: str = "start", colour: str = "#333") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" fill="{colour}">{escape(text)}</text>'
    )
