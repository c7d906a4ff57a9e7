"""How whoever works tells whoever watches: a line at a time, to a terminal, a log, or a list in a test."""

from __future__ import annotations

from collections.abc import Callable

Report = Callable[[str], None]
