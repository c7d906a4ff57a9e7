"""What the tests of this folder share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from tests.e2e.faults.gallery import Picture, gallery
from tests.fixtures.model import KnownPhoto

Say = Callable[[str], None]


@pytest.fixture(scope="session")
def pictures(photos: Mapping[str, KnownPhoto], model_directory: Path) -> Sequence[Picture]:
    """What users upload, with what must become of it."""
    return gallery(photos)


@pytest.fixture(scope="session")
def both_models(model_directory: Path, second_model: Path) -> Sequence[Path]:
    """Directories of two models to be active at once."""
    return [model_directory, second_model]


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Say:
    """Show a score whether or not the test fails."""

    def shown(text: str) -> None:
        with capsys.disabled():
            print(f"\n{text}")

    return shown
