"""What of a user's shell reaches our own services, and what of it is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.cli.up import foreign
from infra.deployment.ambient import ambient_names, database_names, drop_ambient, make_unproxied_variables
from infra.deployment.external import External
from infra.deployment.record import Deployment
from infra.services.minio import Credentials

DATABASE = External(database_url="postgresql://me:hush@db.example/app")
STORE = External(endpoint="https://minio.example", credentials=Credentials("a", "b"))


def test_every_variable_of_libpq_is_dropped_where_the_database_is_ours() -> None:
    """Those that redirect, those that refuse and those that change a session, but for others' variables."""
    shell = {"PGPORT": "1", "PGHOSTADDR": "10.0.0.1", "PGSERVICE": "x", "PGOPTIONS": "-c a=b", "PGCHANNELBINDING": "a"}
    shell |= {"PGTARGETSESSIONATTRS": "standby", "PGSERVICEFILE": "f", "AWS_SESSION_TOKEN": "t", "PGADMIN": "other"}
    assert {*shell} - {"AWS_SESSION_TOKEN", "PGADMIN"} <= {*database_names()}
    drop_ambient(External(), shell)
    assert shell == {"PGADMIN": "other"}


def test_variables_of_the_operator_s_own_services_stay() -> None:
    """They are part of how these are named."""
    assert "PGPORT" not in ambient_names(DATABASE)
    assert "AWS_SESSION_TOKEN" in ambient_names(DATABASE)
    assert "AWS_SESSION_TOKEN" not in ambient_names(STORE)


def test_up_names_the_variables_that_have_a_say(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Beside DATABASE_URL, those of libpq that are set."""
    monkeypatch.setenv("PGOPTIONS", "-c search_path=other")
    assert foreign(Deployment(tmp_path, external=DATABASE)) == [
        "using Postgres at app at db.example:5432, which DATABASE_URL, PGOPTIONS name"
    ]


def test_loopback_is_added_to_what_needs_no_proxy() -> None:
    """What is named already stays as it is, and nothing is said where no service is ours."""
    both = {"NO_PROXY": "a.example,127.0.0.1,localhost"}
    both |= {"no_proxy": both["NO_PROXY"]}
    assert make_unproxied_variables(External(), {"no_proxy": "a.example, 127.0.0.1"}) == both
    assert make_unproxied_variables(External(), {})["NO_PROXY"] == "127.0.0.1,localhost"
    assert make_unproxied_variables(External(endpoint="https://m", apihost="https://o"), {}) == {}
