"""Outcomes in, rows out: what one activation of `store` does. The outcomes are passed on as they came, without their
embeddings: those have their place now, and would double what an activation's record holds.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from actions.errors import BadRequest
from actions.messages import Outcome
from actions.store.results import store
from actions.store.settings import StoreSettings


def handle(params: Mapping[str, Any], environ: Mapping[str, str]) -> dict[str, Any]:
    """Store what `classify` returned. Raises `ActionError`; then nothing was stored."""
    began = time.perf_counter()
    # OpenWhisk puts the caller's headers, Authorization included, among the arguments of what a trigger starts.
    params = {name: value for name, value in params.items() if not name.startswith("__ow_")}
    raw = params.get("outcomes")
    if not isinstance(raw, list):
        raise BadRequest("outcomes: missing; `store` takes what `classify` returns")
    outcomes = [Outcome.parse(each) for each in raw]
    stored = store(outcomes, StoreSettings.from_params(params, environ))
    elapsed = (time.perf_counter() - began) * 1000
    print(f"store: {elapsed:.1f}ms written={stored.written} stale={stored.stale} skipped={stored.skipped}")
    return {
        "outcomes": [_without_embedding(each) for each in raw],
        "results": params.get("results", []),
        "stored": stored.dump(),
    }


def _without_embedding(raw: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in raw.items() if name != "embedding"}
