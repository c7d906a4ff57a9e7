"""The model behind `classify`: one seam, two backends.

LiteRT, TensorFlow's own small runtime, serves by default. A SavedModel is served by TensorFlow itself, which costs
seconds and hundreds of megabytes to import, so that happens only when a model directory holds nothing smaller.
"""

from __future__ import annotations

import hashlib
import heapq
import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from actions.classify.images import Frame
from actions.errors import BadSettings
from actions.messages import Classification, ModelReference


class Model(Protocol):
    """A classifier that is loaded. Not safe to call from two threads at once."""

    @property
    def reference(self) -> ModelReference:
        """Its name, and the digest of the very bytes that were loaded."""
        ...

    @property
    def frame(self) -> Frame:
        """How it wants its pictures cut."""
        ...

    def classify(self, pixels: bytes) -> Sequence[float]:
        """The probability of each label, for rows of red, green and blue bytes as `frame` says."""
        ...


@dataclass(frozen=True, slots=True)
class Card:
    """What a model's directory says of it in `card.json`. Exactly one of `file` and `saved_model` is served."""

    name: str
    file: str | None
    saved_model: str | None
    digest: str | None
    frame: Frame
    labels: tuple[str, ...]

    @classmethod
    def read(cls, directory: Path) -> Card:
        """Raises `BadSettings` where there is no card or it lacks something."""
        try:
            return cls.parse(json.loads((directory / "card.json").read_bytes()))
        except OSError as error:
            raise BadSettings(f"PIXWHISK_MODEL: no card.json in {directory} ({error.strerror})") from None
        except KeyError as missing:
            raise BadSettings(f"card.json: {missing.args[0]} is missing") from None
        except (TypeError, ValueError):
            raise BadSettings("card.json: not a model card") from None

    @classmethod
    def parse(cls, raw: Mapping[str, Any]) -> Card:
        wanted = raw["input"]
        if raw.get("file") is None and raw.get("savedModel") is None:
            raise KeyError("file")
        return cls(
            name=raw["name"],
            file=raw.get("file"),
            saved_model=raw.get("savedModel"),
            digest=raw.get("digest"),
            frame=Frame(int(wanted["size"]), float(wanted["crop"])),
            labels=tuple(raw["labels"]),
        )


def load(directory: Path, threads: int) -> tuple[Model, Card]:
    """Load the model that a directory's card names. Takes some 20 ms; raises `BadSettings` where it cannot be used."""
    card = Card.read(directory)
    try:
        model: Model = (
            LiteRtModel(directory, card, threads) if card.file is not None else SavedModel(directory, card, threads)
        )
    except (OSError, ValueError, RuntimeError, ImportError) as error:
        raise BadSettings(f"PIXWHISK_MODEL: {directory} cannot be loaded: {error}") from None
    return model, card


def best(probabilities: Sequence[float], labels: Sequence[str], count: int) -> tuple[Classification, ...]:
    """The `count` likeliest labels, likeliest first; the lower index first where equal."""
    order = heapq.nsmallest(count, range(len(probabilities)), key=lambda index: (-probabilities[index], index))
    return tuple(_classification(index, labels, probabilities[index]) for index in order)


def _classification(index: int, labels: Sequence[str], probability: float) -> Classification:
    class_name = labels[index]
    return Classification(index, class_name.split(", ")[0], class_name, round(probability, 6))


def softmax(values: Sequence[float]) -> list[float]:
    """Scores → probabilities."""
    most = max(values)
    powers = [math.exp(value - most) for value in values]
    total = math.fsum(powers)
    return [power / total for power in powers]


class LiteRtModel:
    """A `.tflite` file under LiteRT; its input and output may be quantised or float."""

    def __init__(self, directory: Path, card: Card, threads: int) -> None:
        # One thread an inference is the most work a core can do; OpenBLAS would start one per core for nothing.
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
        from ai_edge_litert.interpreter import Interpreter  # late: it brings numpy

        with (directory / str(card.file)).open("rb") as file:
            digest = "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()
            _agree(card, digest)
            # By its descriptor: the file that is mapped is the file that was read, whatever the name means by now.
            self._interpreter = Interpreter(model_path=f"/proc/self/fd/{file.fileno()}", num_threads=threads)
            self._interpreter.allocate_tensors()
        self.reference = ModelReference(card.name, digest)
        self.frame = card.frame
        (self._input,) = self._interpreter.get_input_details()
        (self._output,) = self._interpreter.get_output_details()
        self._check(card)

    def _check(self, card: Card) -> None:
        side = card.frame.side
        if tuple(self._input["shape"]) != (1, side, side, 3):
            raise BadSettings(f"card.json: input.size is {side}, but the model takes {list(self._input['shape'])}")
        if int(self._output["shape"][-1]) != len(card.labels):
            raise BadSettings(
                f"card.json: {len(card.labels)} labels, but the model gives {int(self._output['shape'][-1])}"
            )

    def classify(self, pixels: bytes) -> Sequence[float]:
        import numpy as np  # loaded with the interpreter

        picture = np.frombuffer(pixels, np.uint8).reshape(self._input["shape"])
        if self._input["dtype"] != np.uint8:
            picture = (picture.astype(self._input["dtype"]) - 127) / 128
        self._interpreter.set_tensor(self._input["index"], picture)
        self._interpreter.invoke()
        scores = self._interpreter.get_tensor(self._output["index"])[0]
        scale, zero = self._output["quantization"]
        values: list[float] = ((scores.astype(float) - zero) * scale if scale else scores).tolist()
        return values if _are_probabilities(values) else softmax(values)


def _agree(card: Card, digest: str) -> None:
    if card.digest is not None and card.digest != digest:
        raise BadSettings(f"card.json: digest is {card.digest}, but the file's is {digest}; build the model again")


def _are_probabilities(values: Sequence[float]) -> bool:
    # A thousand quantised probabilities each round by up to half a step, so their sum says less than their range.
    return min(values) >= 0 and max(values) <= 1.01 and 0.5 < math.fsum(values) < 2


class SavedModel:
    """A TensorFlow SavedModel. Float inputs get (value - 127) / 128, as the default model was trained."""

    def __init__(self, directory: Path, card: Card, threads: int) -> None:
        import tensorflow as tf  # late: seconds and hundreds of megabytes

        tf.config.threading.set_intra_op_parallelism_threads(threads)
        path = directory / str(card.saved_model)
        self.reference = ModelReference(card.name, directory_digest(path))
        _agree(card, self.reference.digest)
        self.frame = card.frame
        self._tensorflow = tf
        self._module = tf.saved_model.load(str(path))
        self._serve = self._module.signatures["serving_default"]
        (self._name, self._input), *_ = self._serve.structured_input_signature[1].items()

    def classify(self, pixels: bytes) -> Sequence[float]:
        tensorflow = self._tensorflow
        picture = tensorflow.reshape(
            tensorflow.io.decode_raw(pixels, "uint8"), (1, self.frame.side, self.frame.side, 3)
        )
        if self._input.dtype != tensorflow.uint8:
            picture = (tensorflow.cast(picture, self._input.dtype) - 127) / 128
        (scores,) = self._serve(**{self._name: picture}).values()
        values: list[float] = scores.numpy()[0].tolist()
        return values if _are_probabilities(values) else softmax(values)


def directory_digest(directory: Path) -> str:
    """One digest for all files of a directory: of the sorted list of their names and digests."""
    lines = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(directory).as_posix()}\n"
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    ]
    return "sha256:" + hashlib.sha256("".join(lines).encode()).hexdigest()
