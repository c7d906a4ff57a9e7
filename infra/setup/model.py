"""The step that has the default model: from the cache, or built with TensorFlow in a virtual environment of its own."""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from infra import paths
from infra.model import card, environment
from infra.reports import Report
from infra.setup import bootstrap
from infra.setup.programs import Programs


@dataclass(frozen=True, slots=True)
class ModelStep:
    """`with_environment`: TensorFlow must be there even when the model is, because the tests compare with it."""

    with_environment: bool = False
    name: str = "model"

    def present(self) -> str | None:
        if _fault() or (self.with_environment and not environment.python()):
            return None
        return f"ready ({paths.default_model()})"

    def make(self, programs: Programs, report: Report) -> str:
        python = environment.python() or install(programs, report)
        if fault := _fault():
            report(f"building, because {fault}")
            build(python, programs, report)
            return f"built ({paths.default_model()})"
        return f"ready ({paths.default_model()})"


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


def build(python: Path, programs: Programs, report: Report) -> None:
    programs.run(
        [python, "-m", "infra.model.build", paths.default_model()],
        environment={"PYTHONPATH": str(paths.ROOT), "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""},
        log="model-build",
        on_line=lambda line: report(line.removeprefix("stage: ")) if line.startswith("stage: ") else None,
    )


def uv() -> Path:
    """The uv beside this interpreter, which the Makefile put there."""
    return Path(shutil.which("uv", path=str(Path(sys.executable).parent)) or "uv")


def _fault() -> str | None:
    return card.fault(paths.default_model(), card.recipe(paths.ROOT))
