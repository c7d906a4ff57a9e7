"""A model of one's own, tried before it is let in: from pixels to one number a label.

A `.tflite` is taken as it is; a Keras model or a SavedModel is converted into one.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from infra import paths
from infra.models.installed import NAME, BadModel, InstalledModel, find_installed, list_installed
from infra.models.staging import staging
from infra.reports import Report
from infra.setup.tensorflow import run_tensorflow

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


@dataclass(frozen=True, slots=True)
class Trial:
    """What a process that loads the model as `classify` does found: milliseconds an inference, megabytes at most, and
    what the model says of a photo of an espresso.
    """

    milliseconds: float
    megabytes: float
    label: str
    probability: float

    def dump(self) -> dict[str, Any]:
        return asdict(self)


def import_model(
    path: Path, labels: Path, name: str, framing: InputFraming, report: Report, *, quantise: bool = False
) -> tuple[InstalledModel, Trial]:
    """Take in a model, whole or not at all; also what its trial found. `quantise`: convert it into whole numbers.

    Raises `BadModel`, or `NoTensorFlow` where a model is to be converted and that cannot be done.
    """
    _check_name(name)
    words = read_labels(labels)
    with staging(name) as beside:
        fresh = beside / "fresh"
        fresh.mkdir()
        converted = _take_in(path, fresh / FILE, framing, report, quantise=quantise)
        data = (fresh / FILE).read_bytes()
        card = {
            "name": name,
            "file": FILE,
            "digest": "sha256:" + hashlib.sha256(data).hexdigest(),
            "size": len(data),
            "source": path.name,
            "input": framing.dump(),
            **({"conversion": converted} if converted else {}),
            "labels": list(words),
        }
        (fresh / "card.json").write_text(json.dumps(card, ensure_ascii=False, indent=1))
        trial = try_out(fresh)
        card["accuracy"] = {"trial": trial.dump()}
        (fresh / "card.json").write_text(json.dumps(card, ensure_ascii=False, indent=1))
        fresh.rename(paths.models() / name)
    return find_installed(name), trial


def _take_in(
    path: Path, target: Path, framing: InputFraming, report: Report, *, quantise: bool
) -> Mapping[str, Any] | None:
    """Copy or convert it; what a conversion found. Raises `BadModel` for what is neither."""
    if not path.exists():
        raise BadModel(f"{path}: there is no such file")
    if path.suffix == ".keras" or (path / "saved_model.pb").is_file():
        return _convert(path, target, framing, report, quantise=quantise)
    if path.suffix == ".onnx":
        # Its converters take eighty packages, and older ones of those that are here.
        raise BadModel(f"{path.name}: make a SavedModel of it first, with `onnx2tf -i {path.name}`, and import that")
    if path.suffix != ".tflite" or path.is_dir():
        raise BadModel(f"{path.name} is none of a .tflite or .keras file and a SavedModel's directory")
    if quantise:
        raise BadModel("--quantise is for what is converted: a .keras file or a SavedModel")
    try:
        shutil.copyfile(path, target)
    except OSError as problem:
        raise BadModel(f"{path}: {problem.strerror}") from None
    return None


def _convert(path: Path, target: Path, framing: InputFraming, report: Report, *, quantise: bool) -> Mapping[str, Any]:
    told = {"source": str(path.resolve()), "target": str(target), "quantise": quantise, **framing.dump()}
    said = run_tensorflow("infra.models.conversion", json.dumps(told), "convert", report)
    # TensorFlow has its own say between the lines.
    answer: Mapping[str, Any] = json.loads([line for line in said if line.startswith("{")][-1])
    if "error" in answer:
        raise BadModel(f"{path.name}: {answer['error']}")
    return answer


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


def try_out(directory: Path) -> Trial:
    """Have a process of its own load the model and look at a photo. Raises `BadModel`."""
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
    trial = Trial(**answer)
    if trial.megabytes > LIMIT_MEGABYTES:
        raise BadModel(
            f"with this model `classify` takes {trial.megabytes:.0f} MB, more than the {LIMIT_MEGABYTES}"
            " that leave a container of 128 MB room for decoding"
        )
    return trial


def _check_name(name: str) -> None:
    if not NAME.fullmatch(name):
        raise BadModel(f"{name!r} is no name for a model: letters, digits, `.`, `_` and `-`, up to 64")
    if name in {each.name for each in list_installed()}:
        raise BadModel(f"there is a model {name} already: `pixwhisk models remove {name}`, or choose another --name")
