"""`python -m infra.models.trial DIRECTORY`: load a model as `classify` does and look at a photo with it, in a process
that may die of it. One line of JSON: `error`, or `milliseconds` an inference and the process's `megabytes` at most.
"""

from __future__ import annotations

import io
import json
import math
import resource
import statistics
import sys
import time
from pathlib import Path
from typing import Any

from PIL import Image

from actions.classify import pictures
from actions.classify.model import load
from actions.errors import BadSettings
from actions.malloc import return_memory_early

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
    model, _ = load(directory, 1)
    examined = pictures.examine(_photo(), model.frame)
    pixels = pictures.fit(examined, pictures.decode(examined), model.frame)
    times = []
    for _ in range(RUNS):
        began = time.perf_counter()
        probabilities = model.classify(bytes(bytearray(pixels)))
        times.append((time.perf_counter() - began) * 1000)
    if not all(math.isfinite(each) for each in probabilities) or len(set(probabilities)) == 1:
        raise BadSettings("the model says nothing of a photo: its numbers are all the same, or none")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    return {"milliseconds": round(statistics.median(times), 2), "megabytes": round(peak, 1)}


def _photo() -> io.BytesIO:
    """Anything with colours, edges and shades."""
    file = io.BytesIO()
    Image.effect_mandelbrot((640, 480), (-2.2, -1.2, 0.8, 1.2), 60).convert("RGB").save(file, "PNG")
    return file


if __name__ == "__main__":
    main(Path(sys.argv[1]))
