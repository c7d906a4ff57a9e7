"""How right a model is, measured on photos of one's own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from infra import paths
from infra.models.evaluation import Guess, summarise
from tests.fixtures.deployment import pixwhisk


def test_the_calibration_error_is_by_bins() -> None:
    """Half of the guesses are sure by 0.9 and right in half of the cases, the others know what they know."""
    guesses = [Guess(0.9, number < 5, among_first=True) for number in range(10)]
    guesses += [Guess(1.0, right=True, among_first=True) for _ in range(10)]
    found = summarise(guesses, unread=2)
    assert (found.photos, found.unread, found.top1, found.top5) == (20, 2, 0.75, 1)
    assert found.calibration_error == pytest.approx(0.5 * 0.4)
    assert [count for count, _, _ in found.bins] == [10, 10]


def test_photos_are_judged_by_folder_or_list(model_directory: Path, tmp_path: Path) -> None:
    """By a label or a synonym of it, in any case; what is no picture is counted."""
    shown = {"coffee.jpg": "espresso", "motorcycle.jpg": "Moped", "flower.jpg": "tench"}
    lines = []
    for photo, label in shown.items():
        folder = tmp_path / "photos" / label
        folder.mkdir(parents=True)
        (folder / photo).write_bytes((paths.PHOTOS / photo).read_bytes())
        lines.append(f"photos/{label}/{photo}\t{label}")
    (tmp_path / "photos/tench/notes.txt").write_text("not a picture")
    (tmp_path / "labels.tsv").write_text("\n".join(lines))
    for place, unread in ((tmp_path / "photos", 1), (tmp_path / "labels.tsv", 0)):
        found = json.loads(pixwhisk("models", "evaluate", paths.MODEL_NAME, str(place), "--json").stdout)
        assert (found["photos"], found["unread"], found["top1"]) == (3, unread, pytest.approx(2 / 3, abs=1e-3))
    assert "3 photos, 66.7% right" in pixwhisk("models", "evaluate", paths.MODEL_NAME, str(tmp_path / "photos")).stdout


@pytest.mark.parametrize(
    ("text", "words"), [("a.jpg\tunicorn", "has no label 'unicorn'"), ("nothing", "a path, a tab")]
)
def test_what_cannot_be_judged_is_said(model_directory: Path, tmp_path: Path, text: str, words: str) -> None:
    """In one line."""
    (tmp_path / "labels.tsv").write_text(text)
    refused = pixwhisk("models", "evaluate", paths.MODEL_NAME, str(tmp_path / "labels.tsv"), check=False)
    assert (refused.returncode, words in refused.stderr) == (1, True)
