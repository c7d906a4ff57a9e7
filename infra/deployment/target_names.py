"""What a deployment calls its two notification targets in MinIO.

In a MinIO of its own they are `FAST` and `JOURNAL`. Where several deployments share one, each puts its mark behind
both, and into the ids of its subscriptions: events that go to another's target are rows there.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from infra.errors import Misconfigured

FAST, JOURNAL = "FAST", "JOURNAL"


@dataclass(frozen=True, slots=True)
class TargetNames:
    """`journal` may be an ARN, and is empty where there is none."""

    mark: str = ""
    journal_named: str | None = None

    @property
    def fast(self) -> str:
        return self._mark(FAST)

    @property
    def journal(self) -> str:
        return self._mark(JOURNAL) if self.journal_named is None else self.journal_named

    def variables(self) -> dict[str, str]:
        """What `infra/manifest.yaml` is told of them."""
        return {
            "PIXWHISK_DEPLOYMENT": self.mark,
            "PIXWHISK_FAST_TARGET": self.fast,
            "PIXWHISK_JOURNAL_TARGET": self.journal,
        }

    def _mark(self, name: str) -> str:
        return f"{name}_{self.mark}" if self.mark else name


def read_mark(environ: Mapping[str, str]) -> str | None:
    """`PIXWHISK_DEPLOYMENT`; None where it is not set. Raises `Misconfigured` for what no target can be called."""
    mark = environ.get("PIXWHISK_DEPLOYMENT")
    if mark is not None and not re.fullmatch(r"[A-Za-z0-9]{0,16}", mark):
        raise Misconfigured("PIXWHISK_DEPLOYMENT: expected up to 16 letters and digits, which targets' names end with")
    return None if mark is None else mark.upper()


def name_targets(environ: Mapping[str, str]) -> TargetNames:
    """As the environment says, where there is nothing else to say it."""
    return TargetNames(read_mark(environ) or "", environ.get("PIXWHISK_JOURNAL_TARGET"))


def make_mark() -> str:
    """A new one: short, for people read it in configurations."""
    return secrets.token_hex(3).upper()
