"""The two streams of a container, what marks the end of a call on them, and tracebacks."""

# pathlib delays a cold start.
# ruff: noqa: PTH118, PTH120

from __future__ import annotations

import os
import sys
from contextlib import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

SENTINEL = b"XXX_THE_END_OF_A_WHISK_ACTIVATION_XXX\n"
# Where our own frames come from.
OWN = os.path.join(os.path.dirname(__file__), "")


class Logs:
    """The two streams as they were at start: an action may close or replace its own."""

    streams: Sequence[int] = (1, 2)


def keep_streams() -> None:
    Logs.streams = [os.dup(1), os.dup(2)]
    for stream in (sys.stdout, sys.stderr):
        # Line by line, so that what a killed action said is not lost; and never an error over odd characters.
        stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)  # type: ignore[union-attr]


def end_logs() -> None:
    """Flush, and mark the end of a call on both streams. Nobody may be reading: that is not the action's fault."""
    for stream, descriptor in zip((sys.stdout, sys.stderr), Logs.streams, strict=True):
        # The action may have closed or replaced its streams.
        with suppress(AttributeError, OSError, ValueError):
            stream.flush()
        with suppress(OSError):
            os.write(descriptor, SENTINEL)


def show(failure: BaseException) -> None:
    """Print the traceback from the first frame that is not ours (and without importing `traceback`)."""
    frames = failure.__traceback__
    while frames and frames.tb_next and frames.tb_frame.f_code.co_filename.startswith(OWN):
        frames = frames.tb_next
    sys.__excepthook__(type(failure), failure.with_traceback(frames), frames)
