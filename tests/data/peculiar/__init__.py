"""Pictures as people have them, each with one peculiarity that has broken other programs: made here, of one photo."""

from __future__ import annotations

from collections.abc import Iterator

from tests.data.peculiar.jpegs import cut_off, jpegs, orientations
from tests.data.peculiar.others import new_formats, others
from tests.data.peculiar.parts import Peculiar, Photo
from tests.data.peculiar.pngs import pngs, profiles
from tests.data.peculiar.tiffs import raws, tiffs

__all__ = ["Peculiar", "peculiar"]


def peculiar(photo: Photo) -> Iterator[Peculiar]:
    """Every case, made of a photo in RGB whose sides are even."""
    for make in (orientations, jpegs, cut_off, pngs, profiles, tiffs, raws, others, new_formats):
        yield from make(photo)
