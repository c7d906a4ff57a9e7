"""What the image is made of, told without Docker."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from actions.classify.card import ModelCard
from actions.classify.model import directory_digest
from infra.model import card
from infra.model.variants import LITE0
from infra.openwhisk import bundles
from infra.runtime import context
from infra.runtime.context import BaseImage, Sources

LOCK = """\
numpy==2.4.6 ; python_full_version < '3.12' \\
    --hash=sha256:aa
    # via litert
numpy==2.5.5 ; python_full_version >= '3.12' \\
    --hash=sha256:bb
pillow==13.0.0 \\
    --hash=sha256:cc
"""


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model directory as set-up leaves it, as far as the image looks."""
    directory = tmp_path / "model"
    (directory / card.SAVED_MODEL / "variables").mkdir(parents=True)
    for part, file in card.FILES.items():
        (directory / file).write_bytes(part.encode())
    (directory / card.SAVED_MODEL / "saved_model.pb").write_bytes(b"saved")
    (directory / card.SAVED_MODEL / "variables/data").write_bytes(b"weights")
    described = card.Card(LITE0, b"backbone", b"head", "sha256:recipe", ["tench, Tinca tinca"], {}).dump()
    (directory / card.CARD).write_text(json.dumps(described))
    return directory


def test_left_out_libraries() -> None:
    """A lock without a distribution has none of its versions, and keeps the hashes of the others."""
    assert context.without(LOCK, {"numpy"}).strip() == "pillow==13.0.0 \\\n    --hash=sha256:cc"
    assert context.without(LOCK, set()).strip() == LOCK.strip()


def test_what_is_left_out_is_locked() -> None:
    """Every name that is left out is one the lock has: a misspelt one would leave nothing out."""
    locked = context.find_served(context.LOCK, ())
    assert locked >= context.BINDING
    assert context.find_served(context.LOCK_TENSORFLOW, ()) >= context.BUILDING


def test_tensorflow_adds_only_what_is_missing() -> None:
    """The second target's libraries and the first's do not overlap, and together they are all that TensorFlow asks."""
    first = context.find_served(context.LOCK, context.BINDING)
    second = context.find_served(context.LOCK_TENSORFLOW, first | context.BUILDING)
    assert not first & second
    assert first | second | context.BUILDING >= context.find_served(context.LOCK_TENSORFLOW, ())


def test_code_is_what_the_zips_hold() -> None:
    """Every file of every zip is in the image under its own name, so that a stem cell may keep what it imported."""
    named = dict(context.code())
    for entry in bundles.ENTRIES.values():
        assert set(bundles.sources(entry)) <= named.keys()
    assert named["proxy/__main__.py"].read_bytes() == (context.HERE / "proxy/__main__.py").read_bytes()


def test_card_of_the_runtime_is_the_model_s(model: Path, tmp_path: Path) -> None:
    """The default image brings the card as it is, and no SavedModel."""
    context.write_model(tmp_path / "out", Sources(model))
    assert json.loads((tmp_path / "out/card.json").read_bytes()) == json.loads((model / "card.json").read_bytes())
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["backbone.tflite", "card.json", "head.tflite"]


def test_card_of_the_saved_model(model: Path, tmp_path: Path) -> None:
    """The image with TensorFlow has a card of its own: another name, and the digest of the files it serves."""
    context.write_model(tmp_path / "out", Sources(model, "tensorflow"))
    said = ModelCard.read(tmp_path / "out")
    assert (said.name, said.parts, said.saved_model) == ("efficientnet-lite0", (), card.SAVED_MODEL)
    assert said.digest == directory_digest(tmp_path / "out" / card.SAVED_MODEL)


def test_recipe_changes_with_what_is_in_it(model: Path, tmp_path: Path) -> None:
    """The recipe tells an image of these sources from one of others."""
    other = tmp_path / "other"
    shutil.copytree(model, other)
    assert Sources(model).recipe() == Sources(other).recipe() != Sources(model, "tensorflow").recipe()
    assert Sources(model).recipe() != Sources(model, without=("heic",)).recipe()
    (other / card.CARD).write_text((other / card.CARD).read_text().replace("tench", "trench"))
    assert Sources(model).recipe() != Sources(other).recipe()


def test_only_named_files_stay(tmp_path: Path) -> None:
    """Of LiteRT's directory only what is loaded stays; patterns reach any depth."""
    for name in ("litert/libLiteRt.so", "litert/vendors/plugin.so", "other/a/tests/test_a.py", "other/a/real.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    context.only(tmp_path / "litert", context.LITERT)
    context.drop(tmp_path, ("**/tests",))
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()) == [
        "litert/libLiteRt.so",
        "other/a/real.py",
    ]


def test_wheels_for_the_base_s_machine() -> None:
    """Libraries are chosen for the base's processor."""
    assert BaseImage("3.11.2", "aarch64").platform == "aarch64-manylinux_2_28"
