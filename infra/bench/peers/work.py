"""The one thing that all of them do with an event; what they differ in is who calls it, and what becomes of it then."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from actions.classify import handler as classify
from actions.classify.warm_up import warm
from actions.malloc import return_memory_early
from actions.store import handler as store


def get_ready() -> None:
    """Load the model and the libraries, as a worker does before its first task."""
    return_memory_early()
    warm(os.environ)


def classify_and_store(event: Mapping[str, Any]) -> None:
    """From MinIO's event to committed rows. Raises where a task queue should try again."""
    # What the actions log is for OpenWhisk's activations; a task queue would write every line to its own log.
    with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stdout(nowhere):
        store.handle(classify.handle(event, os.environ), os.environ)
