"""What a model's directory says of it, in `card.json`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from actions.classify.pictures import Frame
from actions.errors import BadSettings


@dataclass(frozen=True, slots=True)
class Part:
    """One file of a model, and the digest that its card gives it."""

    file: str
    digest: str | None

    @classmethod
    def parse(cls, raw: Mapping[str, Any]) -> Part:
        return cls(raw["file"], raw.get("digest"))


@dataclass(frozen=True, slots=True)
class ModelCard:
    """`parts`: one file from pixels to labels; or two, the backbone (pixels to numbers) and the head (numbers to
    labels). Without any, `saved_model` is served.
    """

    name: str
    parts: tuple[Part, ...]
    saved_model: str | None
    digest: str | None
    frame: Frame
    labels: tuple[str, ...]
    # What a byte of the picture means to the model: (byte - mean) / scale.
    mean: float = 127
    scale: float = 128

    @classmethod
    def read(cls, directory: Path) -> ModelCard:
        """Raises `BadSettings` where there is no card or it lacks something."""
        try:
            return cls.parse(json.loads((directory / "card.json").read_bytes()))
        except OSError as error:
            raise BadSettings(f"PIXWHISK_MODEL: no card.json in {directory} ({error.strerror})") from None
        except KeyError as missing:
            raise BadSettings(f"card.json: {missing.args[0]} is missing") from None
        except (TypeError, ValueError, AttributeError):
            raise BadSettings("card.json: not a model card") from None

    @classmethod
    def parse(cls, raw: Mapping[str, Any]) -> ModelCard:
        wanted = raw["input"]
        parts = _parts(raw)
        if not parts and raw.get("savedModel") is None:
            raise KeyError("file")
        return cls(
            name=raw["name"],
            parts=parts,
            saved_model=raw.get("savedModel"),
            digest=raw.get("digest"),
            frame=Frame(int(wanted["size"]), float(wanted["crop"])),
            labels=tuple(raw["labels"]),
            mean=float(wanted.get("mean", 127)),
            scale=float(wanted.get("scale", 128)),
        )


def _parts(raw: Mapping[str, Any]) -> tuple[Part, ...]:
    if raw.get("backbone") is not None:
        return Part.parse(raw["backbone"]), Part.parse(raw["head"])
    return (Part.parse(raw),) if raw.get("file") is not None else ()


def digest_of(parts: tuple[str, ...]) -> str:
    """A model's digest from its files': of one file that file's own, of several a digest of the list."""
    if len(parts) == 1:
        return parts[0]
    return "sha256:" + hashlib.sha256("".join(f"{part}\n" for part in parts).encode()).hexdigest()
