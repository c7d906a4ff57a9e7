"""Builds a model: `python -m infra.model.build DIRECTORY`, in the virtual environment that has TensorFlow.

The directory's name says which. It appears complete, under its name, or not at all. Each stage is a line on stdout.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sysconfig
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from infra import paths
from infra.model import check, labels, photos, weights
from infra.model.card import BACKBONE, CARD, HEAD, SAVED_MODEL, Card, recipe
from infra.model.variants import VARIANTS, Variant

# Scale and zero point that make a byte of the image the quantised value itself.
RAW = (1 / 128, 127)

Classify = Callable[[NDArray[np.uint8]], NDArray[Any]]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m infra.model.build", description=__doc__)
    parser.add_argument("directory", type=Path, help=f"becomes the model directory: {' or '.join(VARIANTS)}")
    directory = parser.parse_args(arguments).directory
    if directory.name not in VARIANTS:
        parser.error(f"there is no recipe for {directory.name}")
    with replacing(directory) as place:
        build(VARIANTS[directory.name], place, Path(sysconfig.get_path("purelib")))


def build(variant: Variant, directory: Path, packages: Path) -> None:
    """Write model, SavedModel and card into an empty directory. Raises `check.Unfit` rather than write a poor model."""
    say("reading the weights")
    arrays = weights.read(packages / variant.checkpoint)
    names = labels.read(packages / "timm/data/_info")
    say("starting TensorFlow")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from infra.model import export  # TensorFlow takes seconds to import and speaks at once: only here, and only now
    from infra.model.network import network

    model = network(arrays, variant)
    say("quantising to whole numbers")
    backbone = export.backbone(model.backbone, photos.inputs(packages, photos.CALIBRATING, variant))
    head = export.head(model.head)
    say("comparing with full precision")
    accuracy = examine(_keras(model.whole, export.normalised), litert(backbone, head), names, packages, variant)
    say("writing the SavedModel")
    export.save(model.whole, directory / SAVED_MODEL)
    card = Card(variant, backbone, head, recipe(paths.ROOT), names, accuracy)
    write(directory / BACKBONE, backbone)
    write(directory / HEAD, head)
    write(directory / CARD, json.dumps(card.dump(), indent=1, ensure_ascii=False).encode())


def examine(
    reference: Classify, other: Classify, names: Sequence[str], packages: Path, variant: Variant
) -> dict[str, Any]:
    """The card's `accuracy`: agreement of the two, and what `other` says of the known photos."""
    images = list(photos.inputs(packages, photos.CHECKING, variant))
    outputs = [other(image) for image in images]
    found = check.agreement([reference(image) for image in images], outputs)
    whole = dict(zip((photo.name for photo in photos.PHOTOS), outputs[:: len(photos.CHECKING)], strict=True))
    said = {name: names[int(output.argmax())].split(", ")[0] for name, output in whole.items()}
    expected = {photo.name: photo.label for photo in photos.PHOTOS if photo.label and photo.name in variant.known}
    check.demand(found, said, expected)
    known = {name: {"label": said[name], "probability": round(float(whole[name].max()), 3)} for name in whole}
    return {"agreement": found.dump(), "photos": known}


def _keras(model: Any, normalised: Callable[[NDArray[np.uint8]], NDArray[np.float32]]) -> Classify:
    return lambda image: np.asarray(model(normalised(image)[None], training=False))[0]


def litert(backbone: bytes, head: bytes) -> Classify:
    """The model in the runtime that will serve it. Raises `check.Unfit` when its input is other than raw bytes."""
    look, speak = _interpreter(backbone), _interpreter(head)
    (into,), (out,) = look.get_input_details(), look.get_output_details()
    if into["quantization"] != RAW:
        raise check.Unfit(f"raw bytes are not the model's input: it is quantised by {into['quantization']}, not {RAW}")
    scale, zero = out["quantization"]

    def classify(image: NDArray[np.uint8]) -> NDArray[Any]:
        levels = _run(look, image[None])
        numbers = (levels.astype(np.float32) - np.float32(zero)) * np.float32(scale)
        probabilities: NDArray[Any] = _run(speak, numbers)[0]
        return probabilities

    return classify


def _interpreter(data: bytes) -> Any:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=data, num_threads=1)
    interpreter.allocate_tensors()
    return interpreter


def _run(interpreter: Any, values: NDArray[Any]) -> NDArray[Any]:
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], values)
    interpreter.invoke()
    return np.array(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]))


@contextmanager
def replacing(directory: Path) -> Iterator[Path]:
    """A new directory beside this one that takes its place once the block has ended well, and is gone otherwise.

    Removes what a killed run left; so only one may run at a time, which set-up sees to.
    """
    directory.parent.mkdir(parents=True, exist_ok=True)
    for left in directory.parent.glob(f".{directory.name}-*"):
        shutil.rmtree(left)
    with tempfile.TemporaryDirectory(prefix=f".{directory.name}-", dir=directory.parent) as beside:
        fresh, former = Path(beside, "fresh"), Path(beside, "former")
        fresh.mkdir()
        yield fresh
        if directory.exists():
            directory.rename(former)
        fresh.rename(directory)


def write(path: Path, data: bytes) -> None:
    """Write and flush to disk, so that a directory that has its name after a power cut also has its bytes."""
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def say(stage: str) -> None:
    print("stage:", stage, flush=True)


if __name__ == "__main__":
    main()
