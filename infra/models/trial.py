"""`python -m infra.models.trial DIRECTORY`: load a model as `classify` does and look at a photo with it, in a process
that may die of it. One line of JSON: `error`, or `milliseconds` an inference, the process's `megabytes` at most, and
the `label` and `probability` of the photo, which is of an espresso.
"""

from __future__ import annotations

import json
import math
import resource
import statistics
import sys
import time
from pathlib import Path
from typing import Any

from actions.classify.model import best, load
from actions.errors import BadSettings
from actions.malloc import return_memory_early
from infra.models.own_photos import read_known

RUNS = 9


def main(directory: Path) -> None:
    try:
        answer = measure(directory)
    except BadSettings as error:
        answer = {"error": str(error)}
    print(json.dumps(answer))


def measure(directory: Path) -> dict[str, Any]:
    """Raises `BadSettings` where the model cannot be used."""
    return_memory_early()
    model, card = load(directory, 1)
    pixels = read_known(model.frame)
    times = []
    for _ in range(RUNS):
        began = time.perf_counter()
        probabilities = model.classify(bytes(bytearray(pixels)))
        times.append((time.perf_counter() - began) * 1000)
    if not all(math.isfinite(each) for each in probabilities) or len(set(probabilities)) == 1:
        raise BadSettings("the model says nothing of a photo: its numbers are all the same, or none")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    found = best(probabilities, card.labels, 1)
    return {
        "milliseconds": round(statistics.median(times), 2),
        "megabytes": round(peak, 1),
        "label": found[0].label if found else "",
        "probability": found[0].probability if found else 0.0,
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]))
