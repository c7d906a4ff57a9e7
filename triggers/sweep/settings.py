"""What one sweep is configured with."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from actions.settings import SettingsReader, api_url


@dataclass(frozen=True, slots=True)
class SweepSettings:
    """Where the inbox and OpenWhisk are, and how hard to push.

    `apihost` is a URL. A batch holds `batch` records. `in_flight` of them are run at once, one more than there are
    cores to classify: while one is stored and noted another has begun, but many more containers than cores is ruin.
    Events are left to the fast lane until they are `grace` old; a claim lasts for `lease` unless it is renewed; after
    `attempts` failures of its own a row is parked, and after `age` of failing for whatever reason.
    """

    database_url: str = field(repr=False)
    apihost: str
    auth: str = field(repr=False)
    sequence: str = "pixwhisk/classify-and-store"
    sequence_large: str = "pixwhisk/classify-large-and-store"
    batch: int = 50
    in_flight: int = field(default_factory=lambda: len(os.sched_getaffinity(0)) + 1)
    attempts: int = 6
    age: timedelta = timedelta(hours=24)
    grace: timedelta = timedelta(seconds=2)
    lease: timedelta = timedelta(seconds=20)

    @classmethod
    def from_params(cls, params: Mapping[str, Any], environ: Mapping[str, str]) -> SweepSettings:
        """Read settings. Where the key goes, and which, the environment alone says: OpenWhisk's own address and key
        serve where none are given, and no caller names others. The database may be a bound parameter.
        """
        read = SettingsReader(params, environ)
        url = read.database_url()
        apihost = read.text("WSK_APIHOST", "__OW_API_HOST", required=True, of_caller=False)
        auth = read.text("WSK_AUTH", "__OW_API_KEY", required=True, of_caller=False)
        read.finish()
        return cls(url, api_url(apihost or ""), auth or "")
