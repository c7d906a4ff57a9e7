"""Where OpenWhisk enters `classify`: `main` for each activation, `preload` once per stem cell."""

from __future__ import annotations

import os
import traceback
from collections.abc import Mapping
from typing import Any

from actions.classify.handler import handle
from actions.classify.memory import return_memory_early
from actions.classify.warmth import warm
from actions.errors import ActionError, UnexpectedFailure, error_result

return_memory_early()


def main(params: Mapping[str, Any]) -> dict[str, Any]:
    """Classify an image, an object or an event's objects; see `actions.classify.inputs`."""
    try:
        return handle(params, os.environ)
    except ActionError as error:
        print(f"failed: {error.code}: {error}")
        return error_result(error)
    except Exception as error:  # noqa: BLE001 (the process boundary: whatever it is, the container lives on)
        # Where, not what: the words of a foreign exception may hold an address with its query, or a header.
        print("".join(traceback.format_tb(error.__traceback__)) + type(error).__name__)
        return error_result(UnexpectedFailure(f"an unforeseen {type(error).__name__}; the activation's log says where"))


def preload() -> None:
    """Make a stem cell truly warm: libraries imported, model loaded, everything run once."""
    warm(os.environ)
