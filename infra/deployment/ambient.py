"""What of the user's shell would change how a service of our own is reached, and is therefore not for it.

libpq fills in from `PG*` whatever a URL leaves out, and S3 clients send a session token along with anybody's keys. For
services of the operator's own these variables are part of how they are named, and stay.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, MutableMapping, Sequence

from psycopg.pq import Conninfo

from infra.deployment.external import External

# Beside the keys and the endpoint that `pixwhisk env` exports, these decide whom a client asks, and as whom.
OF_STORE = (
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
    "AWS_USE_FIPS_ENDPOINT",
    "AWS_USE_DUALSTACK_ENDPOINT",
)
# libpq reads these itself, without an option of their name.
_OF_SERVICE_FILES = ("PGSERVICEFILE", "PGSYSCONFDIR")
LOOPBACK = ("127.0.0.1", "localhost")


def database_names() -> Sequence[str]:
    """Every variable that libpq reads."""
    return sorted({each.envvar.decode() for each in Conninfo.get_defaults() if each.envvar} | {*_OF_SERVICE_FILES})


def ambient_names(external: External) -> Sequence[str]:
    """What clients of the embedded services must not see."""
    database = () if external.database_url else database_names()
    return (*database, *(() if external.endpoint else OF_STORE))


def drop_ambient(external: External, environ: MutableMapping[str, str] = os.environ) -> None:
    """Forget, in this process and what it starts, whatever is not meant for the embedded services."""
    for name in ambient_names(external):
        environ.pop(name, None)


def database_variables(environ: Mapping[str, str] = os.environ) -> Sequence[str]:
    """Those set that have a say in how an operator's own database is reached."""
    return [name for name in database_names() if name in environ]


def make_unproxied_variables(external: External, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """`NO_PROXY`, in both spellings, with loopback added to what it says: no proxy finds what listens there."""
    if external.endpoint and external.apihost:
        return {}
    named = (environ.get("NO_PROXY") or environ.get("no_proxy") or "").split(",")
    known = [each.strip() for each in named if each.strip()]
    together = ",".join([*known, *(each for each in LOOPBACK if each not in known)])
    return {"NO_PROXY": together, "no_proxy": together}
