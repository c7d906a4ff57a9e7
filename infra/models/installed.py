"""The models that are at hand on this machine: a directory each, named as the model is."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra import paths
from infra.errors import OperatorError

# What is a name on every file system and needs no quotes in a shell; no leading dot, which hides what is unfinished.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)


class BadModel(OperatorError):
    """A model cannot be had, taken in or removed; the message says why and what would help."""


@dataclass(frozen=True, slots=True)
class InstalledModel:
    """`card` is what the directory says of itself."""

    name: str
    directory: Path
    card: Mapping[str, Any]

    @property
    def digest(self) -> str:
        return str(self.card.get("digest", ""))

    @property
    def backbone(self) -> str | None:
        """The digest of the part that its embeddings come from; None where it has none."""
        part = self.card.get("backbone")
        return str(part["digest"]) if isinstance(part, Mapping) and "digest" in part else None


def list_installed(directory: Path | None = None) -> Iterator[InstalledModel]:
    """In the order of their names; what is no model is passed over."""
    yield from map(_read, _list_directories(directory or paths.models()))


def find_installed(name: str) -> InstalledModel:
    """Raises `BadModel` naming those there are."""
    known = {each.name: each for each in list_installed()}
    if name not in known:
        raise BadModel(f"there is no model {name!r}; there are {', '.join(known) or 'none: run `make setup`'}")
    return known[name]


def read_backbones() -> dict[tuple[str, str], str]:
    """Of the models at hand that have one, by name and digest; a card that cannot be read is nobody's here."""
    found = {}
    for directory in _list_directories(paths.models()):
        with contextlib.suppress(BadModel):
            model = _read(directory)
            if model.backbone:
                found[model.name, model.digest] = model.backbone
    return found


def remove_installed(name: str) -> None:
    """Its directory; rows that it has written stay. Raises `BadModel` for the default one."""
    model = find_installed(name)
    if model.directory == paths.default_model():
        raise BadModel(f"{name} is the default model: it stays")
    # Under a name that no model has, so that what is killed half-way is no half model.
    leaving = model.directory.with_name(f".{name}-{os.getpid()}")
    model.directory.rename(leaving)
    shutil.rmtree(leaving)


def _list_directories(place: Path) -> list[Path]:
    found = sorted(place.iterdir()) if place.is_dir() else []
    return [each for each in found if NAME.fullmatch(each.name) and (each / "card.json").is_file()]


def _read(directory: Path) -> InstalledModel:
    try:
        card = json.loads((directory / "card.json").read_bytes())
        return InstalledModel(str(card["name"]), directory, card)
    except (OSError, ValueError, LookupError, TypeError) as problem:
        raise BadModel(f"{directory}/card.json cannot be read ({problem}): remove the directory") from None
