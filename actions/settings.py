"""How every deployable reads its settings: what is missing or wrong is gathered, so that all of it is said at once.

A setting comes from the environment, or else from the parameters that OpenWhisk bound or a caller sent. The environment
wins, so that no payload redirects an action. No message repeats a value: it may be a secret.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from actions.errors import BadSettings

_DATABASE = re.compile(r"^postgres(?:ql)?(?:\+psycopg)?://")
_FLAGS = {"on": True, "true": True, "off": False, "false": False}
_SCHEMA = re.compile(r"(?!pg_)[a-z_][a-z0-9_]{0,62}", re.ASCII)
SCHEMA_EXPECTED = "PIXWHISK_SCHEMA: expected small letters, digits and _, beginning with no digit and not with pg_"
DATABASE_URL_EXPECTED = "DATABASE_URL: expected postgresql://user:password@host/database"


def libpq_url(url: str) -> str | None:
    """A database URL as libpq takes it, whatever its scheme names for a driver; None for a URL of anything else."""
    return _DATABASE.sub("postgresql://", url) if _DATABASE.match(url) else None


def is_schema_name(name: str) -> bool:
    """Whether a schema may be called so, in a URL and in SQL, with nothing quoted."""
    return _SCHEMA.fullmatch(name) is not None


def place_in_schema(url: str, schema: str) -> str:
    """A database URL by which everything is found and made in that schema alone."""
    return add_options(url, f"-c search_path={schema}")


def add_options(url: str, options: str) -> str:
    """A database URL whose sessions begin with these settings, after those that it asks for itself: an argument
    `options` beside a URL would take the place of its own.
    """
    place, _, query = url.partition("?")
    pairs = [pair.partition("=") for pair in query.split("&") if pair]
    asked = " ".join(unquote(value) for name, _, value in pairs if name == "options")
    if asked.endswith(options):
        return url
    kept = ["".join(pair) for pair in pairs if pair[0] != "options"]
    together = quote(f"{asked} {options}".strip(), safe="")
    return f"{place}?{'&'.join([*kept, f'options={together}'])}"


def api_url(host: str) -> str:
    """A URL from what `wsk` takes as its API host: without a scheme it means https."""
    return (host if "://" in host else f"https://{host}").rstrip("/")


class SettingsReader:
    """Reads settings by name. `finish` raises for all that was missing or wrong; until then defaults stand in."""

    def __init__(self, params: Mapping[str, Any], environ: Mapping[str, str]) -> None:
        self._params, self._environ = params, environ
        self._missing: list[str] = []
        self.wrong: list[str] = []

    def text(self, name: str, *others: str, required: bool = False, of_caller: bool = True) -> str | None:
        """The first of the names that is set. `of_caller=False`: only what the environment says counts."""
        for source in (self._environ, self._params) if of_caller else (self._environ,):
            for each in (name, *others):
                value = source.get(each)
                if value is not None and value != "":
                    return self._check(each, value)
        if required:
            self._missing.append(name)
        return None

    def database_url(self) -> str:
        """`DATABASE_URL`, which every deployable that reads it needs, in the schema that the environment may name."""
        value = self.text("DATABASE_URL", required=True)
        url = libpq_url(value) if value else ""
        if url is None:
            self.wrong.append(DATABASE_URL_EXPECTED)
        schema = self.text("PIXWHISK_SCHEMA", of_caller=False)
        if schema and not is_schema_name(schema):
            self.wrong.append(SCHEMA_EXPECTED)
        elif schema and url:
            return place_in_schema(url, schema)
        return url or ""

    def endpoint(self, name: str, *, required: bool = False) -> str | None:
        """A service's `http://host[:port]`, or https."""
        value = self.text(name, required=required)
        if value is not None and not _is_endpoint(value):
            self.wrong.append(f"{name}: expected http://host[:port] or https://host[:port]")
            return None
        return value

    def flag(self, name: str) -> bool:
        """`on` or `true`, `off` or `false`; off where it is not set."""
        if isinstance(bound := self._params.get(name), bool) and not self._environ.get(name):
            return bound  # wskdeploy reads YAML, where `on` is no text
        value = self.text(name) or "off"
        if value.lower() not in _FLAGS:
            self.wrong.append(f"{name}: expected on or off")
        return _FLAGS.get(value.lower(), False)

    def number(self, name: str, default: int) -> int:
        """The environment's, or else the default; the payload's where that is less."""
        most = self._count(name, self._environ.get(name)) or default
        return min(most, self._count(name, self._params.get(name)) or most)

    def finish(self) -> None:
        """Raise `BadSettings` naming every setting that is missing or wrong, if one is."""
        missing = f"{', '.join(self._missing)}: missing; bind as parameters of the package or action"
        if found := [*([missing] if self._missing else ()), *self.wrong]:
            raise BadSettings("; ".join(found))

    def _check(self, name: str, value: object) -> str | None:
        if isinstance(value, str):
            return value
        self.wrong.append(f"{name}: expected text")
        return None

    def _count(self, name: str, value: object) -> int | None:
        if value is None or value == "":
            return None
        if isinstance(value, bool) or not re.fullmatch(r"[1-9]\d{0,17}", str(value), re.ASCII):
            self.wrong.append(f"{name}: expected a whole number above 0")
            return None
        return int(str(value))


def _is_endpoint(value: str) -> bool:
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(host) and parts.path in ("", "/") and "@" not in parts.netloc
