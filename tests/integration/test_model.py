"""The default model, as set-up built it: its card, its labels, and what it says of known photos."""

from __future__ import annotations

import io
import json
import subprocess
import sysconfig
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from actions.classify import pictures
from actions.classify.card import ModelCard, digest_of
from actions.classify.model import Model, best, load
from infra import paths
from infra.model import card, check
from infra.model.photos import CHECKING, PHOTOS, inputs
from infra.model.variants import TEMPERATURE
from tests.fixtures.model import KnownPhoto

TENSORFLOW = """
import sys
import numpy as np
import tensorflow as tf
serve = tf.saved_model.load(sys.argv[1]).signatures["serving_default"]
pictures = np.load(sys.argv[2])
np.save(sys.argv[3], np.concatenate([serve(image=tf.constant(one[None]))["probabilities"].numpy() for one in pictures]))
"""


def test_the_documented_digest_is_the_models(model_directory: Path) -> None:
    """docs/operations.md shows what an image's label says."""
    digest = json.loads((model_directory / card.CARD).read_bytes())["digest"]
    assert f"\n{digest}\n" in (paths.ROOT / "docs/operations.md").read_text()


def test_the_card_names_the_very_files(model_directory: Path) -> None:
    """Digest and size of each part on the card are those of the file beside it, and the model's digest is of both."""
    said = json.loads((model_directory / card.CARD).read_bytes())
    for part, file in card.FILES.items():
        data = (model_directory / file).read_bytes()
        assert said[part] == {"file": file, "digest": card.digest(data), "size": len(data)}
    assert said["digest"] == digest_of((said["backbone"]["digest"], said["head"]["digest"]))


def test_the_card_says_how_far_to_believe_it(model_directory: Path) -> None:
    """Temperature, calibration error, accuracy and the photos that these were measured on are on the card."""
    said = json.loads((model_directory / card.CARD).read_bytes())
    assert said["calibration"]["temperature"] == TEMPERATURE
    assert {"fittedOn", "measuredOn", "measuredBy", "expectedCalibrationError"} <= said["calibration"].keys()
    assert said["accuracy"]["agreement"]["top1"] >= check.LEAST_TOP1


@pytest.mark.parametrize(
    ("index", "name"),
    [
        (0, "tench, Tinca tinca"),
        (388, "giant panda, panda, panda bear, coon bear, Ailuropoda melanoleuca"),
        (967, "espresso"),
        (999, "toilet tissue, toilet paper, bathroom tissue"),
    ],
)
def test_labels_are_in_the_order_of_the_outputs(model_directory: Path, index: int, name: str) -> None:
    """The thousand labels stand in ImageNet's order, synonyms after the first name."""
    labels = json.loads((model_directory / card.CARD).read_bytes())["labels"]
    assert len(labels) == 1000
    assert labels[index] == name


@pytest.mark.parametrize("name", [photo.name for photo in PHOTOS if photo.label])
def test_known_photos_get_their_labels(model_directory: Path, photos: Mapping[str, KnownPhoto], name: str) -> None:
    """A photo of a known thing is called by its name, whether it comes as its package has it or as a JPEG."""
    model, said = load(model_directory, 1)
    for data in (photos[name].path.read_bytes(), photos[name].jpeg):
        assert first_label(model, said, data) == photos[name].label


def first_label(model: Model, said: ModelCard, data: bytes) -> str:
    examined = pictures.examine(io.BytesIO(data), model.frame)
    picture = pictures.fit(examined, pictures.decode(examined), model.frame)
    return best(model.classify(picture), said.labels, 1)[0].label


def test_quantised_and_tensorflow_model_agree(model_directory: Path, tensorflow_python: Path, tmp_path: Path) -> None:
    """The model in whole numbers says what TensorFlow says in full precision, on pictures it was not calibrated on."""
    pictures = list(inputs(Path(sysconfig.get_path("purelib")), CHECKING))
    np.save(tmp_path / "pictures.npy", np.stack(pictures))
    subprocess.run(
        [tensorflow_python, "-c", TENSORFLOW, model_directory / card.SAVED_MODEL, "pictures.npy", "outputs.npy"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        timeout=120,
    )
    model, _ = load(model_directory, 1)
    quantised = [np.asarray(model.classify(picture.tobytes())) for picture in pictures]
    found = check.agreement(list(np.load(tmp_path / "outputs.npy")), quantised)
    check.demand(found, {}, {})


@pytest.mark.parametrize("file", card.FILES.values())
def test_an_altered_file_is_noticed(model_directory: Path, tmp_path: Path, file: str) -> None:
    """One changed byte of either part, and set-up would build the model again."""
    for name in (*card.FILES.values(), card.CARD):
        (tmp_path / name).write_bytes((model_directory / name).read_bytes())
    altered = bytearray((model_directory / file).read_bytes())
    altered[len(altered) // 2] ^= 1
    (tmp_path / file).write_bytes(altered)
    assert card.fault(tmp_path, card.recipe(paths.ROOT)) == "its files are not what its card says"


def test_every_probability_is_one(model_directory: Path) -> None:
    """No label of a picture gets nothing, none is tied for the first place, and all add up to one."""
    model, _ = load(model_directory, 1)
    for picture in inputs(Path(sysconfig.get_path("purelib")), CHECKING):
        probabilities = list(model.classify(picture.tobytes()))
        first, second = sorted(probabilities, reverse=True)[:2]
        assert min(probabilities) > 0
        assert first > second
        assert sum(probabilities) == pytest.approx(1, abs=1e-4)
