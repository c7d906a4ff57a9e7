"""What stands above each label in WordNet: `python -m infra.model.wordnet DATA_NOUN SYNSETS`.

Makes `actions/store/migrations/wordnet.tsv` again. `DATA_NOUN` is WordNet 3.0's noun file, as in Debian's package
`wordnet-base` (/usr/share/wordnet/data.noun); `SYNSETS` the list of ImageNet's classes in the package `timm`
(timm/data/_info/imagenet_synsets.txt). A line a synset: its number, those right above it, its words. The classes come
first, in their order.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from infra.paths import ROOT

TABLE = ROOT / "actions/store/migrations/wordnet.tsv"
# What WordNet leaves out and everybody looks for: a bus, which it calls a means of transport, is a vehicle.
ADDED = {"02924116": ("04524313",)}
# A kind of, and an instance of.
ABOVE = ("@", "@i")


@dataclass(frozen=True, slots=True)
class Synset:
    """Words of one meaning, and the numbers of the meanings right above it."""

    words: Sequence[str]
    above: Sequence[str]


def read(nouns: Path) -> Mapping[str, Synset]:
    """All synsets of a `data.noun`, by number (wndb(5))."""
    lines = nouns.read_text("ascii").splitlines()
    return {line[:8]: _synset(line.partition("|")[0].split()) for line in lines if not line.startswith("  ")}


def _synset(fields: Sequence[str]) -> Synset:
    count = int(fields[3], 16)
    words = [word.replace("_", " ") for word in fields[4 : 4 + 2 * count : 2]]
    pointers = fields[5 + 2 * count :]
    above = [pointers[at + 1] for at in range(0, len(pointers), 4) if pointers[at] in ABOVE]
    return Synset(words, above)


def lines(synsets: Mapping[str, Synset], classes: Sequence[str]) -> Iterator[str]:
    """The classes and all that stands above them, each once."""
    waiting, seen = list(classes), set(classes)
    for number in waiting:
        synset = synsets[number]
        above = (*synset.above, *ADDED.get(number, ()))
        yield "\t".join((number, " ".join(above), ", ".join(synset.words)))
        new = [each for each in above if each not in seen]
        seen.update(new)
        waiting.extend(new)


def main(nouns: Path, classes: Path) -> None:
    numbers = [line.strip().removeprefix("n") for line in classes.read_text().splitlines() if line.strip()]
    TABLE.write_text("".join(f"{line}\n" for line in lines(read(nouns), numbers)))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]))
