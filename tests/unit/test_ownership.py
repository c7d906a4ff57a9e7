"""Data directories that somebody else prepared."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from infra.deployment.ownership import NotPrivate, check_ownership
from infra.deployment.record import choose_deployment, find_deployment
from tests.fixtures.needs import need

SOMEBODY = 12345


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data directory as `up` makes it."""
    made = tmp_path / "above" / "data"
    (made / "secrets").mkdir(mode=0o700, parents=True)
    made.chmod(0o700)
    (made / "secrets" / "openwhisk-guest").touch(0o600)
    (made / "deployment.json").write_text("{}")
    return made


def test_a_directory_of_ones_own_is_taken(data: Path) -> None:
    """Also one that is not there yet, below a sticky directory that is everybody's."""
    check_ownership(data)
    check_ownership(data.parent / "not" / "yet")
    data.parent.chmod(0o1777)
    check_ownership(data)


def test_a_directory_that_others_may_read_is_closed(data: Path) -> None:
    """Rather than refused: it is ours."""
    data.chmod(0o755)
    check_ownership(data)
    assert data.stat().st_mode & 0o777 in (0o700, 0o701)


def test_an_empty_directory_that_others_may_write_in_is_closed(tmp_path: Path) -> None:
    """Nobody has put anything there."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data").chmod(0o777)
    check_ownership(tmp_path / "data")
    assert (tmp_path / "data").stat().st_mode & 0o066 == 0


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda data: data.chmod(0o777), "chmod go-w"),
        (lambda data: data.parent.chmod(0o777), "chmod go-w"),
        (lambda data: (data / "secrets" / "openwhisk-guest").chmod(0o644), "chmod go="),
        (lambda data: (data / "secrets").chmod(0o755), "chmod go="),
        (lambda data: (data / "wskprops").symlink_to("/etc/passwd"), "is a link"),
    ],
)
def test_what_others_may_change_or_read_is_refused(data: Path, spoil: Callable[[Path], None], words: str) -> None:
    """With the command that mends it; by what starts a deployment and by what looks at one."""
    spoil(data)
    for use in (choose_deployment, find_deployment):
        with pytest.raises(NotPrivate, match=words):
            use(data, {})


@pytest.mark.parametrize("part", ["", "..", "secrets", "secrets/openwhisk-guest"])
def test_what_belongs_to_somebody_else_is_refused(data: Path, part: str) -> None:
    """Whoever made the directory, one above it or a secret in it knows the secrets, or chooses them."""
    need(os.geteuid() == 0, "only root can make files of somebody else's")
    os.chown(data / part, SOMEBODY, -1)
    with pytest.raises(NotPrivate, match="belongs to user 12345"):
        check_ownership(data)
