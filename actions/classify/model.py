"""The model behind `classify`: one seam, two backends.

LiteRT, TensorFlow's own small runtime, serves by default. A SavedModel is served by TensorFlow itself, which costs
seconds and hundreds of megabytes to import, so that happens only when a model directory holds nothing smaller.
"""

from __future__ import annotations

import hashlib
import json
import math
from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from actions.classify.litert import Interpreter, Tensor
from actions.classify.pictures import Frame
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
    # Sorting keeps equals in order, backwards too; it is quicker than a heap that must be told how to compare.
    order = sorted(range(len(probabilities)), key=probabilities.__getitem__, reverse=True)[:count]
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
        with (directory / str(card.file)).open("rb") as file:
            digest = "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()
            _agree(card, digest)
            # By its descriptor: the file that is mapped is the file that was read, whatever the name means by now.
            self._interpreter = Interpreter(Path(f"/proc/self/fd/{file.fileno()}"), threads)
        self.reference = ModelReference(card.name, digest)
        self.frame = card.frame
        self._check(card)
        self._prepare = _preparation(self._interpreter.input)
        self._reals = _reading(self._interpreter.output)

    def _check(self, card: Card) -> None:
        side, taken, given = card.frame.side, self._interpreter.input.shape, self._interpreter.output.shape
        if taken != (1, side, side, 3):
            raise BadSettings(f"card.json: input.size is {side}, but the model takes {taken}")
        if given != (1, len(card.labels)):
            raise BadSettings(f"card.json: {len(card.labels)} labels, but the model gives {given}")

    def classify(self, pixels: bytes) -> Sequence[float]:
        output = self._interpreter.output
        values = self._reals(self._interpreter.run(self._prepare(pixels)))
        done = _add_up(values) if output.typecode == "f" else _gives_probabilities(output)
        return values if done else softmax(values)


def _preparation(tensor: Tensor) -> Callable[[bytes], bytes]:
    """From bytes of a picture to what the model stores for (byte - 127) / 128; the very same bytes, as a rule."""
    reals = [(byte - 127) / 128 for byte in range(256)]
    if tensor.typecode == "f":
        return lambda pixels: array("f", map(reals.__getitem__, pixels)).tobytes()
    table = bytes(tensor.stored(real) & 0xFF for real in reals)
    if table == bytes(range(256)):
        return bytes
    return lambda pixels: pixels.translate(table)


def _reading(tensor: Tensor) -> Callable[[array[Any]], list[float]]:
    """From what the model stores to what that means."""
    if tensor.typecode == "f":
        return list
    # Negative ones count from the end.
    signed = (byte - 256 if tensor.typecode == "b" and byte > 127 else byte for byte in range(256))
    reals = [tensor.real(stored) for stored in signed]
    return lambda values: [reals[value] for value in values]


def _agree(card: Card, digest: str) -> None:
    if card.digest is not None and card.digest != digest:
        raise BadSettings(f"card.json: digest is {card.digest}, but the file's is {digest}; build the model again")


def _gives_probabilities(tensor: Tensor) -> bool:
    """Whether a quantised output is a softmax's: its range says so.

    Its values do not: a thousand rounded probabilities may all be zero.
    """
    least, most = (-128, 127) if tensor.typecode == "b" else (0, 255)
    return tensor.real(least) >= 0 and tensor.real(most) <= 1.01


def _add_up(values: Sequence[float]) -> bool:
    return min(values) >= 0 and abs(math.fsum(values) - 1) < 0.01


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
        return values if _add_up(values) else softmax(values)


def directory_digest(directory: Path) -> str:
    """One digest for all files of a directory: of the sorted list of their names and digests."""
    lines = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(directory).as_posix()}\n"
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    ]
    return "sha256:" + hashlib.sha256("".join(lines).encode()).hexdigest()
