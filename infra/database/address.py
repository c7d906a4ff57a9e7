"""Where a database URL leads, as may be shown: without user and password."""

from __future__ import annotations

from collections.abc import Mapping

import psycopg


def database_place(url: str) -> str:
    """Database, host (or socket directory) and port; what the URL leaves out is libpq's default."""
    found = database_parts(url)
    return f"{found.get('dbname', '')} at {found.get('host', 'localhost')}:{found.get('port', '5432')}"


def database_parts(url: str) -> Mapping[str, str]:
    """The URL's parts by libpq's names, the password among them; nothing of one that libpq cannot read."""
    try:
        return {name: str(value) for name, value in psycopg.conninfo.conninfo_to_dict(url).items()}
    except psycopg.Error:
        return {}
