"""Where OpenWhisk enters `classify`: `main` for each activation, `preload` once per stem cell."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from actions.boundary import answer
from actions.classify.handler import handle
from actions.classify.warm_up import warm
from actions.malloc import return_memory_early

return_memory_early()


def main(params: Mapping[str, Any]) -> dict[str, Any]:
    """Classify an image, an object or an event's objects; see `actions.classify.inputs`."""
    return answer(handle, params)


def preload() -> None:
    """Make a stem cell truly warm: libraries imported, model loaded, everything run once."""
    warm(os.environ)
