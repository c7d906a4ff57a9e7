"""Trains a head: `python -m infra.teaching.training DIRECTORY`, in the virtual environment that has TensorFlow.

Reads `lesson.npz` there, writes `head.tflite` and `report.json`. Regularised logistic regression: a picture costs the
logarithm of how likely its allowed labels are together, each label weighs the same however many examples it has, and
the strength of the regularisation is the one that does best on pictures left out.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

LESSON, HEAD, REPORT = "lesson.npz", "head.tflite", "report.json"
STRENGTHS = (0.03, 0.01, 0.003, 0.001, 0.0003)
PARTS = 5
STEPS = 400

Floats = NDArray[np.float32]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Fitted:
    """Several models side by side: (models, numbers, labels) and (models, 1, labels)."""

    kernels: Floats
    biases: Floats

    def speak(self, numbers: Floats) -> Floats:
        """Probabilities by each model: (models, pictures, labels)."""
        scores = numbers @ self.kernels + self.biases
        powers = np.exp(scores - scores.max(axis=2, keepdims=True))
        return np.asarray(powers / powers.sum(axis=2, keepdims=True), np.float32)


def main(directory: Path) -> None:
    lesson = np.load(directory / LESSON)
    numbers, allowed = lesson["numbers"], lesson["allowed"]
    centre, scale = numbers.mean(axis=0), float(np.sqrt(((numbers - numbers.mean(axis=0)) ** 2).sum(axis=1).mean()))
    eased = (numbers - centre) / np.float32(scale)
    weights = weigh(allowed)
    parts = divide(allowed)
    said, strength = cross_validate(eased, allowed, weights, parts)
    fitted = fit(eased, allowed, weights[None], [strength])
    kernel = fitted.kernels[0] / scale
    bias = fitted.biases[0, 0] - centre @ kernel
    data = export(kernel, bias)
    known = allowed.sum(axis=1) == 1
    confusion = np.zeros((allowed.shape[1], allowed.shape[1]), int)
    np.add.at(confusion, (allowed[known].argmax(axis=1), said[known].argmax(axis=1)), 1)
    report = {"parts": PARTS, "strength": strength, "confusion": confusion.tolist()}
    (directory / HEAD).write_bytes(data)
    (directory / REPORT).write_text(json.dumps(report))


def weigh(allowed: Flags) -> Floats:
    """What each picture counts: all of a label together as much as all of another; of doubtful ones each as one."""
    single = allowed.sum(axis=1) == 1
    counts = np.maximum(allowed[single].sum(axis=0), 1)
    each = np.where(single, (allowed / counts).sum(axis=1), 1 / counts.max())
    return np.asarray(each / each.sum(), np.float32)


def divide(allowed: Flags) -> NDArray[np.int64]:
    """Which part each picture is in: the examples of a label are shared out evenly."""
    kinds = np.unique(allowed, axis=0, return_inverse=True)[1].reshape(-1)
    parts = np.zeros(len(allowed), np.int64)
    chosen = np.random.default_rng(0)
    for kind in range(kinds.max() + 1):
        mine = chosen.permutation(np.flatnonzero(kinds == kind))
        parts[mine] = np.arange(len(mine)) % PARTS
    return parts


def cross_validate(numbers: Floats, allowed: Flags, weights: Floats, parts: NDArray[np.int64]) -> tuple[Floats, float]:
    """What is said of each picture by a model that has not seen it, and the strength with which that is best."""
    left_in = np.stack([weights * (parts != part) for part in range(PARTS)])
    left_in = left_in / left_in.sum(axis=1, keepdims=True)
    outcomes = []
    for strength in STRENGTHS:
        by_part = fit(numbers, allowed, left_in.astype(np.float32), [strength] * PARTS).speak(numbers)
        outcomes.append(by_part[parts, np.arange(len(numbers))])
    losses = [float(-(weights * np.log((said * allowed).sum(axis=1) + 1e-9)).sum()) for said in outcomes]
    best = int(np.argmin(losses))
    return outcomes[best], STRENGTHS[best]


def fit(numbers: Floats, allowed: Flags, weights: Floats, strengths: Sequence[float]) -> Fitted:
    """A model for each row of `weights`, by Nesterov's descent: all are convex, or nearly so, and well conditioned."""
    import tensorflow as tf

    may = tf.constant(allowed, tf.float32)
    shown, counted = tf.constant(numbers), tf.constant(weights[:, :, None])
    decay = tf.constant(np.asarray(strengths, np.float32)[:, None, None])
    # What no curvature exceeds: a step as long as its inverse never goes too far.
    bend = decay + 0.5 * float(1 + (weights @ (numbers**2).sum(axis=1)).max())
    step = 1 / bend
    root = tf.sqrt(bend / decay)
    momentum = (root - 1) / (root + 1)

    @tf.function  # type: ignore[untyped-decorator]
    def descend() -> Any:
        models, labels = len(weights), allowed.shape[1]
        kernel = tf.zeros((models, numbers.shape[1], labels))
        bias = tf.zeros((models, 1, labels))
        ahead_kernel, ahead_bias = kernel, bias
        for _ in tf.range(STEPS):
            given = tf.nn.softmax(shown @ ahead_kernel + ahead_bias)
            fair = given * may
            fair /= tf.reduce_sum(fair, axis=2, keepdims=True) + 1e-9
            error = counted * (given - fair)
            next_kernel = ahead_kernel - step * (tf.matmul(shown, error, transpose_a=True) + decay * ahead_kernel)
            next_bias = ahead_bias - step * tf.reduce_sum(error, axis=1, keepdims=True)
            ahead_kernel = next_kernel + momentum * (next_kernel - kernel)
            ahead_bias = next_bias + momentum * (next_bias - bias)
            kernel, bias = next_kernel, next_bias
        return kernel, bias

    kernels, biases = descend()
    return Fitted(kernels.numpy(), biases.numpy())


def export(kernel: Floats, bias: Floats) -> bytes:
    """The head as the runtime takes it: embeddings in, probabilities out."""
    from tensorflow import keras

    from infra.model import export as exporting

    embedding = keras.Input((kernel.shape[0],), name="embedding")
    layer = keras.layers.Dense(kernel.shape[1], activation="softmax")
    head = keras.Model(embedding, layer(embedding))
    layer.set_weights([kernel, bias])
    return exporting.head(head)


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    main(Path(sys.argv[1]))
