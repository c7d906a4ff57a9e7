"""Has containers ready before the first upload, as many as there are to be at work at once."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from infra.openwhisk.client import Whisk

SEQUENCE = "pixwhisk/classify-and-store"

# A change of one of these leaves its containers behind.
RUNS = frozenset(("action pixwhisk/classify", "action pixwhisk/store"))


def warm(whisk: Whisk, containers: int) -> float:
    """Run the sequence on nothing, that often at the same time, so that no call can wait for another's container.
    The seconds that it took. Raises the `WhiskError` of a call that failed.
    """
    began = time.monotonic()
    with ThreadPoolExecutor(containers) as callers:
        for each in [callers.submit(whisk.invoke, SEQUENCE, {"Records": []}) for _ in range(containers)]:
            each.result()
    return time.monotonic() - began
