"""The 1000 class names of ImageNet, in the order of the model's outputs, from the data files of the package `timm`."""

from __future__ import annotations

from pathlib import Path

CLASSES = 1000


def read(data: Path) -> list[str]:
    """Class names with their synonyms, joined by a comma and a space; `data` is the folder `timm/data/_info`."""
    synsets = (data / "imagenet_synsets.txt").read_text("utf-8").split()
    lemmas = dict(
        line.split("\t", 1) for line in (data / "imagenet_synset_to_lemma.txt").read_text("utf-8").splitlines() if line
    )
    if len(synsets) != CLASSES:
        raise ValueError(f"{len(synsets)} classes in {data}, not {CLASSES}")
    return [lemmas[synset] for synset in synsets]
