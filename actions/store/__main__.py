"""Where OpenWhisk enters `store`: `main` for each activation, `preload` once per stem cell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from actions.boundary import answer
from actions.store.handler import handle
from actions.store.results import warm


def main(params: Mapping[str, Any]) -> dict[str, Any]:
    """Write the outcomes of `classify` into Postgres; see `actions.store.handler`."""
    return answer(handle, params)


def preload() -> None:
    """Make a stem cell truly warm: everything imported, the driver loaded, the statements compiled."""
    warm()
