"""TensorFlow for a command that needs it: in the environment that set-up makes, which may not be there yet."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from infra import paths
from infra.errors import OperatorError
from infra.model import environment
from infra.reports import Report
from infra.setup import model as set_up
from infra.setup.programs import ProgramFailed, Programs
from infra.setup.steps import holding


class NoTensorFlow(OperatorError):
    """It cannot be installed, or what it was asked to do failed; the message says which."""


def find_tensorflow(report: Report) -> Path:
    """The interpreter that has it, installed if need be, which takes minutes. Raises `NoTensorFlow`."""
    if not all(lock.is_file() for lock in environment.LOCKS):
        raise NoTensorFlow("an installed pixwhisk does not bring what TensorFlow is installed by: use a checkout")
    if python := environment.python():
        return python
    locks = paths.cache() / "locks"
    locks.mkdir(parents=True, exist_ok=True)
    programs = _programs()
    try:
        with holding(locks / "model.lock", programs, report):
            return environment.python() or set_up.install(programs, report)
    except ProgramFailed as problem:
        raise NoTensorFlow(f"TensorFlow cannot be installed: {str(problem).splitlines()[0]}") from None


def run_tensorflow(module: str, argument: str, log: str, report: Report) -> Sequence[str]:
    """Run a module of ours there; the lines that it printed. Raises `NoTensorFlow`."""
    python, lines = find_tensorflow(report), list[str]()
    told = {"PYTHONPATH": str(paths.ROOT), "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    try:
        _programs().run([python, "-m", module, argument], environment=told, log=log, on_line=lines.append)
    except ProgramFailed as problem:
        raise NoTensorFlow(f"{log} failed: {str(problem).splitlines()[0]}") from None
    return lines


def _programs() -> Programs:
    return Programs(paths.cache() / "logs")
