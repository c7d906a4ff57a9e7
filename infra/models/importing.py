"""A model of one's own, tried before it is let in: a `.tflite` from pixels to one number a label."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra import paths
from infra.models.installed import NAME, BadModel, InstalledModel, find_installed, list_installed

FILE = "model.tflite"
LIMIT_LABEL = 300
# A container has 128 MB, and what it decodes needs the rest.
LIMIT_MEGABYTES = 96
TIMEOUT_TRIAL = 120


@dataclass(frozen=True, slots=True)
class InputFraming:
    """How a picture becomes the input: the centre square, `crop` of the short side, in `size` pixels, each byte taken
    as (byte - mean) / scale.
    """

    size: int
    crop: float
    mean: float
    scale: float

    def dump(self) -> dict[str, Any]:
        return {"size": self.size, "crop": self.crop, "mean": self.mean, "scale": self.scale, "resample": "bicubic"}


def import_model(path: Path, labels: Path, name: str, framing: InputFraming) -> tuple[InstalledModel, dict[str, float]]:
    """Take in a model, whole or not at all; also what its trial measured. Raises `BadModel`."""
    _check_name(name)
    if path.suffix != ".tflite":
        raise BadModel(f"{path.name}: only .tflite files are taken in; TensorFlow's TFLiteConverter makes them")
    words = read_labels(labels)
    try:
        data = path.read_bytes()
    except OSError as problem:
        raise BadModel(f"{path}: {problem.strerror}") from None
    place = paths.models() / name
    place.parent.mkdir(parents=True, exist_ok=True)
    # Its name begins with a dot until it is whole: what a killed import leaves is no model.
    with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=place.parent) as beside:
        fresh = Path(beside, "fresh")
        fresh.mkdir()
        (fresh / FILE).write_bytes(data)
        card = {
            "name": name,
            "file": FILE,
            "digest": "sha256:" + hashlib.sha256(data).hexdigest(),
            "size": len(data),
            "source": path.name,
            "input": framing.dump(),
            "labels": list(words),
        }
        (fresh / "card.json").write_text(json.dumps(card, ensure_ascii=False, indent=1))
        measured = try_out(fresh)
        card["accuracy"] = {"trial": measured}
        (fresh / "card.json").write_text(json.dumps(card, ensure_ascii=False, indent=1))
        fresh.rename(place)
    return find_installed(name), measured


def read_labels(path: Path) -> Sequence[str]:
    """A label a line. Raises `BadModel` for what no row could hold or no reader tell apart."""
    try:
        words = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeError) as problem:
        raise BadModel(f"{path}: no list of labels in UTF-8 ({problem})") from None
    for number, word in enumerate(words, 1):
        if not word.strip() or len(word) > LIMIT_LABEL or not word.isprintable():
            raise BadModel(f"{path}, line {number}: a label is 1 to {LIMIT_LABEL} printable characters")
    if not words:
        raise BadModel(f"{path}: it holds no label")
    return words


def try_out(directory: Path) -> dict[str, float]:
    """Have a process of its own load the model and look at a photo: `milliseconds`, `megabytes`. Raises `BadModel`."""
    environment = {"PATH": os.environ.get("PATH", ""), "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "infra.models.trial", str(directory)]
    try:
        ran = subprocess.run(
            command, env=environment, cwd=paths.ROOT, capture_output=True, text=True, timeout=TIMEOUT_TRIAL, check=False
        )
    except subprocess.TimeoutExpired:
        raise BadModel(f"the model took more than {TIMEOUT_TRIAL} s for a few photos") from None
    if ran.returncode < 0:
        raise BadModel("the file is no model that LiteRT can load: the process that tried died of it")
    said = ran.stdout.strip().splitlines()
    answer = json.loads(said[-1]) if said else {"error": "the trial said nothing"}
    if "error" in answer:
        raise BadModel(str(answer["error"]).replace(f"PIXWHISK_MODEL: {directory} ", "the file "))
    measured = {name: float(answer[name]) for name in ("milliseconds", "megabytes")}
    if measured["megabytes"] > LIMIT_MEGABYTES:
        raise BadModel(
            f"with this model `classify` takes {measured['megabytes']:.0f} MB, more than the {LIMIT_MEGABYTES}"
            " that leave a container of 128 MB room for decoding"
        )
    return measured


def _check_name(name: str) -> None:
    if not NAME.fullmatch(name):
        raise BadModel(f"{name!r} is no name for a model: letters, digits, `.`, `_` and `-`, up to 64")
    if name in {each.name for each in list_installed()}:
        raise BadModel(f"there is a model {name} already: `pixwhisk models remove {name}`, or choose another --name")


def discard_unfinished() -> None:
    """What killed imports left."""
    for left in paths.models().glob(".*-*"):
        shutil.rmtree(left, ignore_errors=True)
