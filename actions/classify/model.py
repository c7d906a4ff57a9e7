"""The model behind `classify`: one seam, two backends.

LiteRT, TensorFlow's own small runtime, serves by default. A SavedModel is served by TensorFlow itself, which costs
seconds and hundreds of megabytes to import, so that happens only when a model directory holds nothing smaller.
"""

from __future__ import annotations

import hashlib
import math
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from actions.classify.card import ModelCard, Part, digest_of
from actions.classify.litert import Interpreter, Tensor
from actions.classify.pictures import Frame
from actions.errors import BadSettings
from actions.messages import Classification, Embedding, ModelReference

# What is less rounds to nothing in a row.
_LEAST = 0.000001


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

    @property
    def body(self) -> str:
        """The digest of what looks at pixels: models that have it in common have its memory in common."""
        ...

    def classify(self, pixels: bytes) -> Sequence[float]:
        """The probability of each label, for rows of red, green and blue bytes as `frame` says."""
        ...

    def embed(self, pixels: bytes) -> Embedding | None:
        """The numbers between backbone and head; None where a model has no such place."""
        ...


def load(directory: Path, threads: int) -> tuple[Model, ModelCard]:
    """Load the model that a directory's card names. Takes some 20 ms; raises `BadSettings` where it cannot be used."""
    (loaded,) = load_all([directory], threads)
    return loaded


def load_all(directories: Sequence[Path], threads: int) -> Sequence[tuple[Model, ModelCard]]:
    """Load models side by side: those with the same backbone share it, and it looks at a picture once for all."""
    backbones: dict[str, Backbone] = {}
    return [_load(directory, threads, backbones) for directory in directories]


def _load(directory: Path, threads: int, backbones: dict[str, Backbone]) -> tuple[Model, ModelCard]:
    card = ModelCard.read(directory)
    try:
        return _open(directory, card, threads, backbones), card
    except (OSError, ValueError, RuntimeError, ImportError) as error:
        raise BadSettings(f"PIXWHISK_MODEL: {directory} cannot be loaded: {error}") from None


def _open(directory: Path, card: ModelCard, threads: int, backbones: dict[str, Backbone]) -> Model:
    match card.parts:
        case (backbone, head):
            return HeadedModel(directory, card, threads, _share_backbone(directory, backbone, threads, backbones), head)
        case (whole,):
            return LiteRtModel(directory, card, threads, whole)
    return SavedModel(directory, card, threads)


def _share_backbone(directory: Path, part: Part, threads: int, backbones: dict[str, Backbone]) -> Backbone:
    known = backbones.get(part.digest or "")
    if known is not None:
        return known
    opened = open_part(directory, part, threads)
    return backbones.setdefault(opened.digest, Backbone(opened))


def best(probabilities: Sequence[float], labels: Sequence[str], count: int) -> Sequence[Classification]:
    """The `count` likeliest labels, likeliest first; the lower index first where equal. Fewer, where there are fewer:
    what the model gives no probability is no label.
    """
    # Sorting keeps equals in order, backwards too; it is quicker than a heap that must be told how to compare.
    order = sorted(range(len(probabilities)), key=probabilities.__getitem__, reverse=True)[:count]
    # No tuple: Python 3.11 keeps up to 2000 freed ones of each length, but those of 20, and those that a generator
    # fills, it never takes from there. A container would grow by half a megabyte in its first thousand calls.
    return [_classification(index, labels, probabilities[index]) for index in order if probabilities[index] >= _LEAST]


def _classification(index: int, labels: Sequence[str], probability: float) -> Classification:
    class_name = labels[index]
    return Classification(index, class_name.split(", ")[0], class_name, round(probability, 6))


def softmax(values: Sequence[float]) -> list[float]:
    """Scores → probabilities."""
    most = max(values)
    powers = [math.exp(value - most) for value in values]
    total = math.fsum(powers)
    return [power / total for power in powers]


@dataclass(frozen=True, slots=True)
class Opened:
    """A file under LiteRT, and the digest of the very bytes that were loaded."""

    interpreter: Interpreter
    digest: str


def open_part(directory: Path, part: Part, threads: int) -> Opened:
    """Raises `BadSettings` where the file is not the one that the card describes."""
    with (directory / part.file).open("rb") as file:
        digest = "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()
        _agree(part.digest, digest)
        # By its descriptor: the file that is mapped is the file that was read, whatever the name means by now.
        return Opened(Interpreter(Path(f"/proc/self/fd/{file.fileno()}"), threads), digest)


class LiteRtModel:
    """One `.tflite` file from pixels to labels; its input and output may be quantised or float."""

    def __init__(self, directory: Path, card: ModelCard, threads: int, whole: Part) -> None:
        opened = open_part(directory, whole, threads)
        self.reference = ModelReference(card.name, opened.digest)
        self.body = opened.digest
        self.frame = card.frame
        self._interpreter = opened.interpreter
        _check_input(card, opened.interpreter.input)
        self._output = _find_labelled(card, opened.interpreter.outputs)
        self._prepare = _preparation(opened.interpreter.input, card.mean, card.scale)
        self._probabilities = _make_probability_reader(opened.interpreter.outputs[self._output])

    def classify(self, pixels: bytes) -> Sequence[float]:
        return self._probabilities(self._interpreter.run(self._prepare(pixels))[self._output])

    def embed(self, pixels: bytes) -> None:
        """There is no place to read numbers from between pixels and labels."""


