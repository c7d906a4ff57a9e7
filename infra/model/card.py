"""The model card: what a model directory says of itself, and whether to believe it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from actions.classify.card import digest_of
from infra.model.variants import Variant

BACKBONE = "backbone.tflite"
HEAD = "head.tflite"
FILES = {"backbone": BACKBONE, "head": HEAD}
CARD = "card.json"
SAVED_MODEL = "saved_model"

# What decides the bytes of the model. The checks may change without a build; so may the decoding of pictures, since
# calibration asks no more of it than a fair sample.
INGREDIENTS = (
    "infra/model/weights.py",
    "infra/model/network.py",
    "infra/model/photos.py",
    "infra/model/labels.py",
    "infra/model/export.py",
    "infra/model/card.py",
    "infra/model/variants.py",
    "requirements/model.txt",
    "requirements/model-data.txt",
)

# Former recipes of which this one's outcome is no other byte, so that nobody need build again. Whoever changes the
# outcome empties it.
EQUAL_RECIPES = ("sha256:a8be1f394b20ce44c54844c79f4026f5c1c2a08ce734e63b89f3f3fb53fb1600",)


@dataclass(frozen=True, slots=True)
class Card:
    """`recipe` is the digest of what the model was built with; `accuracy` is what the build itself measured."""

    variant: Variant
    backbone: bytes
    head: bytes
    recipe: str
    labels: Sequence[str]
    accuracy: Mapping[str, Any]

    def dump(self) -> dict[str, Any]:
        return {
            "name": self.variant.name,
            "digest": digest_of((digest(self.backbone), digest(self.head))),
            "backbone": {"file": BACKBONE, "digest": digest(self.backbone), "size": len(self.backbone)},
            "head": {"file": HEAD, "digest": digest(self.head), "size": len(self.head)},
            "size": len(self.backbone) + len(self.head),
            "licence": "Apache-2.0",
            "source": f"PyPI {self.variant.package} ({self.variant.network}, trained on ImageNet-1k)",
            "labelsSource": "WordNet 3.0, by way of PyPI timm",
            "input": {"size": self.variant.size, "crop": self.variant.crop, "resample": "bicubic"},
            "savedModel": SAVED_MODEL,
            "recipe": self.recipe,
            "calibration": dict(self.variant.calibration),
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
    if card.get("recipe") not in (expected_recipe, *EQUAL_RECIPES):
        return "it was built by another recipe"
    return None if (directory / SAVED_MODEL / "saved_model.pb").is_file() else "its SavedModel is missing"


def _said(card: Mapping[str, Any], part: str) -> object:
    described = card.get(part)
    return described.get("digest") if isinstance(described, dict) else None
