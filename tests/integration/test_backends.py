"""The model's backends agree: LiteRT by its C interface, LiteRT by its binding, and TensorFlow."""

from __future__ import annotations

import io
import json
import os
import random
import subprocess
import textwrap
from array import array
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from actions.classify import model, pictures
from actions.classify.litert import Tensor
from actions.errors import BadSettings
from tests.fixtures.model import KnownPhoto

FRAME = pictures.Frame()


@pytest.fixture(scope="module")
def prepared(photos: Mapping[str, KnownPhoto]) -> Mapping[str, bytes]:
    """Known photos, plain tones and noise, as the model takes them."""
    found = {name: pixels(photo.jpeg) for name, photo in photos.items()}
    for tone in (0, 127, 255):
        found[f"tone-{tone}"] = bytes([tone]) * FRAME.side**2 * 3
    found["noise"] = random.Random(1).randbytes(FRAME.side**2 * 3)
    return found


def pixels(body: bytes) -> bytes:
    examined = pictures.examine(io.BytesIO(body), FRAME)
    return pictures.fit(examined, pictures.decode(examined), FRAME)


@pytest.mark.parametrize("threads", [1, 2])
def test_the_c_interface_agrees_with_the_binding(
    model_directory: Path, prepared: Mapping[str, bytes], threads: int
) -> None:
    """Every picture gets the same probabilities, up to a rounding, with any number of threads."""
    import numpy as np
    from ai_edge_litert.interpreter import Interpreter

    def binding(file: str) -> Interpreter:
        interpreter = Interpreter(str(model_directory / file), num_threads=1)
        interpreter.allocate_tensors()
        return interpreter

    def run(interpreter: Interpreter, values: Any) -> tuple[Any, float]:
        (taken,), (given,) = interpreter.get_input_details(), interpreter.get_output_details()
        interpreter.set_tensor(taken["index"], np.reshape(values, taken["shape"]).astype(taken["dtype"]))
        interpreter.invoke()
        return interpreter.get_tensor(given["index"])[0], given["quantization"][0]

    backbone, head = binding("backbone.tflite"), binding("head.tflite")
    ours, _ = model.load(model_directory, threads)
    for name, picture in prepared.items():
        stored, scale = run(backbone, np.frombuffer(picture, np.uint8))
        expected, _ = run(head, np.float32(scale) * stored)
        assert np.abs(np.array(ours.classify(picture)) - expected).max() <= 0.012, name
        embedding = ours.embed(picture)
        assert embedding is not None
        assert embedding.scale == pytest.approx(scale)
        assert np.abs(np.frombuffer(embedding.values, np.uint8).astype(int) - stored).max() <= 1, name


def test_a_second_model_does_not_disturb_the_first(model_directory: Path, prepared: Mapping[str, bytes]) -> None:
    """Two models loaded at once, used in turns, each answer as if alone."""
    first, _ = model.load(model_directory, 1)
    alone = [list(first.classify(picture)) for picture in prepared.values()]
    second, _ = model.load(model_directory, 1)
    for picture, expected in zip(prepared.values(), alone, strict=True):
        assert list(second.classify(picture)) == expected
        assert list(first.classify(picture)) == expected


SERVE = textwrap.dedent("""
    import json, sys
    from pathlib import Path
    from actions.classify import model
    directory, pictures = Path(sys.argv[1]), json.load(sys.stdin)
    served, card = model.load(directory, 1)
    print(json.dumps([served.reference.name, served.reference.digest]))
    print(json.dumps({name: list(served.classify(bytes.fromhex(each))) for name, each in pictures.items()}))
""")


@pytest.fixture
def saved_model(model_directory: Path, tmp_path: Path) -> Path:
    """A model directory that has a SavedModel and nothing smaller."""
    card = json.loads((model_directory / "card.json").read_text())
    (tmp_path / "saved_model").symlink_to(model_directory / "saved_model", target_is_directory=True)
    without = {"backbone": None, "head": None, "digest": None}
    (tmp_path / "card.json").write_text(json.dumps(card | without | {"savedModel": "saved_model"}))
    return tmp_path


def test_tensorflow_agrees_with_litert(
    model_directory: Path, saved_model: Path, tensorflow_python: Path, prepared: Mapping[str, bytes]
) -> None:
    """A SavedModel served by TensorFlow puts the same label first, with much the same probability."""
    known = {name: each for name, each in prepared.items() if not name.startswith(("tone", "noise"))}
    ran = subprocess.run(
        [tensorflow_python, "-c", SERVE, saved_model],
        input=json.dumps({name: each.hex() for name, each in known.items()}),
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(Path(model.__file__).parents[2]),
            "CUDA_VISIBLE_DEVICES": "",
        },
        capture_output=True,
        text=True,
        check=True,
    )
    reference, served = map(json.loads, ran.stdout.splitlines()[-2:])
    assert reference[1].startswith("sha256:")
    ours, _ = model.load(model_directory, 1)
    for name, picture in known.items():
        probabilities = ours.classify(picture)
        assert top(served[name]) == top(probabilities), name
        assert abs(max(served[name]) - max(probabilities)) < 0.15, name


def top(probabilities: Sequence[float]) -> int:
    return max(range(len(probabilities)), key=probabilities.__getitem__)


