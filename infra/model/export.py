"""From Keras models to the files that serve: backbone and head for LiteRT, and a SavedModel. Needs TensorFlow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

# Normalised = (byte - 127) / 128, so that the quantised input is the raw byte: scale 1/128, zero point 127.
SHIFT = 127.0
SCALE = 128.0


def backbone(model: Any, images: Iterable[NDArray[np.uint8]]) -> bytes:
    """A LiteRT model in whole numbers throughout, raw RGB in and numbers out, both as bytes; a batch of one."""
    samples = [normalised(image)[None] for image in images]

    def representative() -> Iterator[list[Any]]:
        yield from ([sample] for sample in samples)

    converter = _converter(model, samples[0].shape)
    converter.representative_dataset = representative
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.uint8
    return bytes(converter.convert())


def head(model: Any) -> bytes:
    """A LiteRT model with weights of eight bits, but float numbers in and float probabilities out: as bytes, all that
    is unlikely would be 0.
    """
    return bytes(_converter(model, (1, *model.input_shape[1:])).convert())


def _converter(model: Any, shape: tuple[int, ...]) -> Any:
    """Variables are frozen first: the converter leaves Keras 3's in the graph as reads that the runtime refuses."""
    call = tf.function(lambda values: model(values, training=False))
    frozen = convert_variables_to_constants_v2(call.get_concrete_function(tf.TensorSpec(shape, tf.float32)))
    converter = tf.lite.TFLiteConverter.from_concrete_functions([frozen])
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    return converter


def normalised(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    return (image.astype(np.float32) - np.float32(SHIFT)) / np.float32(SCALE)


def save(model: Any, directory: Path) -> None:
    """A SavedModel in full precision: `image` (n, 224, 224, 3), raw RGB bytes, to `probabilities` (n, 1000)."""
    module = tf.Module()
    module.model = model
    spec = tf.TensorSpec([None, *model.input_shape[1:]], tf.uint8, name="image")

    @tf.function(input_signature=[spec])  # type: ignore[untyped-decorator]
    def serve(image: Any) -> dict[str, Any]:
        return {"probabilities": model((tf.cast(image, tf.float32) - SHIFT) / SCALE, training=False)}

    tf.saved_model.save(module, str(directory), signatures={"serving_default": serve})
