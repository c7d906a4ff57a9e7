"""Pictures as people have them are seen upright and in their colours, or refused for a reason that is true."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageChops, ImageStat

from actions.classify import pictures
from actions.classify.__main__ import main
from tests.data.heic_grid import heic_grid
from tests.data.peculiar import Peculiar, peculiar
from tests.fixtures.model import KnownPhoto

FRAME = pictures.Frame()
LIMITS = pictures.Limits(pixels=100_000_000, memory=56 * 2**20)


@pytest.fixture(scope="module")
def photo(photos: Mapping[str, KnownPhoto]) -> Image.Image:
    """The espresso, in RGB."""
    with Image.open(photos["coffee"].path) as image:
        return image.convert("RGB")


@pytest.fixture(scope="module")
def cases(photo: Image.Image) -> Mapping[str, Peculiar]:
    return {each.name: each for each in peculiar(photo)}


def names() -> list[str]:
    """Made of a picture that is quick to make them of."""
    return [each.name for each in peculiar(Image.effect_noise((64, 48), 60).convert("RGB"))]


def classify(body: bytes) -> dict[str, Any]:
    (outcome,) = main({"image": base64.b64encode(body).decode()})["outcomes"]
    return dict(outcome)


@pytest.mark.parametrize("name", names())
def test_a_peculiar_picture_is_seen_or_refused_for_its_reason(
    cases: Mapping[str, Peculiar], name: str, model_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each has the photo's label with the probability it must have, or exactly its reason."""
    monkeypatch.setenv("PIXWHISK_MODEL", str(model_directory))
    case, outcome = cases[name], classify(cases[name].body)
    assert outcome.get("reason") == case.reason
    if case.reason is None and case.least:
        first = outcome["classifications"][0]
        assert (first["label"], first["probability"] >= case.least) == ("espresso", True), first
    if case.size is not None:
        assert (outcome["width"], outcome["height"]) == case.size


@pytest.mark.parametrize("name", names())
def test_a_peculiar_picture_looks_as_it_should(cases: Mapping[str, Peculiar], name: str, photo: Image.Image) -> None:
    """What the model sees of each is the photo it was made of, give or take what its compression loses."""
    case = cases[name]
    if case.reason is not None:
        return
    wanted, found = view(saved_png(case.shown or photo)), view(case.body)
    difference = ImageStat.Stat(ImageChops.difference(wanted, found)).mean
    assert sum(difference) / 3 <= 4, difference


# Where the other decoder sees something else, and why it is not followed.
_NOT_THERE = "libvips does not look for the orientation there"
_FIRST = "libvips takes the first, whatever it shows"
_OTHERWISE = {
    "png-xmp": _NOT_THERE,
    "png-xmp-compressed": _NOT_THERE,
    "png-raw-profile": _NOT_THERE,
    "png-raw-profile-plain": _NOT_THERE,
    "webp-exif-without-its-flag": _NOT_THERE,
    "webp-xmp-without-its-flag": _NOT_THERE,
    "jpeg-xmp": _NOT_THERE,
    "tiff-thumbnail-first": _FIRST,
    "gif-black-first": _FIRST,
    "webp-black-first": _FIRST,
    "png-alpha-all-zero": "libvips shows nothing where all is transparent",
}


@pytest.mark.parametrize("name", names())
def test_another_decoder_sees_the_same(cases: Mapping[str, Peculiar], name: str) -> None:
    """What the model sees of each picture is what libvips sees, where that can read it and reads it right."""
    case = cases[name]
    other = None if case.reason is not None or name in _OTHERWISE else seen_by_vips(case.body)
    if other is not None:
        difference = ImageStat.Stat(ImageChops.difference(view(saved_png(other)), view(case.body))).mean
        assert sum(difference) / 3 <= 4, difference


def seen_by_vips(body: bytes) -> Image.Image | None:
    """Upright, in sRGB, on white; None where libvips cannot read it."""
    import pyvips  # late: a second decoder, loaded for one test

    try:
        image = pyvips.Image.new_from_buffer(body, "", access="sequential").autorot()
        if image.get_typeof("icc-profile-data"):
            image = image.icc_transform("srgb", embedded=True, intent="perceptual")
        image = image.colourspace("srgb").cast("uchar")
        if image.hasalpha():
            image = image.flatten(background=255)
        data = image.write_to_memory()
    except pyvips.Error:
        return None
    return Image.frombytes("RGB", (image.width, image.height), data)


def view(body: bytes) -> Image.Image:
    examined = pictures.examine(io.BytesIO(body), FRAME)
    pictures.check(examined, LIMITS)
    pixels = pictures.fit(examined, pictures.decode(examined), FRAME)
    return Image.frombytes("RGB", (FRAME.side, FRAME.side), pixels)


def saved_png(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def test_a_crop_hides_nothing_of_what_a_picture_takes() -> None:
    """A HEIC of which a corner is shown is decoded whole, and its memory estimated so."""
    body = heic_grid(Image.new("RGB", (640, 480)), 160, crop=(0, 0, 16, 16))
    examined = pictures.examine(io.BytesIO(body), FRAME)
    assert (examined.width, examined.height) == (16, 16)
    assert examined.memory > 640 * 480 * 5


def test_details_say_what_to_do(
    cases: Mapping[str, Peculiar], model_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every refusal ends with what its owner can do about it."""
    monkeypatch.setenv("PIXWHISK_MODEL", str(model_directory))
    for case in cases.values():
        if case.reason is not None:
            detail = classify(case.body)["detail"]
            assert any(word in detail for word in ("save", "export", "upload")), detail
