"""Secrets of embedded services: each a file of its own (0600), made once when a deployment starts, only read after."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from infra.errors import OperatorError
from infra.files import write_private


class SecretMissing(OperatorError):
    """A secret that starting the deployment makes is not there."""


def keep_secret(path: Path, make: Callable[[], str]) -> None:
    """Write the secret unless there is one already: whoever knows the old one must not be locked out."""
    write_private(path, make(), overwrite=False)


def read_secret(path: Path) -> str:
    """Raises `SecretMissing` where no `keep_secret` was before."""
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        raise SecretMissing(f"{path} is not there: `pixwhisk up` makes it") from None
