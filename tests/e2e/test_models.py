"""Models as an operator handles them: seen, taken in, switched under load, compared, asked about the past."""

from __future__ import annotations

import json
import shutil
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra import paths
from tests.e2e.test_audit import audit
from tests.e2e.test_main_job import COFFEE
from tests.fixtures.deployment import Deployment, eventually, pixwhisk
from tests.fixtures.model import second_word


@pytest.fixture
def other_head(second_model: Path) -> Iterator[str]:
    """A head with words of its own on the default model's backbone, at hand under a name that nobody else has."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    directory = paths.models() / name
    shutil.copytree(second_model, directory)
    card = json.loads((directory / "card.json").read_text())
    (directory / "card.json").write_text(json.dumps(card | {"name": name}))
    yield name
    shutil.rmtree(directory, ignore_errors=True)


def put(deployment: Deployment, key: str) -> None:
    deployment.s3().put_object(Bucket=deployment.bucket, Key=key, Body=COFFEE.read_bytes())


def models_of(deployment: Deployment, key: str) -> set[str]:
    return {row["model"] for row in deployment.rows(key)}


def test_models_are_switched_under_load_and_speak_about_the_past(deployment: Deployment, other_head: str) -> None:
    """Uploads during a switch lose nothing and land under the model that looked; embeddings answer for the past."""
    prefix, stop = f"switch-{uuid.uuid4().hex[:6]}/", threading.Event()
    put(deployment, before := f"{prefix}before.png")
    # The journal's copy of its event as well, or the sweep would show it to both models.
    settled = "SELECT FROM inbox WHERE key = %s AND state = 'settled'"
    eventually(lambda: models_of(deployment, before) and deployment.query(settled, before), "its row and its event")
    uploaded: list[str] = []

    def upload() -> None:
        while not stop.wait(0.05):
            put(deployment, key := f"{prefix}{len(uploaded)}.png")
            uploaded.append(key)

    uploading = threading.Thread(target=upload)
    uploading.start()
    try:
        eventually(lambda: len(uploaded) > 5, "uploads")
        told = deployment.pixwhisk("models", "use", paths.MODEL_NAME, other_head).stdout
        assert f"active models: {paths.MODEL_NAME}, {other_head}" in told
        after = len(uploaded)
        eventually(lambda: len(uploaded) > after + 10, "more uploads")
    finally:
        stop.set()
        uploading.join()
    try:
        eventually(lambda: models_of(deployment, uploaded[-1]) == {paths.MODEL_NAME, other_head}, "both models' rows")
        assert models_of(deployment, before) == {paths.MODEL_NAME}
        eventually(lambda: audit(deployment, deployment.bucket)["clean"], "a clean audit")

        named = f"none by {other_head}: `pixwhisk backfill --model {other_head}` fills them and reads "
        assert named in deployment.pixwhisk("status").stdout
        filled = deployment.pixwhisk("backfill", "--model", other_head).stdout
        assert f"{other_head}: " in filled
        assert named not in deployment.pixwhisk("status").stdout
        (row,) = [row for row in deployment.rows(before) if row["model"] == other_head]
        assert (row["label"], row["receipt"]) == (second_word("espresso"), {"rescored": True})
        (looked,) = [row for row in deployment.rows(uploaded[-1]) if row["model"] == other_head]
        assert row["labels"] == looked["labels"]
        assert (row["sha256"], row["width"]) == (looked["sha256"], looked["width"])

        found = json.loads(deployment.pixwhisk("models", "diff", paths.MODEL_NAME, other_head, "--json").stdout)
        assert (found["agreed"], found["compared"] > 10) == (0, True)
        assert ["espresso", second_word("espresso")] in [[each["left"], each["right"]] for each in found["flips"]]
        listed = json.loads(deployment.pixwhisk("models", "list", "--json").stdout)["models"]
        assert [each["active"] for each in listed if each["name"] == other_head] == [True]
        assert "is active" in deployment.pixwhisk("models", "remove", other_head, check=False).stderr
    finally:
        deployment.pixwhisk("models", "use", paths.MODEL_NAME)
    put(deployment, f"{prefix}last.png")
    eventually(lambda: models_of(deployment, f"{prefix}last.png"), "a row")
    assert models_of(deployment, f"{prefix}last.png") == {paths.MODEL_NAME}
    assert f"removed {other_head}" in deployment.pixwhisk("models", "remove", other_head).stdout
    eventually(lambda: audit(deployment, deployment.bucket)["clean"], "a clean audit")


def test_a_model_of_ones_own_is_tried_before_it_is_let_in(model_directory: Path, tmp_path: Path) -> None:
    """From a file and its labels to a model at hand; it has as many labels as it has numbers."""
    name, labels = f"own-{uuid.uuid4().hex[:8]}", tmp_path / "labels.txt"
    labels.write_text("".join(f"thing {number}\n" for number in range(1280)))
    taken = ("models", "import", str(model_directory / "backbone.tflite"), "--labels", str(labels), "--name", name)
    try:
        assert f"{name} is at hand: 1280 labels" in pixwhisk(*taken).stdout
        assert "already" in pixwhisk(*taken, check=False).stderr
        listed = json.loads(pixwhisk("models", "list", "--json", "--data", str(tmp_path)).stdout)["models"]
        assert [each["labels"] for each in listed if each["name"] == name] == [1280]
    finally:
        pixwhisk("models", "remove", name, "--data", str(tmp_path))
    assert not list(paths.models().glob(f"*{name}*"))


@pytest.mark.parametrize(
    ("file", "labels", "words"),
    [
        (b"not a model" * 100, b"a\nb\n", "the file cannot be loaded"),
        (None, b"a\nb\n", "2 labels, but the model gives"),
        (None, b"", "holds no label"),
        (None, b"a\n\0\n", "line 2"),
        (None, b"\xff\xfe", "UTF-8"),
    ],
)
def test_what_is_no_model_is_refused(
    model_directory: Path, tmp_path: Path, file: bytes | None, labels: bytes, words: str
) -> None:
    """One line says what is wrong, and nothing of it stays."""
    model, listed = tmp_path / "mine.tflite", tmp_path / "labels.txt"
    model.write_bytes((model_directory / "backbone.tflite").read_bytes() if file is None else file)
    listed.write_bytes(labels)
    name = f"bad-{uuid.uuid4().hex[:8]}"
    said = pixwhisk("models", "import", str(model), "--labels", str(listed), "--name", name, check=False).stderr
    assert words in said
    assert len(said.strip().splitlines()) == 1
    assert not list(paths.models().glob(f"*{name}*"))


def test_like_pictures_are_found_by_key_and_by_file(deployment: Deployment) -> None:
    """The same picture comes first, whether it is named by its key or is a file here; its copies are duplicates."""
    prefix = f"like-{uuid.uuid4().hex[:6]}/"
    for key in ("one.png", "copy.png"):
        put(deployment, prefix + key)
    eventually(lambda: models_of(deployment, f"{prefix}copy.png") and models_of(deployment, f"{prefix}one.png"), "rows")
    answer = deployment.pixwhisk("similar", f"{prefix}one.png", "--limit", "1000", "--json").stdout
    found = json.loads(answer)["similar"]
    assert f"{prefix}copy.png" in [each["key"] for each in found if each["similarity"] == pytest.approx(1)]
    by_file = deployment.pixwhisk("similar", str(COFFEE), "--limit", "1000").stdout
    assert f"1.000  {deployment.bucket}/{prefix}one.png" in by_file
    assert "no picture" in deployment.pixwhisk("similar", "no such key", check=False).stderr
    for more in ((), ("--near", "0.99")):
        groups = json.loads(deployment.pixwhisk("duplicates", *more, "--json").stdout)["groups"]
        assert any({f"{prefix}one.png", f"{prefix}copy.png"} <= set(group) for group in groups)
