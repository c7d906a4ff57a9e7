"""The 1000 classes of ImageNet with all that stands above them in WordNet, from `wordnet.tsv`, which
`infra.model.wordnet` makes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

TABLE = Path(__file__).with_name("wordnet.tsv")
CLASSES = 1000


@dataclass(frozen=True, slots=True)
class ClassWord:
    """A class by its name; `place` only where another has the same. `ancestors`: words, the nearest first."""

    class_name: str
    place: int | None
    ancestors: Sequence[str]


@dataclass(frozen=True, slots=True)
class _Meaning:
    words: str
    above: Sequence[str]


def read_vocabulary() -> Iterator[ClassWord]:
    """In the order of the classes."""
    fields = [line.split("\t") for line in TABLE.read_text("utf-8").splitlines()]
    meanings = {number: _Meaning(words, above.split()) for number, above, words in fields}
    classes = [number for number, *_ in fields[:CLASSES]]
    shared = Counter(meanings[number].words for number in classes)
    for place, number in enumerate(classes):
        name = meanings[number].words
        yield ClassWord(name, place if shared[name] > 1 else None, tuple(_find_words_above(number, meanings)))


def _find_words_above(number: str, meanings: Mapping[str, _Meaning]) -> dict[str, None]:
    """Each once; a meaning may be reached by several ways."""
    waiting, words = list(meanings[number].above), dict[str, None]()
    for each in waiting:
        words.update(dict.fromkeys(meanings[each].words.split(", ")))
        waiting.extend(above for above in meanings[each].above if above not in waiting)
    return words
