"""Kinds: which there are, which is meant, and the words for those there are not."""

from __future__ import annotations

import pytest

from infra.host.containers.kinds import NODE, PYTHON, SOURCES, Runtimes, UnknownKind


def test_defaults_resolve() -> None:
    """`default` means the one kind of its family that is declared so; a declared kind means itself."""
    runtimes = Runtimes(PYTHON + NODE)
    kinds = ["python:default", "python:3", "python:3.11", "nodejs:default", "nodejs:20"]
    assert [runtimes.resolve(kind) for kind in kinds] == [
        "python:3.11",
        "python:3",
        "python:3.11",
        "nodejs:20",
        "nodejs:20",
    ]


def test_unknown_kind_is_refused() -> None:
    """An unknown kind is refused in OpenWhisk's words, with the kinds there are."""
    with pytest.raises(UnknownKind) as refused:
        Runtimes(PYTHON).resolve("nodejs:20")
    assert str(refused.value) == (
        "The specified runtime 'nodejs:20' is not supported by this platform. "
        "Valid values are: 'python:3', 'python:3.11', 'sequence', 'blackbox'."
    )


def test_document_has_one_default_in_each_family() -> None:
    """Clients look for exactly one default."""
    document = Runtimes(PYTHON + NODE).document()
    assert {family: sum(kind["default"] for kind in kinds) for family, kinds in document.items()} == {
        "python": 1,
        "nodejs": 1,
    }


# A connection, two streams, a lifeline.
GIVEN = (7, 8, 9, 10)


def test_commands() -> None:
    """Sources are for preloading only; a blackbox of any image is a Python container."""
    runtimes = Runtimes(PYTHON + NODE, node="/usr/bin/node")
    assert str(SOURCES) not in runtimes.command("python:3", (), GIVEN)
    assert runtimes.command("python:3", ("a.b",), GIVEN)[-4:] == ["--preload-path", str(SOURCES), "--preload", "a.b"]
    assert runtimes.command("blackbox:some/image:tag", (), GIVEN) == runtimes.command("python:3.11", (), GIVEN)
    assert runtimes.command("nodejs:20", (), GIVEN)[-2:] == ["--listen", "connection:7"]
