"""Decode and inference and nothing else, by the very code of `classify`: what everything is measured against.

`python -m infra.bench.alone PICTURE` says `ready`; each line `COUNT` then makes it classify the picture so often, and
say when it began and ended (monotonic seconds) and how long each took (ms).
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from infra import paths
from infra.host.containers.members import ENVIRONMENT


class Worker:
    """One process, one thread. `begin` and `end` are apart so that several can work at once."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._read()

    def begin(self, count: int) -> None:
        assert self._process.stdin is not None
        print(count, file=self._process.stdin, flush=True)

    def end(self) -> dict[str, Any]:
        """`began`, `ended` and `times` of what was begun."""
        return dict(json.loads(self._read()))

    def times(self, count: int) -> Sequence[float]:
        """Milliseconds of each of so many."""
        self.begin(count)
        return list(self.end()["times"])

    def _read(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the worker ended with status {self._process.wait()}")
        return line


@contextmanager
def workers(picture: Path, model: Path, count: int) -> Iterator[Sequence[Worker]]:
    """So many processes, ready to work."""
    command = [*paths.module_command("infra.bench.alone"), str(picture), str(model)]
    with ExitStack() as stack:
        started = [
            stack.enter_context(
                subprocess.Popen(
                    command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,  # LiteRT greets
                    text=True,
                    env=dict(ENVIRONMENT),
                )
            )
            for _ in range(count)
        ]
        yield [Worker(each) for each in started]
        for each in started:
            each.terminate()


def rate(team: Sequence[Worker], count: int) -> float:
    """Pictures a second that all of them together classify, each its share of `count`."""
    share = max(1, count // len(team))
    for each in team:
        each.begin(share)
    ended = [each.end() for each in team]
    seconds = max(each["ended"] for each in ended) - min(each["began"] for each in ended)
    return float(share * len(team) / seconds)


def main(picture: Path, model: Path) -> None:
    """Work until there is no more input."""
    from actions.classify import pictures
    from actions.classify.model import best, load
    from actions.malloc import return_memory_early

    return_memory_early()
    body, limits = picture.read_bytes(), pictures.Limits(10**8, 2**26)
    loaded, card = load(model, 1)

    def classify() -> float:
        began = time.perf_counter()
        examined = pictures.examine(io.BytesIO(body), loaded.frame)
        pictures.check(examined, limits)
        pixels = pictures.fit(examined, pictures.decode(examined), loaded.frame)
        best(loaded.classify(pixels), card.labels, 5)
        return (time.perf_counter() - began) * 1000

    for _ in range(5):
        classify()
    print("ready", flush=True)
    for line in sys.stdin:
        began = time.monotonic()
        times = [classify() for _ in range(int(line))]
        print(json.dumps({"began": began, "ended": time.monotonic(), "times": times}), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
