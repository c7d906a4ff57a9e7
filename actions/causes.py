"""Why a service could not be used, in words that hold no secret: those of libraries may hold an address with its
password, or a row. What has no words here is called by its kind.
"""

from __future__ import annotations

import ssl
from collections.abc import Sequence

UNTRUSTED = "its certificate is not trusted"
NAME_AUTHORITY = "name its authority's file in SSL_CERT_FILE"
# What libpq says where no connection came about, and has no SQLSTATE for.
_SAID_BY_POSTGRES: Sequence[tuple[str, str]] = (
    ("too many clients already", "53300 too_many_connections"),
    ("remaining connection slots", "53300 too_many_connections"),
    ("too many connections for", "53300 too_many_connections"),
    ("is starting up", "57P03 cannot_connect_now"),
    ("is shutting down", "57P03 cannot_connect_now"),
    ("recovery mode", "57P03 cannot_connect_now"),
    ("password authentication failed", "28P01: our key is refused"),
    ("permission denied for", "42501 insufficient_privilege"),
    ("no pg_hba.conf entry", "28000 invalid_authorization_specification"),
    ("certificate verify failed", UNTRUSTED),
    ("does not support SSL", "it does not speak TLS"),
    ("Connection refused", "connection refused"),
    ("timeout expired", "no answer in time"),
    ("Name or service not known", "its host's name is not known"),
    ("could not translate host name", "its host's name is not known"),
    ("failed to resolve host", "its host's name is not known"),
    ("does not exist", "3D000 invalid_catalog_name, or a role that does not exist"),
    ("closed the connection unexpectedly", "the connection was closed"),
)


def name_cause(error: BaseException) -> str:
    """What kept an HTTP client from its service: trust, a proxy, an address, time."""
    reason = getattr(error, "reason", None)
    cause = reason if isinstance(reason, BaseException) else error
    inner = (
        cause
        if isinstance(cause, ssl.SSLError)
        else next((each for each in cause.args if isinstance(each, ssl.SSLError)), None)
    )
    if isinstance(inner, ssl.SSLCertVerificationError):
        return f"{UNTRUSTED}: {inner.verify_message}; {NAME_AUTHORITY}"
    return type(cause).__name__


def name_database_cause(error: BaseException) -> str:
    """Postgres's own name for it, or what kept a connection from coming about."""
    if state := getattr(error, "sqlstate", None):
        return f"{state} {_name_class(error)}".strip()
    said = str(error)
    return next((words for sign, words in _SAID_BY_POSTGRES if sign in said), type(error).__name__)


def _name_class(error: BaseException) -> str:
    """The driver calls its classes as Postgres calls its conditions, but for the underscores."""
    name = type(error).__name__
    return "".join(f"_{each.lower()}" if each.isupper() and at else each.lower() for at, each in enumerate(name))