def test_the_digest_is_of_the_file_that_was_loaded(model_directory: Path, tmp_path: Path) -> None:
    """A card that speaks of other bytes than the model's is refused."""
    card = json.loads((model_directory / "card.json").read_text())
    for file in ("backbone.tflite", "head.tflite"):
        (tmp_path / file).symlink_to(model_directory / file)
    (tmp_path / "card.json").write_text(json.dumps(card))
    assert model.load(tmp_path, 1)[0].reference.digest == card["digest"]
    wrong = {"digest": "sha256:00"}
    for altered in (wrong, {"head": card["head"] | wrong}, {"backbone": card["backbone"] | wrong}):
        (tmp_path / "card.json").write_text(json.dumps(card | altered))
        with pytest.raises(BadSettings, match="digest"):
            model.load(tmp_path, 1)


def broken_directories(model_directory: Path, directory: Path) -> Iterator[str]:
    """Spoil a model directory in one way after the other, naming what the error should speak of."""
    good = json.loads((model_directory / "card.json").read_text()) | {"digest": None}
    for part in ("backbone", "head"):
        del good[part]["digest"]
    target = directory / "card.json"
    yield "card.json"
    target.write_text("{")
    yield "card.json"
    for name in ("name", "input", "labels", "head"):
        target.write_text(json.dumps({key: value for key, value in good.items() if key != name}))
        yield name
    target.write_text(json.dumps(good))
    yield "cannot be loaded"
    (directory / "backbone.tflite").write_bytes(b"not a model" * 1000)
    yield "cannot be loaded"
    for file in ("backbone.tflite", "head.tflite"):
        (directory / file).write_bytes((model_directory / file).read_bytes())
    target.write_text(json.dumps(good | {"labels": good["labels"][:-1]}))
    yield "labels"
    target.write_text(json.dumps(good | {"input": good["input"] | {"size": 260}}))
    yield "size"
    target.write_text(json.dumps(good | {"head": {"file": "backbone.tflite"}}))
    yield "the head takes"


def test_a_broken_model_directory_says_what_is_wrong(model_directory: Path, tmp_path: Path) -> None:
    """Whatever is wrong with a model directory is a setting to be made right, not a crash."""
    for words in broken_directories(model_directory, tmp_path):
        with pytest.raises(BadSettings, match=words):
            model.load(tmp_path, 1)


def test_labels_come_likeliest_first() -> None:
    """The first synonym is the label; equal probabilities come in the order of the labels."""
    labels = ["tench, Tinca tinca", "goldfish", "shark"]
    found = model.best([0.25, 0.5, 0.25], labels, 2)
    assert [(each.index, each.label, each.class_name, each.probability) for each in found] == [
        (1, "goldfish", "goldfish", 0.5),
        (0, "tench", "tench, Tinca tinca", 0.25),
    ]


def test_what_has_no_probability_is_no_label() -> None:
    """Fewer labels than were asked for come back where the model gives the others nothing."""
    assert [each.label for each in model.best([0.0, 1.0, 1e-9], ["tench", "goldfish", "shark"], 3)] == ["goldfish"]


def test_heads_of_one_backbone_share_its_work(
    model_directory: Path, second_model: Path, prepared: Mapping[str, bytes]
) -> None:
    """Two heads on one backbone give a picture the same embedding, and each the probabilities it gives alone."""
    alone = [model.load(directory, 1)[0] for directory in (model_directory, second_model)]
    (first, _), (second, _) = model.load_all([model_directory, second_model], 1)
    for picture in prepared.values():
        assert [list(each.classify(picture)) for each in (first, second)] == [
            list(each.classify(picture)) for each in alone
        ]
        assert first.embed(picture) == second.embed(picture) == alone[0].embed(picture)


def test_scores_become_probabilities() -> None:
    """Softmax adds up to one, keeps the order and does not overflow."""
    probabilities = model.softmax([1000.0, 999.0, -1000.0])
    assert sum(probabilities) == pytest.approx(1)
    assert probabilities[0] > probabilities[1] > probabilities[2] >= 0


def test_a_quantised_output_is_told_by_its_range() -> None:
    """Probabilities lie between 0 and 1 whatever their values are; anything else is scores."""
    assert model._gives_probabilities(Tensor((1, 9), "B", 1 / 256, 0))
    assert model._gives_probabilities(Tensor((1, 9), "b", 1 / 256, -128))
    assert not model._gives_probabilities(Tensor((1, 9), "B", 0.1, 60))
    assert not model._gives_probabilities(Tensor((1, 9), "b", 1 / 256, 0))


def test_pictures_are_prepared_as_the_model_stores_them() -> None:
    """The usual quantisation takes the bytes as they are; signed and float models get theirs."""
    every = bytes(range(256))
    usual = Tensor((1,), "B", 1 / 128, 127)
    signed = Tensor((1,), "b", 1 / 128, -1)
    exact = Tensor((1,), "f", 1.0, 0)
    assert model._preparation(usual)(every) == every
    assert list(array("b", model._preparation(signed)(every))) == [each - 128 for each in range(256)]
    assert array("f", model._preparation(exact)(bytes([127, 255, 0]))).tolist() == [0.0, 1.0, -127 / 128]
