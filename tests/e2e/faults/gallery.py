"""Pictures to upload, each with what must become of it: known beforehand, by classifying their bytes directly."""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from PIL import Image

from actions.classify.handler import handle
from infra import paths
from tests.fixtures.model import SECOND_MODEL, KnownPhoto, second_word

SIDE = 256
# Bytes of a mark.
MARK = 32


@dataclass(frozen=True, slots=True)
class Expected:
    """What a row about these bytes must say. `prediction`: the default model's label, or the reason for a rejection."""

    status: str
    prediction: str
    sha256: str | None

    def by(self, model: str) -> str:
        """The prediction of a model."""
        return second_word(self.prediction) if (self.status, model) == ("classified", SECOND_MODEL) else self.prediction


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture's bytes up to where a mark makes them unique, and from there on; `prediction` as in `Expected`."""

    name: str
    head: bytes
    tail: bytes
    status: str
    prediction: str

    def body(self, mark: str) -> bytes:
        """The same picture in bytes of its own; what is empty stays so."""
        room = mark.encode().ljust(MARK, b".")
        assert len(room) == MARK, f"a mark has {MARK} bytes"
        return self.head + room + self.tail if self.head else b""

    def expected(self, body: bytes) -> Expected:
        # What is empty is never read, so nobody knows a digest of it.
        return Expected(self.status, self.prediction, hashlib.sha256(body).hexdigest() if body else None)


def gallery(photos: Mapping[str, KnownPhoto]) -> Sequence[Picture]:
    """Good ones with labels that differ from each other, and bad ones."""
    good = [_photo(photo) for photo in photos.values()]
    assert len({picture.prediction for picture in good}) == len(good), (
        "two pictures with one label cannot be told apart"
    )
    broken = [_broken(picture) for picture in good[:1]]
    page = _judged("page", b"<html><!-- ", b" --><body>no picture</body></html>")
    return [*good, *broken, page, Picture("nothing", b"", b"", "rejected", "empty-object")]


def draw(pictures: Sequence[Picture], random: Random, mark: str) -> tuple[Picture, bytes]:
    """A picture and its bytes: mostly bytes that nobody ever uploaded, sometimes the very same as before."""
    picture = random.choices(pictures, [1 if each.status == "rejected" else 4 for each in pictures])[0]
    return picture, picture.body(mark if random.random() < 0.9 else "again")


def _photo(photo: KnownPhoto) -> Picture:
    file = io.BytesIO()
    with Image.open(photo.path) as image:
        small = image.convert("RGB")
        small.thumbnail((SIDE, SIDE))
        small.save(file, "JPEG", quality=85)
    # A comment, right after the start of the image.
    body = file.getvalue()
    return _judged(photo.label, body[:2] + b"\xff\xfe" + (2 + MARK).to_bytes(2), body[2:])


def _broken(picture: Picture) -> Picture:
    return _judged(f"half of {picture.name}", picture.head, picture.tail[: len(picture.tail) // 2])


def _judged(name: str, head: bytes, tail: bytes) -> Picture:
    """Classified here and now, by no service at all."""
    image = base64.b64encode(head + b"m" * MARK + tail).decode()
    (outcome,) = handle({"image": image}, _environment(paths.default_model()))["outcomes"]
    prediction = outcome["classifications"][0]["label"] if outcome["classifications"] else outcome["reason"]
    return Picture(name, head, tail, outcome["status"], prediction)


def _environment(model: Path) -> Mapping[str, str]:
    return {"PIXWHISK_MODEL": str(model)}
