"""Models of one's own, from the files that people have: taken in whole, or refused in one line with nothing left."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra import paths
from infra.models.installed import list_installed
from infra.models.staging import staging
from tests.fixtures.deployment import pixwhisk

LABELS = ("blue", "green", "red")
# Says which of three colours a picture has most of; the second has two outputs, the third brings code.
MODELS = """
import sys
import numpy as np
from tensorflow import keras
picture = keras.Input((32, 32, 3))
mean = keras.layers.GlobalAveragePooling2D()(picture)
said = keras.layers.Dense(3, activation="softmax", name="said")
model = keras.Model(picture, said(mean))
said.set_weights([np.array([[0, 0, 5], [0, 5, 0], [5, 0, 0]], np.float32), np.zeros(3, np.float32)])
model.save(sys.argv[1] + "/colours.keras")
model.export(sys.argv[1] + "/colours")
keras.Model(picture, [said(mean), mean]).save(sys.argv[1] + "/two.keras")
keras.Model(picture, keras.layers.Lambda(lambda x: x * 2)(mean)).save(sys.argv[1] + "/code.keras")
"""


@pytest.fixture(scope="module")
def made(tensorflow_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with models as Keras saves them, and their labels."""
    directory = tmp_path_factory.mktemp("made")
    subprocess.run([tensorflow_python, "-c", MODELS, directory], check=True, capture_output=True, timeout=120)
    (directory / "labels.txt").write_text("\n".join(LABELS))
    (directory / "model.onnx").write_bytes(b"ONNX")
    (directory / "folder.tflite").mkdir()
    return directory


@pytest.fixture
def name() -> Iterator[str]:
    """Nobody else's; afterwards no trace of it is left."""
    name = f"own-{uuid.uuid4().hex[:8]}"
    yield name
    pixwhisk("models", "remove", name, check=False)
    assert not list(paths.models().glob(f"*{name}*"))


def import_as(name: str, model: Path, *more: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    labels = model.parent / "labels.txt"
    return pixwhisk("models", "import", str(model), "--labels", str(labels), "--name", name, *more, check=check)


@pytest.mark.parametrize(
    ("file", "more"), [("colours.keras", ()), ("colours", ()), ("colours.keras", ("--quantise",))], ids=str
)
def test_what_keras_saves_is_taken_in(made: Path, name: str, file: str, more: tuple[str, ...]) -> None:
    """A .keras file, a SavedModel, and one in whole numbers; of an espresso each says what the model says: red."""
    said = import_as(name, made / file, "--size", "32", *more).stdout
    assert f"{name} is at hand: 3 labels" in said
    assert "of a photo of an espresso it says 'red'" in said
    (model,) = [each for each in list_installed() if each.name == name]
    assert model.card["conversion"]["agreement"] >= 0.8
    assert model.card["conversion"]["difference"] < 0.1


@pytest.mark.parametrize(
    ("file", "more", "words"),
    [
        ("colours.keras", (), "its input is (None, 32, 32, 3), expected (1, 224, 224, 3): say --size"),
        ("two.keras", ("--size", "32"), "it has 2 outputs"),
        ("code.keras", ("--size", "32"), "cannot be read"),
        ("model.onnx", (), "onnx2tf"),
        ("folder.tflite", (), "is none of"),
        ("nothing.keras", (), "no such file"),
        ("labels.txt", (), "is none of"),
    ],
    ids=str,
)
def test_what_is_no_such_model_is_refused(made: Path, name: str, file: str, more: tuple[str, ...], words: str) -> None:
    """One line that says what is wrong; no code that a file brings is run."""
    refused = import_as(name, made / file, *more, check=False)
    assert (refused.returncode, len(refused.stderr.splitlines())) == (1, 1)
    assert words in refused.stderr


def test_an_import_that_is_killed_leaves_nothing_and_disturbs_nobody(name: str) -> None:
    """What it left goes with the next import; what another is still at stays."""
    program = textwrap.dedent(f"""
        import sys
        from infra.models.staging import staging
        with staging({name!r}) as directory:
            (directory / "half").touch()
            print(directory, flush=True)
            sys.stdin.read()
    """)

    def begin() -> tuple[subprocess.Popen[str], Path]:
        process = subprocess.Popen(
            [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert process.stdout
        return process, Path(process.stdout.readline().strip())

    (killed, left), (running, at_work) = begin(), begin()
    try:
        killed.kill()
        killed.wait()
        assert (left / "half").exists()
        assert name not in {each.name for each in list_installed()}
        with staging(name):
            assert not left.exists()
            assert (at_work / "half").exists()
    finally:
        running.communicate("")
        if killed.stdin and killed.stdout:
            killed.stdin.close()
            killed.stdout.close()
    assert not at_work.exists()


def test_what_a_card_says_of_a_model_stays_true(made: Path, name: str) -> None:
    """What the trial measured is on it, and `models list` shows it to programs."""
    import_as(name, made / "colours.keras", "--size", "32")
    listed = json.loads(pixwhisk("models", "list", "--json").stdout)["models"]
    (accuracy,) = [each["accuracy"]["trial"] for each in listed if each["name"] == name]
    assert set(accuracy) == {"milliseconds", "megabytes", "label", "probability"}
    assert accuracy["label"] == "red"
