"""What one container of `store` is configured with."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from actions.errors import BadSettings


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """Where the rows go: a libpq URL, `postgresql://…` or `postgres://…`. It holds a password: never print it."""

    database_url: str = field(repr=False)

    @classmethod
    def from_params(cls, params: Mapping[str, Any], environ: Mapping[str, str]) -> StoreSettings:
        """Read settings; the environment wins, so a caller's payload can never redirect an action."""
        url = environ.get("DATABASE_URL") or params.get("DATABASE_URL")
        if url is None or url == "":
            raise BadSettings("DATABASE_URL: missing; bind it as a parameter of the package or action")
        if not isinstance(url, str) or not re.match(r"postgres(ql)?(\+psycopg)?://", url):
            raise BadSettings("DATABASE_URL: expected postgresql://user:password@host/database")
        return cls(url)
