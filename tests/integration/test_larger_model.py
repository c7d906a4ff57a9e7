"""EfficientNet-Lite2, built by one command, as the second model."""

from __future__ import annotations

import io
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from actions.classify import pictures
from actions.classify.model import best, load
from infra import paths
from infra.model.variants import LITE0, LITE2
from tests.data.hostile import photo, saved
from tests.fixtures.container import ClassifyContainer
from tests.fixtures.deployment import pixwhisk
from tests.fixtures.minio import RunningMinio
from tests.fixtures.model import KnownPhoto
from tests.integration.test_classify_memory import LIMIT_ACCEPTED, put


@pytest.fixture(scope="module")
def larger_model(tensorflow_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built in a cache of its own, which shares the environment with the user's; half a minute's work."""
    cache = tmp_path_factory.mktemp("cache")
    (cache / "environments").symlink_to(paths.cache() / "environments")
    environment = {**os.environ, "PIXWHISK_CACHE": str(cache)}
    said = pixwhisk("models", "build", LITE2.name, env=environment).stdout
    assert "built" in said
    assert "ready" in pixwhisk("models", "build", LITE2.name, env=environment).stdout
    return paths.models({"PIXWHISK_CACHE": str(cache)}) / LITE2.name


def test_it_knows_what_it_was_checked_with(larger_model: Path, photos: dict[str, KnownPhoto]) -> None:
    """Its card says another size, and how near it is to full precision; espresso is espresso, without zeros or ties."""
    card = json.loads((larger_model / "card.json").read_bytes())
    assert (card["name"], card["input"]["size"], len(card["labels"])) == (LITE2.name, 260, 1000)
    assert card["accuracy"]["agreement"]["top5"] >= 0.9
    model, said = load(larger_model, 1)
    examined = pictures.examine(io.BytesIO(photos["coffee"].jpeg), model.frame)
    probabilities = model.classify(pictures.fit(examined, pictures.decode(examined), model.frame))
    first, second = best(probabilities, said.labels, 2)
    assert first.label == "espresso"
    assert first.probability > second.probability
    assert min(probabilities) > 0


def test_both_sizes_fit_the_smallest_container(
    minio: RunningMinio, bucket: str, classify_container: ClassifyContainer, model_directory: Path, larger_model: Path
) -> None:
    """With a phone's photo and the costliest picture that is let in; each has an embedding of a backbone of its own."""
    both = os.pathsep.join(map(str, (model_directory, larger_model)))
    container = replace(classify_container, environment={**classify_container.environment, "PIXWHISK_MODEL": both})
    small = put(minio, bucket, "photo", saved(photo(4000, 3000), "JPEG"))
    costly = saved(photo(3000, 2700).convert("RGBA"), "TIFF", compression="tiff_adobe_deflate")
    lived = container.run([small, put(minio, bucket, "large", costly)] * 2)
    outcomes = lived.results[-1]["outcomes"]
    assert {each["status"] for result in lived.results for each in result["outcomes"]} == {"classified"}
    assert [each["model"]["name"] for each in outcomes] == [LITE0.name, LITE2.name]
    assert len({each["embedding"]["backbone"] for each in outcomes}) == 2
    assert lived.peak < LIMIT_ACCEPTED


def test_there_are_recipes_for_some_models_only() -> None:
    """Any other name is told which there are."""
    refused = pixwhisk("models", "build", "resnet", check=False)
    assert refused.returncode == 1
    assert f"there are {LITE0.name}, {LITE2.name}" in refused.stderr
