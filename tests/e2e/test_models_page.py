"""docs/models.md, typed as it stands."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra import paths
from tests.fixtures.deployment import Deployment, eventually, pixwhisk
from tests.fixtures.emblems import draw_emblem

PAGE = (paths.ROOT / "docs/models.md").read_text()
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
COMMANDS = [line for language, block in BLOCKS if not language for line in block.splitlines()]
SHOWN = [line for language, block in BLOCKS if language == "text" for line in block.splitlines()]
STATEMENTS = [block for language, block in BLOCKS if language == "sql"]
KEYS = {
    "breakfast/coffee.png": "coffee.jpg",
    "pets/chelsea.png": "chelsea.jpg",
    "people/astronaut.png": "astronaut.jpg",
}
THINGS = {"mugs": ("rings", 5), "cups": ("spokes", 2)}
KNOWN = {"espresso": "coffee.jpg", "daisy": "flower.jpg", "tabby": "chelsea.jpg"}


@pytest.fixture
def other(second_model: Path) -> Iterator[str]:
    """The page's second model, at hand under its name."""
    directory = paths.models() / "other"
    shutil.rmtree(directory, ignore_errors=True)
    shutil.copytree(second_model, directory)
    card = json.loads((directory / "card.json").read_text())
    (directory / "card.json").write_text(json.dumps(card | {"name": "other"}))
    yield "other"
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def things(deployment: Deployment) -> Iterator[None]:
    """What the page's head is taught with; what was said of them, and the head, are gone afterwards."""
    bodies = {
        f"{folder}/{number}.jpg": draw_emblem(emblem, number)
        for folder, (emblem, count) in THINGS.items()
        for number in range(1, count + 1)
    }
    for key, body in bodies.items():
        deployment.s3().put_object(Bucket=deployment.bucket, Key=key, Body=body)
    stored = "SELECT count(*) AS count FROM current_embeddings WHERE key = ANY(%s)"
    eventually(lambda: deployment.query(stored, list(bodies))[0]["count"] == len(bodies), "their embeddings")
    yield
    deployment.pixwhisk("label", *bodies, "--delete")
    deployment.pixwhisk("models", "remove", "ours", check=False)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A directory with the page's `photos`, a folder a label."""
    for label, name in KNOWN.items():
        (tmp_path / "photos" / label).mkdir(parents=True)
        shutil.copy(paths.ROOT / "infra/photos" / name, tmp_path / "photos" / label)
    return tmp_path


@pytest.mark.usefixtures("things", "tensorflow_python")
def test_every_command_and_statement_of_the_page_works(deployment: Deployment, other: str, photos: Path) -> None:
    """With the demo's photos and a second head, each prints what is shown but for numbers; `results --label animal`
    and the statement beside it agree.
    """
    for key, photo in KEYS.items():
        body = (paths.ROOT / "infra/photos" / photo).read_bytes()
        deployment.s3().put_object(Bucket=deployment.bucket, Key=key, Body=body)
        eventually(lambda key=key: deployment.rows(key), "a row")  # type: ignore[misc]
    deployment.pixwhisk("models", "use", paths.MODEL_NAME, other)
    deployment.pixwhisk("backfill", "--model", other)
    environment = os.environ | {"PIXWHISK_DATA": str(deployment.data)}
    printed: list[str] = []
    try:
        for command in COMMANDS:
            program, *arguments = shlex.split(command)
            assert program == "pixwhisk"
            printed += pixwhisk(*arguments, cwd=photos, env=environment).stdout.splitlines()
        for statement in STATEMENTS:
            assert deployment.query(statement)
    finally:
        deployment.pixwhisk("models", "use", paths.MODEL_NAME)
    assert {hide_numbers(line) for line in SHOWN} <= {hide_numbers(line) for line in printed}
    assert (photos / "diff.html").read_text().count("<img ") >= len(KEYS)
    by_sql = {row["key"] for row in deployment.query(STATEMENTS[-1])}
    by_command = json.loads(deployment.pixwhisk("results", "--label", "animal", "--limit", "1000", "--json").stdout)
    assert {row["key"] for row in by_command["results"]} == by_sql
    assert "pets/chelsea.png" in by_sql


def hide_numbers(line: str) -> str:
    return re.sub(r"\d+(\.\d+)?", "#", line)
