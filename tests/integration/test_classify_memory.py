"""A container of `classify` stays small, whatever a camera makes, and never grows."""

from __future__ import annotations

import io
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.data.heic_grid import heic_grid
from tests.data.hostile import photo, saved
from tests.fixtures.container import ClassifyContainer
from tests.fixtures.minio import RunningMinio

# What design.md promises for the whole process, in MiB.
LIMIT_PEAK = 96
# What no picture that is let in may take it beyond.
LIMIT_ACCEPTED = 112


def put(minio: RunningMinio, bucket: str, key: str, body: bytes) -> dict[str, Any]:
    minio.client().put_object(bucket_name=bucket, object_name=key, data=io.BytesIO(body), length=len(body))
    return {"bucket": bucket, "key": key}


def detailed(width: int, height: int) -> Image.Image:
    """A picture that compresses no better than a photo does."""
    noise = [Image.effect_noise((width // 4, height // 4), 30) for _ in range(3)]
    return Image.blend(Image.merge("RGB", noise).resize((width, height)), photo(width, height), 0.5)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("JPEG", {"quality": 92}),
        ("JPEG", {"quality": 92, "progressive": True}),
        ("WEBP", {"quality": 85, "method": 0}),
    ],
)
def test_twelve_megapixels_take_less_than_96_mebibytes(
    minio: RunningMinio, bucket: str, classify_container: ClassifyContainer, name: str, options: dict[str, Any]
) -> None:
    """A phone's photo, baseline or progressive, leaves a quarter of the smallest container free."""
    call = put(minio, bucket, "photo", saved(detailed(4000, 3000), name, **options))
    lived = classify_container.run([call] * 3)
    assert [result["outcomes"][0]["status"] for result in lived.results] == ["classified"] * 3
    assert lived.peak < LIMIT_PEAK


def test_a_phones_heic_takes_less_than_96_mebibytes(
    minio: RunningMinio, bucket: str, classify_container: ClassifyContainer
) -> None:
    """Twelve megapixels in tiles, which `classify` itself decodes."""
    call = put(minio, bucket, "phone", heic_grid(photo(4032, 3024), quality=40))
    lived = classify_container.run([call] * 3)
    assert [result["outcomes"][0]["status"] for result in lived.results] == ["classified"] * 3
    assert lived.peak < LIMIT_PEAK


@pytest.mark.parametrize(("models", "height"), [(1, 4100), (2, 3760)])
def test_the_largest_picture_that_is_let_in_fits(
    minio: RunningMinio,
    bucket: str,
    classify_container: ClassifyContainer,
    second_model: Path,
    *,
    models: int,
    height: int,
) -> None:
    """Of the kind that costs most beside its pixels, just below the limit, by one model and by two: within 112 MB."""
    active = [classify_container.environment["PIXWHISK_MODEL"], str(second_model)][:models]
    environment = {**classify_container.environment, "PIXWHISK_MODEL": os.pathsep.join(active)}
    call = put(
        minio, bucket, "large", saved(photo(3000, height).convert("RGBA"), "TIFF", compression="tiff_adobe_deflate")
    )
    lived = replace(classify_container, environment=environment).run([call] * 3)
    statuses = [outcome["status"] for result in lived.results for outcome in result["outcomes"]]
    assert statuses == ["classified"] * 3 * models
    assert lived.peak < LIMIT_ACCEPTED


def test_two_thousand_calls_leave_a_container_as_it_was(
    minio: RunningMinio, bucket: str, classify_container: ClassifyContainer
) -> None:
    """Good and bad, small and large pictures, by event and in batches, leave nothing behind."""
    small = put(minio, bucket, "small.jpg", saved(photo(), "JPEG"))
    large = put(minio, bucket, "large.png", saved(photo(1600, 1200), "PNG", compress_level=1))
    phone = put(minio, bucket, "phone.jpg", saved(photo(4000, 3000), "JPEG", progressive=True))
    text = put(minio, bucket, "text.jpg", b"not an image")
    calls = [small, text, small, {"bucket": bucket, "key": "gone"}] * 495 + [large, phone] * 10
    # The large ones spread over the whole life, so that each finds the room that the one before gave back.
    order = sorted(range(len(calls)), key=lambda index: (index * 997) % len(calls))
    lived = classify_container.run(calls[index] for index in order)
    held = [result["outcomes"][0]["receipt"]["rssMb"] for result in lived.results]
    assert len(held) == 2000
    assert max(held[-200:]) - max(held[200:400]) < 0.5
