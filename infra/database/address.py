"""Where a database URL leads, as may be shown: without user and password."""

from __future__ import annotations

import re
from collections.abc import Mapping

import psycopg

from actions.settings import is_schema_name


def database_place(url: str) -> str:
    """Database, host (or socket directory) and port, and the schema if it names one; what the URL leaves out is libpq's
    default.
    """
    found, schema = database_parts(url), read_schema(url)
    place = f"{found.get('dbname', '')} at {found.get('host', 'localhost')}:{found.get('port', '5432')}"
    return f"{place}, schema {schema}" if schema else place


def read_schema(url: str) -> str | None:
    """The one schema in which everything is found and made, as `place_in_schema` says it in a URL."""
    said = re.findall(r"-c\s*search_path=(\S+)", database_parts(url).get("options", ""))
    return said[-1] if said and is_schema_name(said[-1]) else None


def database_parts(url: str) -> Mapping[str, str]:
    """The URL's parts by libpq's names, the password among them; nothing of one that libpq cannot read."""
    try:
        return {name: str(value) for name, value in psycopg.conninfo.conninfo_to_dict(url).items()}
    except psycopg.Error:
        return {}
