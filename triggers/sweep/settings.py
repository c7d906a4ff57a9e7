"""What one sweep is configured with."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from actions.errors import BadSettings


@dataclass(frozen=True, slots=True)
class SweepSettings:
    """Where the inbox and OpenWhisk are, and how hard to push.

    `apihost` is a URL. A batch holds `batch` records. `in_flight` of them are run at once, one more than there are
    cores to classify: while one is stored and noted another has begun, but many more containers than cores is ruin.
    Events are left to the fast lane until they are `grace` old; a claim lasts for `lease` unless it is renewed; after
    `attempts` failures of its own a row is parked.
    """

    database_url: str = field(repr=False)
    apihost: str
    auth: str = field(repr=False)
    sequence: str = "pixwhisk/classify-and-store"
    sequence_large: str = "pixwhisk/classify-large-and-store"
    batch: int = 50
    in_flight: int = field(default_factory=lambda: len(os.sched_getaffinity(0)) + 1)
    attempts: int = 6
    grace: timedelta = timedelta(seconds=2)
    lease: timedelta = timedelta(seconds=20)

    @classmethod
    def from_params(cls, params: Mapping[str, Any], environ: Mapping[str, str]) -> SweepSettings:
        """Read settings. Where the key goes, and which, the environment alone says: OpenWhisk's own address and key
        serve where none are given, and no caller names others. The database may be a bound parameter.
        """
        url = environ.get("DATABASE_URL") or params.get("DATABASE_URL") or ""
        apihost = environ.get("WSK_APIHOST") or environ.get("__OW_API_HOST") or ""
        auth = environ.get("WSK_AUTH") or environ.get("__OW_API_KEY") or ""
        named = {"DATABASE_URL": url, "WSK_APIHOST": apihost, "WSK_AUTH": auth}
        if missing := [name for name, value in named.items() if not value]:
            raise BadSettings(f"{', '.join(missing)}: missing; bind them as parameters of the package or action")
        if not isinstance(url, str) or not re.match(r"postgres(ql)?(\+psycopg)?://", url):
            raise BadSettings("DATABASE_URL: expected postgresql://user:password@host/database")
        return cls(re.sub(r"^postgres(ql)?(\+psycopg)?:", "postgresql:", url), _base_url(apihost), auth)


def _base_url(apihost: str) -> str:
    """A URL from what `wsk` takes as its API host: without a scheme it means https."""
    return (apihost if "://" in apihost else f"https://{apihost}").rstrip("/")
