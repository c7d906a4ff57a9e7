"""docs/models.md, typed as it stands."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra import paths
from tests.fixtures.deployment import Deployment, eventually

PAGE = (paths.ROOT / "docs/models.md").read_text()
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
COMMANDS = [line for language, block in BLOCKS if not language for line in block.splitlines()]
STATEMENTS = [block for language, block in BLOCKS if language == "sql"]
KEYS = {
    "breakfast/coffee.png": "coffee.jpg",
    "pets/chelsea.png": "chelsea.jpg",
    "people/astronaut.png": "astronaut.jpg",
}


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


def test_every_command_and_statement_of_the_page_works(deployment: Deployment, other: str) -> None:
    """With the demo's photos and a second head; `results --label animal` and the statement beside it agree."""
    for key, photo in KEYS.items():
        body = (paths.ROOT / "infra/photos" / photo).read_bytes()
        deployment.s3().put_object(Bucket=deployment.bucket, Key=key, Body=body)
        eventually(lambda key=key: deployment.rows(key), "a row")  # type: ignore[misc]
    deployment.pixwhisk("models", "use", paths.MODEL_NAME, other)
    deployment.pixwhisk("backfill", "--model", other)
    try:
        for command in COMMANDS:
            program, *arguments = shlex.split(command)
            assert program == "pixwhisk"
            deployment.pixwhisk(*arguments)
        for statement in STATEMENTS:
            assert deployment.query(statement)
    finally:
        deployment.pixwhisk("models", "use", paths.MODEL_NAME)
    by_sql = {row["key"] for row in deployment.query(STATEMENTS[-1])}
    by_command = json.loads(deployment.pixwhisk("results", "--label", "animal", "--limit", "1000", "--json").stdout)
    assert {row["key"] for row in by_command["results"]} == by_sql
    assert "pets/chelsea.png" in by_sql
