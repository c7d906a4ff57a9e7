"""What one container of `view` is configured with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from actions.settings import SettingsReader


@dataclass(frozen=True, slots=True)
class ViewSettings:
    """Where rows are read, and the object store that pictures are linked to; without all three there are none."""

    database_url: str = field(repr=False)
    endpoint: str | None = None
    access_key: str | None = None
    secret_key: str | None = field(default=None, repr=False)

    @classmethod
    def from_params(cls, params: Mapping[str, Any], environ: Mapping[str, str]) -> ViewSettings:
        """Read settings; the environment wins. Raises `BadSettings` naming every one that is missing or wrong."""
        read = SettingsReader(params, environ)
        settings = cls(
            read.database_url(),
            read.endpoint("AWS_ENDPOINT_URL_S3"),
            read.text("AWS_ACCESS_KEY_ID"),
            read.text("AWS_SECRET_ACCESS_KEY"),
        )
        read.finish()
        return settings
