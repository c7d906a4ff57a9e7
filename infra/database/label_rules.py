"""The rules by which view `labels` reads labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import psycopg

Connection = psycopg.Connection[dict[str, Any]]

_PUT = """
INSERT INTO label_rules (label, bucket, prefix, minimum, hide, rename)
VALUES (%(label)s, %(bucket)s, %(prefix)s, %(minimum)s, %(hide)s, %(rename)s)
ON CONFLICT (label, bucket, prefix) DO UPDATE SET
    minimum = excluded.minimum, hide = excluded.hide, rename = excluded.rename
"""
_DELETE = "DELETE FROM label_rules WHERE (label, bucket, prefix) = (%(label)s, %(bucket)s, %(prefix)s)"
_LIST = "SELECT label, bucket, prefix, minimum, hide, rename FROM label_rules ORDER BY label, bucket, prefix"


@dataclass(frozen=True, slots=True)
class LabelRule:
    """`label` is a label or what stands above it, empty for all; empty `bucket` and `prefix` mean everywhere."""

    label: str
    bucket: str = ""
    prefix: str = ""
    minimum: float | None = None
    hide: bool = False
    rename: str | None = None

    def __str__(self) -> str:
        where = f" in {self.bucket or 'every bucket'}/{self.prefix}" if self.bucket or self.prefix else ""
        shown = [
            "hidden" if self.hide else "",
            f"from {self.minimum:g}" if self.minimum is not None else "",
            f"as {self.rename}" if self.rename else "",
        ]
        return f"{self.label or 'every label'}{where}: {', '.join(filter(None, shown)) or 'as it is'}"

    def dump(self) -> dict[str, Any]:
        """Stable keys, for programs."""
        return asdict(self)


def put_rule(connection: Connection, rule: LabelRule) -> None:
    """In place of the one about the same label, bucket and prefix."""
    connection.execute(_PUT, rule.dump())


def delete_rule(connection: Connection, rule: LabelRule) -> None:
    """The one about the same label, bucket and prefix, if there is one."""
    connection.execute(_DELETE, rule.dump())


def list_rules(connection: Connection) -> Sequence[LabelRule]:
    return [LabelRule(**row) for row in connection.execute(_LIST)]
