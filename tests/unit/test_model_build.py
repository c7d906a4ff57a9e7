"""The build of the model, but for TensorFlow: its checks, its card, and how a directory takes its place."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from infra import paths
from infra.model import card, check, labels
from infra.model.build import replacing
from infra.model.variants import LITE0


def outputs(*rows: list[float]) -> list[check.Probabilities]:
    return [np.array(row) for row in rows]


def test_agreement_counts_first_and_first_five() -> None:
    """Two models that swap their two first classes once in two images agree by half, and in the first five wholly."""
    found = check.agreement(outputs([0.6, 0.4, 0], [0.2, 0.8, 0]), outputs([0.5, 0.5, 0], [0.6, 0.4, 0]))
    assert found.dump() == {"images": 2, "top1": 0.5, "top5": 1.0, "difference": 0.25}


def test_models_that_disagree_are_refused() -> None:
    """A quantised model that says other things than the full one is never written."""
    with pytest.raises(check.Unfit, match="disagree"):
        check.demand(check.Agreement(36, 0.5, 0.9, 0.02), {}, {})


def test_a_wrong_label_of_a_known_photo_is_refused() -> None:
    """However well the models agree, coffee must be espresso."""
    with pytest.raises(check.Unfit, match="consomme"):
        check.demand(check.Agreement(36, 1, 1, 0), {"coffee": "consomme"}, {"coffee": "espresso"})


def test_labels_follow_the_order_of_the_classes(tmp_path: Path) -> None:
    """The label of a class is found by its synset, not by its line."""
    (tmp_path / "imagenet_synsets.txt").write_text("".join(f"n{index}\n" for index in range(1000)))
    lines = [f"n{index}\tname {index}, other\n" for index in reversed(range(2000))]
    (tmp_path / "imagenet_synset_to_lemma.txt").write_text("".join(lines))
    assert labels.read(tmp_path)[388] == "name 388, other"


def written(directory: Path, data: bytes = b"model", **changed: object) -> Path:
    (directory / card.SAVED_MODEL).mkdir(parents=True)
    (directory / card.SAVED_MODEL / "saved_model.pb").write_bytes(b"")
    (directory / card.BACKBONE).write_bytes(b"backbone")
    (directory / card.HEAD).write_bytes(data)
    said = card.Card(LITE0, b"backbone", b"model", "sha256:recipe", ["a"], {}).dump()
    (directory / card.CARD).write_text(json.dumps({**said, **changed}))
    return directory


def test_an_intact_model_has_no_fault(tmp_path: Path) -> None:
    """Files, card, recipe and SavedModel in order: nothing to build."""
    assert card.fault(written(tmp_path / "m"), "sha256:recipe") is None


def test_a_recipe_that_differs_in_words_alone_needs_no_other_build(tmp_path: Path) -> None:
    """A model of release 0.2.0 is taken as it is."""
    for number, recipe in enumerate(card.EQUAL_RECIPES):
        assert card.fault(written(tmp_path / f"{number}", recipe=recipe), "sha256:other") is None


def test_every_fault_is_named(tmp_path: Path) -> None:
    """A model that is missing, altered, unreadable or of another recipe is built again, and set-up says why."""
    assert card.fault(tmp_path / "none", "sha256:recipe") == "it is not built yet"
    assert card.fault(written(tmp_path / "a", b"mode"), "sha256:recipe") == "its files are not what its card says"
    assert card.fault(written(tmp_path / "b"), "sha256:other") == "it was built by another recipe"
    (written(tmp_path / "c") / card.CARD).write_text("{")
    assert "cannot be read" in str(card.fault(tmp_path / "c", "sha256:recipe"))
    (written(tmp_path / "d") / card.SAVED_MODEL / "saved_model.pb").unlink()
    assert card.fault(tmp_path / "d", "sha256:recipe") == "its SavedModel is missing"


def test_the_recipe_changes_with_an_ingredient(tmp_path: Path) -> None:
    """Another lock of TensorFlow is another recipe."""
    for name in card.INGREDIENTS:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes((paths.ROOT / name).read_bytes())
    assert card.recipe(tmp_path) == card.recipe(paths.ROOT)
    (tmp_path / "requirements/model.txt").write_text("tensorflow-cpu==9\n")
    assert card.recipe(tmp_path) != card.recipe(paths.ROOT)


def test_a_directory_takes_its_place_whole(tmp_path: Path) -> None:
    """The former directory stays while the new one is written, and goes when it is done; nothing else is left."""
    place = tmp_path / "model"
    place.mkdir()
    (place / "former").touch()
    with replacing(place) as fresh:
        (fresh / "new").touch()
        assert (place / "former").exists()
    assert [path.relative_to(tmp_path).as_posix() for path in sorted(tmp_path.rglob("*"))] == ["model", "model/new"]


def test_an_interrupted_build_leaves_the_former_model(tmp_path: Path) -> None:
    """Whatever ends the build, what was there before is still there, alone."""
    place = tmp_path / "model"
    place.mkdir()
    with pytest.raises(KeyboardInterrupt), replacing(place) as fresh:  # noqa: PT012
        (fresh / "half").touch()
        raise KeyboardInterrupt
    assert list(tmp_path.rglob("*")) == [place]


def test_what_a_killed_build_left_is_removed(tmp_path: Path) -> None:
    """A build that could not clean up after itself is cleaned up by the next."""
    left = tmp_path / ".model-x1y2" / "fresh"
    left.mkdir(parents=True)
    with replacing(tmp_path / "model"):
        pass
    assert list(tmp_path.iterdir()) == [tmp_path / "model"]
