"""What one container of `store` is configured with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from actions.settings import SettingsReader


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """Where the rows go: a libpq URL, `postgresql://…` or `postgres://…`. It holds a password: never print it."""

    database_url: str = field(repr=False)

    @classmethod
    def from_params(cls, params: Mapping[str, Any], environ: Mapping[str, str]) -> StoreSettings:
        """Read settings; the environment wins, so a caller's payload can never redirect an action."""
        read = SettingsReader(params, environ)
        settings = cls(read.database_url())
        read.finish()
        return settings
