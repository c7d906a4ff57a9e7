"""EfficientNet-Lite in Keras, from the arrays of the checkpoint. Only the build imports this: it needs TensorFlow.

Batch normalisation is folded into the convolution before it, so that the quantiser sees one operation where there is
one. `same` padding is what the weights were trained with. The last layer is a softmax over the scores divided by a
temperature: an exported model gives probabilities.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tensorflow import keras

from infra.model.variants import TEMPERATURE, Variant

Weights = Mapping[str, NDArray[Any]]

CLASSES = 1000
EPSILON = 1e-3


@dataclass(frozen=True, slots=True)
class Stage:
    """Blocks that follow each other at one resolution; the first one strides and widens."""

    stride: int
    expand: bool = True


STAGES = (Stage(1, expand=False), Stage(2), Stage(2), Stage(2), Stage(1), Stage(2), Stage(1))


@dataclass(frozen=True, slots=True)
class Network:
    """`whole` is `backbone`, from normalised RGB, (batch, size, size, 3), to (batch, 1280), with `head` behind it,
    which goes on to probabilities, (batch, 1000).
    """

    whole: keras.Model
    backbone: keras.Model
    head: keras.Model


def network(weights: Weights, variant: Variant) -> Network:
    """EfficientNet-Lite of this size, with these weights."""
    image = keras.Input((variant.size, variant.size, 3), name="image")
    x = _convolution(image, weights, "_conv_stem", "_bn0", stride=2)
    index = 0
    for stage, repeats in zip(STAGES, variant.repeats, strict=True):
        for repeat in range(repeats):
            x = _block(x, weights, f"_blocks.{index}.", stage.stride if repeat == 0 else 1, expand=stage.expand)
            index += 1
    x = _convolution(x, weights, "_conv_head", "_bn1")
    x = keras.layers.GlobalAveragePooling2D()(x)
    backbone = keras.Model(image, x)
    numbers = keras.Input(x.shape[1:], name="embedding")
    kernel = [weights["_fc.weight"].T / TEMPERATURE, weights["_fc.bias"] / TEMPERATURE]
    head = keras.Model(numbers, _with(keras.layers.Dense(CLASSES, activation="softmax"), numbers, kernel))
    return Network(keras.Model(image, head(x)), backbone, head)


def _block(x: Any, weights: Weights, at: str, stride: int, *, expand: bool) -> Any:
    """An inverted residual: widen, filter each channel, narrow without activation, add the input where shapes agree."""
    start = x
    if expand:
        x = _convolution(x, weights, f"{at}_expand_conv", f"{at}_bn0")
    x = _depthwise(x, weights, f"{at}_depthwise_conv", f"{at}_bn1", stride)
    x = _convolution(x, weights, f"{at}_project_conv", f"{at}_bn2", activate=False)
    return keras.layers.Add()([x, start]) if x.shape == start.shape else x


def _convolution(x: Any, weights: Weights, at: str, norm: str, *, stride: int = 1, activate: bool = True) -> Any:
    kernel, bias = folded(weights[f"{at}.weight"], weights, norm)
    filters, _, size, _ = kernel.shape
    layer = keras.layers.Conv2D(filters, size, stride, padding="same")
    x = _with(layer, x, [kernel.transpose(2, 3, 1, 0), bias])
    return keras.layers.ReLU(6.0)(x) if activate else x


def _depthwise(x: Any, weights: Weights, at: str, norm: str, stride: int) -> Any:
    kernel, bias = folded(weights[f"{at}.weight"], weights, norm)
    layer = keras.layers.DepthwiseConv2D(kernel.shape[-1], stride, padding="same")
    x = _with(layer, x, [kernel.transpose(2, 3, 0, 1), bias])
    return keras.layers.ReLU(6.0)(x)


def folded(kernel: NDArray[Any], weights: Weights, norm: str) -> tuple[NDArray[Any], NDArray[Any]]:
    """Kernel and bias of the one convolution that equals this kernel followed by the batch normalisation `norm`."""
    scale = weights[f"{norm}.weight"] / np.sqrt(weights[f"{norm}.running_var"] + EPSILON)
    bias = weights[f"{norm}.bias"] - weights[f"{norm}.running_mean"] * scale
    return kernel * scale[:, None, None, None], bias


def _with(layer: Any, x: Any, values: list[NDArray[Any]]) -> Any:
    """Apply a layer and give it its weights, which it has only once it knows its input."""
    result = layer(x)
    layer.set_weights(values)
    return result