class Backbone:
    """From pixels to numbers. It remembers the last picture, because several heads ask about each in turn."""

    def __init__(self, opened: Opened) -> None:
        self.digest = opened.digest
        self.input, self.output = opened.interpreter.input, opened.interpreter.outputs[0]
        if self.output.typecode != "B":
            raise ValueError("the backbone's output is not uint8")
        self._interpreter = opened.interpreter
        self._prepare = _preparation(opened.interpreter.input)
        self._last: tuple[bytes, bytes] | None = None

    def embed(self, pixels: bytes) -> bytes:
        """The stored numbers for this picture. Asked again about the same bytes object, it does not look again."""
        if self._last is None or self._last[0] is not pixels:
            self._last = pixels, self._interpreter.run(self._prepare(pixels))[0].tobytes()
        return self._last[1]


class HeadedModel:
    """A backbone, which others may share, and a head of its own."""

    def __init__(self, directory: Path, card: ModelCard, threads: int, backbone: Backbone, part: Part) -> None:
        head = open_part(directory, part, threads)
        self.reference = ModelReference(card.name, digest_of((backbone.digest, head.digest)))
        _agree(card.digest, self.reference.digest)
        self.frame = card.frame
        self.body = backbone.digest
        self._backbone, self._head = backbone, head.interpreter
        _check_input(card, backbone.input)
        if head.interpreter.input.shape != backbone.output.shape:
            raise BadSettings(
                f"card.json: the head takes {head.interpreter.input.shape},"
                f" but its backbone gives {backbone.output.shape}"
            )
        self._feed = _make_feed(backbone.output, head.interpreter.input)
        self._output = _find_labelled(card, head.interpreter.outputs)
        self._probabilities = _make_probability_reader(head.interpreter.outputs[self._output])

    def classify(self, pixels: bytes) -> Sequence[float]:
        return self._probabilities(self._head.run(self._feed(self._backbone.embed(pixels)))[self._output])

    def embed(self, pixels: bytes) -> Embedding:
        given = self._backbone.output
        return Embedding(self._backbone.digest, given.scale, given.zero_point, self._backbone.embed(pixels))


def _check_input(card: ModelCard, taken: Tensor) -> None:
    side = card.frame.side
    if taken.shape != (1, side, side, 3):
        raise BadSettings(f"card.json: input.size is {side}, but the model takes {taken.shape}")


def _find_labelled(card: ModelCard, outputs: Sequence[Tensor]) -> int:
    """Which output has a number for each label: the first that is as long as there are labels."""
    for index, output in enumerate(outputs):
        if output.shape == (1, len(card.labels)):
            return index
    raise BadSettings(
        f"card.json: {len(card.labels)} labels, but the model gives {', '.join(str(each.shape) for each in outputs)}"
    )


def _make_probability_reader(output: Tensor) -> Callable[[array[Any]], Sequence[float]]:
    """From what the model stores for its labels to their probabilities."""
    reals = _make_reader(output)

    def probabilities(stored: array[Any]) -> Sequence[float]:
        values = reals(stored)
        done = _add_up(values) if output.typecode == "f" else _gives_probabilities(output)
        return values if done else softmax(values)

    return probabilities


def _make_feed(source: Tensor, target: Tensor) -> Callable[[bytes], bytes]:
    """From the backbone's stored bytes to what the head stores for the same numbers."""
    reals = [source.real(stored) for stored in range(256)]
    if target.typecode == "f":
        return lambda stored: array("f", map(reals.__getitem__, stored)).tobytes()
    table = bytes(target.quantize(real) & 0xFF for real in reals)
    return lambda stored: stored.translate(table)


def _preparation(tensor: Tensor, mean: float = 127, scale: float = 128) -> Callable[[bytes], bytes]:
    """From bytes of a picture to what the model stores for (byte - mean) / scale; the very same bytes, as a rule."""
    reals = [(byte - mean) / scale for byte in range(256)]
    if tensor.typecode == "f":
        return lambda pixels: array("f", map(reals.__getitem__, pixels)).tobytes()
    table = bytes(tensor.quantize(real) & 0xFF for real in reals)
    if table == bytes(range(256)):
        return bytes
    return lambda pixels: pixels.translate(table)


def _make_reader(tensor: Tensor) -> Callable[[array[Any]], list[float]]:
    """From what the model stores to what that means."""
    if tensor.typecode == "f":
        return list
    # Negative ones count from the end.
    signed = (byte - 256 if tensor.typecode == "b" and byte > 127 else byte for byte in range(256))
    reals = [tensor.real(stored) for stored in signed]
    return lambda values: [reals[value] for value in values]


def _agree(said: str | None, digest: str) -> None:
    if said is not None and said != digest:
        raise BadSettings(f"card.json: digest is {said}, but the file's is {digest}; build the model again")


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

    def __init__(self, directory: Path, card: ModelCard, threads: int) -> None:
        import tensorflow as tf  # late: seconds and hundreds of megabytes

        tf.config.threading.set_intra_op_parallelism_threads(threads)
        path = directory / str(card.saved_model)
        self.reference = ModelReference(card.name, directory_digest(path))
        self.body = self.reference.digest
        _agree(card.digest, self.reference.digest)
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

    def embed(self, pixels: bytes) -> None:
        """A SavedModel gives its labels alone."""


def directory_digest(directory: Path) -> str:
    """One digest for all files of a directory: of the sorted list of their names and digests."""
    lines = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(directory).as_posix()}\n"
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    ]
    return "sha256:" + hashlib.sha256("".join(lines).encode()).hexdigest()
