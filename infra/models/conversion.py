"""A Keras model or a SavedModel as a `.tflite`: `python -m infra.models.conversion FRAMING`, where TensorFlow is.

FRAMING is JSON: `source`, `target`, and how a picture becomes the input. One line of JSON says what came of it:
`error`, or `difference`, the largest between what the two say of the photos that come along.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actions.classify.pictures import Frame
from infra.models.own_photos import cut_pixels, read_own_photos

# What rounding explains; more, and the converted model is another.
LIMIT_DIFFERENCE = 0.02
# Of a model in whole numbers it is asked how often it has the same first label.
LEAST_AGREEMENT = 0.8

Inputs = list[NDArray[np.float32]]
Run = Callable[[NDArray[np.float32]], NDArray[Any]]


class Unconvertible(Exception):
    """The model is not from one picture to one row of numbers, or cannot be read."""


def main(told: Mapping[str, Any]) -> None:
    try:
        answer: Mapping[str, Any] = convert(told)
    except Unconvertible as problem:
        answer = {"error": str(problem)}
    print(json.dumps(answer))


def convert(told: Mapping[str, Any]) -> Mapping[str, Any]:
    """Write the target. Raises `Unconvertible`."""
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    side = int(told["size"])
    call = _load(tf, Path(told["source"]), side)
    inputs = list(_prepare_inputs(told))
    # Frozen, because the converter leaves Keras 3's variables in the graph as reads that the runtime refuses.
    concrete = tf.function(call).get_concrete_function(tf.TensorSpec((1, side, side, 3), tf.float32))
    try:
        converter = tf.lite.TFLiteConverter.from_concrete_functions([convert_variables_to_constants_v2(concrete)])
        if told["quantise"]:
            _quantise(tf, converter, inputs)
        data = bytes(converter.convert())
    except (ValueError, RuntimeError, tf.errors.OpError) as problem:
        raise Unconvertible(f"it cannot be converted: {_last_line(problem)}") from None
    Path(told["target"]).write_bytes(data)
    return _compare(lambda each: np.asarray(call(tf.constant(each))), _run_converted(data), inputs, told)


def _load(tf: Any, source: Path, side: int) -> Callable[[Any], Any]:
    """From a float picture to what the model says of it."""
    try:
        if source.is_dir():
            return _find_signature(tf, source, side)
        # In safe mode a file brings layers and weights, and no code of anybody's.
        model = tf.keras.models.load_model(source, compile=False, safe_mode=True)
    except Unconvertible:
        raise
    # Whatever a file of somebody's holds: Keras has no class for what it cannot read.
    except Exception as problem:  # noqa: BLE001
        raise Unconvertible(f"it cannot be read: {_last_line(problem)}") from None
    _check_shapes([tuple(each.shape) for each in model.inputs], side)
    if len(model.outputs) != 1:
        raise Unconvertible(f"it has {len(model.outputs)} outputs, expected one")
    return lambda picture: model(tf.cast(picture, model.inputs[0].dtype), training=False)


def _find_signature(tf: Any, source: Path, side: int) -> Callable[[Any], Any]:
    loaded = tf.saved_model.load(str(source))
    signature = loaded.signatures.get("serving_default")
    if signature is None:
        raise Unconvertible("the SavedModel has no signature serving_default")
    taken = signature.structured_input_signature[1]
    _check_shapes([tuple(each.shape) for each in taken.values()], side)
    if len(signature.structured_outputs) != 1:
        raise Unconvertible(f"serving_default has {len(signature.structured_outputs)} outputs, expected one")
    ((name, spec),), (given,) = taken.items(), signature.structured_outputs

    def call(picture: Any) -> Any:
        # `loaded` holds the variables.
        return loaded.signatures["serving_default"](**{name: tf.cast(picture, spec.dtype)})[given]

    return call


def _check_shapes(shapes: list[tuple[Any, ...]], side: int) -> None:
    if len(shapes) != 1:
        raise Unconvertible(f"it has {len(shapes)} inputs, expected one picture")
    (shape,) = shapes
    if len(shape) != 4 or any(
        each not in (None, wanted) for each, wanted in zip(shape, (1, side, side, 3), strict=True)
    ):
        raise Unconvertible(f"its input is {shape}, expected (1, {side}, {side}, 3): say --size")


def _prepare_inputs(told: Mapping[str, Any]) -> Iterator[NDArray[np.float32]]:
    frame = Frame(int(told["size"]), float(told["crop"]))
    for image in read_own_photos():
        pixels = np.frombuffer(cut_pixels(image, frame), np.uint8).reshape(1, frame.side, frame.side, 3)
        yield (pixels.astype(np.float32) - np.float32(told["mean"])) / np.float32(told["scale"])


def _quantise(tf: Any, converter: Any, inputs: Inputs) -> None:
    """Whole numbers within, and floats at both ends, so that small probabilities are none of 0."""
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([each] for each in inputs)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]


def _run_converted(data: bytes) -> Run:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=data, num_threads=1)
    interpreter.allocate_tensors()
    taken, given = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]

    def run(picture: NDArray[np.float32]) -> NDArray[Any]:
        interpreter.set_tensor(taken, picture)
        interpreter.invoke()
        return np.array(interpreter.get_tensor(given))

    return run


def _compare(before: Run, after: Run, inputs: Inputs, told: Mapping[str, Any]) -> Mapping[str, Any]:
    pairs = [(_soften(before(each)), _soften(after(each))) for each in inputs]
    difference = max(float(np.abs(one - other).max()) for one, other in pairs)
    agreement = float(np.mean([one.argmax() == other.argmax() for one, other in pairs]))
    if told["quantise"] and agreement < LEAST_AGREEMENT:
        raise Unconvertible(
            f"in whole numbers it says the same of {agreement:.0%} of photos only: leave out --quantise"
        )
    if not told["quantise"] and difference > LIMIT_DIFFERENCE:
        raise Unconvertible(f"converted, it says something else: by up to {difference:.3f}")
    return {"difference": round(difference, 4), "agreement": round(agreement, 4), "photos": len(pairs)}


def _soften(values: NDArray[Any]) -> NDArray[np.float64]:
    """Probabilities, of those or of scores."""
    flat = np.asarray(values, np.float64).reshape(-1)
    if flat.min() >= 0 and abs(flat.sum() - 1) < 0.01:
        return flat
    powers = np.exp(flat - flat.max())
    return np.asarray(powers / powers.sum())


def _last_line(problem: Exception) -> str:
    lines = [line.strip() for line in str(problem).splitlines() if line.strip()]
    return (lines[0] if lines else type(problem).__name__)[:200]


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    main(json.loads(sys.argv[1]))
