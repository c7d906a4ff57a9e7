"""The page that compares two models."""

from __future__ import annotations

from infra import paths
from infra.models.comparing import Flip, ModelComparison
from infra.models.diff_page import render_page

HOSTILE = "<script>alert(1)</script>"


def test_keys_and_labels_are_text_and_pictures_are_within() -> None:
    """Nothing is loaded from elsewhere, and an object that is gone has its place."""
    photo = (paths.PHOTOS / "coffee.jpg").read_bytes()
    keys = [f"images/{HOSTILE}.jpg", "images/gone.jpg", "images/no picture.txt"]
    held = {("images", f"{HOSTILE}.jpg"): photo, ("images", "no picture.txt"): b"text"}
    flips = [Flip(f"left {HOSTILE}", "right", 3, keys)]
    found = ModelComparison("one", "two", 10, 7, flips, {"one": 5.5}, {"two": 5_200_000})
    page = render_page(found, lambda bucket, key: held.get((bucket, key)))
    assert HOSTILE not in page
    assert page.count("&lt;script&gt;") == 2
    assert page.count("data:image/jpeg;base64,") == 1
    assert page.count("no picture</div>") == 2
    assert "7 of 10 objects (70.0 %)" in page
    assert "http" not in page.replace("http-equiv", "")


def test_models_that_agree_have_a_page_as_well() -> None:
    """It says so."""
    page = render_page(ModelComparison("one", "two", 10, 10, [], {}, {}), lambda *_: None)
    assert "They never differ." in page
