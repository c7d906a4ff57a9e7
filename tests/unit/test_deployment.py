"""Which services a deployment uses, and where commands find that out."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from actions.errors import BadSettings
from actions.store.settings import StoreSettings
from infra.cli import remote
from infra.cli.failures import Failure
from infra.cli.standing import find_started, find_unused
from infra.database.address import database_place
from infra.deployment.embedded import make_embedded_services
from infra.deployment.external import BadEnvironment, External
from infra.deployment.record import Deployment, NoDeployment, choose_deployment, establish, find_deployment
from infra.deployment.variables import export_variables, manifest_variables, wsk_variables
from infra.errors import Misconfigured
from infra.services import lock
from infra.services.kept import SecretMissing

OUTSIDE = {
    "DATABASE_URL": "postgresql://me@db/pictures",
    "AWS_ENDPOINT_URL_S3": "https://minio.example:9000",
    "AWS_ACCESS_KEY_ID": "me",
    "AWS_SECRET_ACCESS_KEY": "hush",
    "WSK_APIHOST": "whisk.example",
    "WSK_AUTH": "u:p",
}


def test_flags_are_remembered(tmp_path: Path) -> None:
    """What an `up` was told holds for the next one, until it is told otherwise."""
    establish(choose_deployment(tmp_path, {}, bucket="photos", api_port=1234, s3_port=None))
    again = choose_deployment(tmp_path, {}, bucket=None, api_port=4321, s3_port=None)
    assert (again.bucket, again.api_port, again.s3_port) == ("photos", 4321, 9000)


def test_secrets_are_made_once(tmp_path: Path) -> None:
    """Two commands see the same keys; two directories never do."""
    one, again, other = (choose_deployment(path, {}) for path in (tmp_path / "a", tmp_path / "a", tmp_path / "b"))
    establish(one)
    before = one.auth
    establish(again)
    establish(other)
    assert one.auth == before
    assert (one.auth, one.credentials) == (again.auth, again.credentials)
    assert one.auth != other.auth
    assert one.credentials != other.credentials
    assert len({one.credentials, one.reader, one.feeder}) == 3


def test_looking_at_a_deployment_makes_nothing(tmp_path: Path) -> None:
    """Before `up` there is no secret to read, and asking for one names the command that makes it."""
    deployment = choose_deployment(tmp_path, {})
    looks: tuple[Callable[[], object], ...] = (
        *(functools.partial(getattr, deployment, name) for name in vars(Deployment) if _is_property(name)),
        lambda: export_variables(deployment),
        lambda: manifest_variables(deployment),
        lambda: wsk_variables(deployment),
        lambda: make_embedded_services(deployment),
        lambda: deployment.postgres.socket_directory,
    )
    refused = [str(error) for error in map(_error_of, looks) if error]
    assert len(refused) >= 8
    assert all("`pixwhisk up` makes it" in error for error in refused)
    assert list(tmp_path.iterdir()) == []


def _is_property(name: str) -> bool:
    return isinstance(vars(Deployment)[name], property)


def _error_of(look: Callable[[], object]) -> SecretMissing | None:
    try:
        look()
    except SecretMissing as error:
        return error
    return None


def test_what_env_printed_does_not_make_services_foreign(tmp_path: Path) -> None:
    """After `eval "$(pixwhisk env)"` another `up` still starts its own services."""
    first = choose_deployment(tmp_path, {})
    establish(first)
    again = choose_deployment(tmp_path, export_variables(first))
    assert again.external == External()
    assert [service.name for service in make_embedded_services(again)] == ["postgres", "openwhisk", "minio"]


def test_services_of_the_environment_replace_the_embedded_ones(tmp_path: Path) -> None:
    """With all three named nothing is started, and later commands know them without the environment."""
    started = choose_deployment(tmp_path, OUTSIDE)
    establish(started)
    later = find_deployment(tmp_path, {})
    assert make_embedded_services(started) == []
    assert later.database_url == OUTSIDE["DATABASE_URL"]
    assert (later.apihost, later.auth) == ("https://whisk.example", "u:p")
    assert later.endpoint == OUTSIDE["AWS_ENDPOINT_URL_S3"]
    assert manifest_variables(later)["PIXWHISK_DECLARE_TARGETS"] == ""


@pytest.mark.parametrize("missing", ["AWS_SECRET_ACCESS_KEY", "WSK_AUTH"])
def test_half_a_service_is_refused(tmp_path: Path, missing: str) -> None:
    """A service without its key is an error that names the variable."""
    environ = {name: value for name, value in OUTSIDE.items() if name != missing}
    with pytest.raises(BadEnvironment, match=missing):
        choose_deployment(tmp_path, environ)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:hu@sh@db/pictures",
        "postgresql://me:hu/sh@db/pictures",
        "postgresql://me:hu:sh/x@db/pictures",
        "postgresql://me:hu#sh@db/pictures",
        "postgresql://me:hu?sh@db/pictures",
        "postgresql://me:hu%zsh@db/pictures",
        "postgresql://me:hu sh@db/pictures",
        "postgresql://12/hush@db/pictures",
        "mysql://me:hush@db/pictures",
        "host=db password=hush",
        "postgresql://me:hush@db:port/pictures",
        "postgresql://me:hush@db/pictures?hush",
    ],
)
def test_a_database_url_with_a_mistake_is_refused_and_not_repeated(tmp_path: Path, url: str) -> None:
    """libpq would take the rest of a password for a host, a port or a name, and say it when it fails."""
    with pytest.raises(BadEnvironment, match="DATABASE_URL: expected") as refused:
        find_deployment(tmp_path, {"DATABASE_URL": url})
    assert not any(part in str(refused.value) for part in ("hu@", "hush", "sh@", "zsh"))


@pytest.mark.parametrize(
    "url",
    [
        "postgres://db",
        "postgresql://me:hu%40sh@db:5432/pictures?sslmode=require",
        "postgresql://me@[::1]:5432/pictures",
        "postgresql://me:hush@one:1,two:2/pictures?target_session_attrs=primary",
        "postgresql://me:hush@/pictures?host=/run/postgresql",
        "postgresql:///pictures",
    ],
)
def test_every_database_url_of_libpq_is_taken(tmp_path: Path, url: str) -> None:
    """With a socket, several servers, an address of IPv6, options, or nothing but a name."""
    assert find_deployment(tmp_path, {"DATABASE_URL": url}).database_url == url


@pytest.mark.parametrize("name", ["AWS_ENDPOINT_URL_S3", "WSK_APIHOST", "PIXWHISK_TRIGGER_APIHOST"])
def test_no_address_holds_a_password(tmp_path: Path, name: str) -> None:
    """Addresses are printed, so one with a password in it is refused, and not repeated."""
    with pytest.raises(BadEnvironment, match=name) as refused:
        choose_deployment(tmp_path, {**OUTSIDE, name: "https://me:hush@minio.example"})
    assert "hush" not in str(refused.value)


def test_nothing_is_made_where_nothing_was_started(tmp_path: Path) -> None:
    """Looking at an empty directory is an error and leaves it empty; one service of the environment suffices for it."""
    with pytest.raises(NoDeployment, match="pixwhisk up"):
        find_deployment(tmp_path, {})
    only_database = find_deployment(tmp_path, {"DATABASE_URL": "postgresql://db"})
    assert only_database.database_url == "postgresql://db"
    with pytest.raises(NoDeployment, match="AWS_ENDPOINT_URL_S3"):
        _ = only_database.endpoint
    assert list(tmp_path.iterdir()) == []


def test_the_bucket_of_somebody_s_own_services(tmp_path: Path) -> None:
    """PIXWHISK_BUCKET says which; a deployment that was started here knows its own."""
    environ = {"DATABASE_URL": "postgresql://db", "PIXWHISK_BUCKET": "photos"}
    assert find_deployment(tmp_path, environ).bucket == "photos"
    establish(choose_deployment(tmp_path, {}, bucket="own"))
    assert find_deployment(tmp_path, environ).bucket == "own"


def test_the_target_of_a_deployment(tmp_path: Path) -> None:
    """Flags before environment before wsk's file before the directory's own host."""
    properties = tmp_path / "props"
    properties.write_text("APIHOST=http://file\nAUTH=f:ile\n# AUTH=no\n")
    environ = {"WSK_CONFIG_FILE": str(properties), "WSK_APIHOST": "http://environ", "WSK_AUTH": "e:nv"}
    assert remote.find("http://flag", "f:lag", tmp_path, environ) == remote.Remote("http://flag", "f:lag")
    assert remote.find(None, None, tmp_path, environ) == remote.Remote("http://environ", "e:nv")
    of_file = {"WSK_CONFIG_FILE": str(properties)}
    assert remote.find(None, None, tmp_path, of_file) == remote.Remote("http://file", "f:ile")


def test_the_key_goes_nowhere_while_the_deployment_does_not_run(tmp_path: Path) -> None:
    """Anybody may listen on its port then; nor does it where `pixwhisk env` has named it."""
    deployment = choose_deployment(tmp_path, {})
    establish(deployment)
    nothing = {"WSK_CONFIG_FILE": str(tmp_path / "none")}
    named = nothing | {"WSK_APIHOST": deployment.apihost, "WSK_AUTH": deployment.auth}
    for environ in (nothing, named):
        with pytest.raises(Failure, match="not running"):
            remote.find(None, None, tmp_path, environ)
        with lock.held(tmp_path):
            assert remote.find(None, None, tmp_path, environ).auth == deployment.auth


def test_a_deployment_that_is_named_is_deployed_to(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever OpenWhisk the shell or wsk's file names, which is said; a host of the command line has the say."""
    own, properties = choose_deployment(tmp_path / "own", {}), tmp_path / "props"
    establish(own)
    properties.write_text("APIHOST=http://file\nAUTH=f:ile\n")
    shell = OUTSIDE | {"WSK_CONFIG_FILE": str(properties), "WSK_AUTH": "e:nv"}
    chosen = remote.choose_environment(own.data, None, named=True, environ=shell)
    assert f"not used: DATABASE_URL, AWS_ENDPOINT_URL_S3, WSK_APIHOST, for {own.data}" in capsys.readouterr().err
    with lock.held(own.data):
        target = remote.find(None, None, own.data, chosen)
    assert target == remote.Remote(own.apihost, own.auth)
    bound = remote.variables(own.data, target, chosen)
    assert bound["PIXWHISK_STORE_DATABASE_URL"] == own.database_url_of("pixwhisk_store")
    for data, apihost, named in (
        (own.data, "http://flag", True),
        (own.data, None, False),
        (tmp_path / "none", None, True),
    ):
        assert remote.choose_environment(data, apihost, named=named, environ=shell) is shell
    assert capsys.readouterr().err == ""


def test_a_key_of_a_file_is_not_sent_to_another_host(tmp_path: Path) -> None:
    """--apihost without --auth does not take the property file's key along."""
    properties = tmp_path / "props"
    properties.write_text("APIHOST=http://file\nAUTH=f:ile\n")
    with pytest.raises(Failure, match="--auth"):
        remote.find("http://elsewhere", None, tmp_path, {"WSK_CONFIG_FILE": str(properties)})


def test_a_foreign_openwhisk_gets_the_environments_services(tmp_path: Path) -> None:
    """One key and one URL serve all parts; a part's own wins; an empty journal means none."""
    target = remote.Remote("http://w", "u:p")
    own = {"PIXWHISK_VIEW_DATABASE_URL": "postgresql://viewer", "PIXWHISK_JOURNAL_TARGET": ""}
    found = remote.variables(tmp_path, target, OUTSIDE | own)
    assert found["PIXWHISK_STORE_DATABASE_URL"] == OUTSIDE["DATABASE_URL"]
    assert found["PIXWHISK_VIEW_DATABASE_URL"] == "postgresql://viewer"
    assert found["PIXWHISK_FEED_ACCESS_KEY_ID"] == "me"
    assert found["PIXWHISK_JOURNAL_TARGET"] == ""
    assert found["PIXWHISK_TRIGGER_APIHOST"] == "http://w"


def test_a_schema_of_somebody_s_database(tmp_path: Path) -> None:
    """It goes with the database's URLs, of whichever part, and is recorded; an embedded database has none."""
    own = {"PIXWHISK_SCHEMA": "own", "PIXWHISK_VIEW_DATABASE_URL": "postgresql://viewer/x?sslmode=require"}
    found = remote.variables(tmp_path, remote.Remote("http://w", "u:p"), OUTSIDE | own)
    placed = "options=-c%20search_path%3Down"
    assert found["PIXWHISK_STORE_DATABASE_URL"] == f"{OUTSIDE['DATABASE_URL']}?{placed}"
    assert found["PIXWHISK_VIEW_DATABASE_URL"] == f"postgresql://viewer/x?sslmode=require&{placed}"
    establish(choose_deployment(tmp_path / "shared", OUTSIDE | own))
    for environ in ({}, {"PIXWHISK_SCHEMA": "another"}):
        recorded = find_deployment(tmp_path / "shared", environ)
        assert recorded.database_url == found["PIXWHISK_STORE_DATABASE_URL"]
    assert find_unused(recorded, OUTSIDE | own) == []
    assert database_place(recorded.database_url).endswith(", schema own")
    assert choose_deployment(tmp_path / "embedded", {"PIXWHISK_SCHEMA": "own"}).external == External()
    for wrong in ("Own", "pg_own", "own,public", "1", "a" * 64):
        with pytest.raises(Misconfigured, match="PIXWHISK_SCHEMA"):
            choose_deployment(tmp_path, OUTSIDE | {"PIXWHISK_SCHEMA": wrong})


def test_only_the_environment_says_in_which_schema() -> None:
    """What a caller sends counts for nothing."""
    bound = {"DATABASE_URL": "postgresql://h/d", "PIXWHISK_SCHEMA": "callers"}
    assert StoreSettings.from_params(bound, {}).database_url == "postgresql://h/d"
    inside = StoreSettings.from_params(bound, {"PIXWHISK_SCHEMA": "own"}).database_url
    assert inside == "postgresql://h/d?options=-c%20search_path%3Down"
    with pytest.raises(BadSettings, match="PIXWHISK_SCHEMA"):
        StoreSettings.from_params(bound, {"PIXWHISK_SCHEMA": "a b"})


def test_a_mark_is_made_once(tmp_path: Path) -> None:
    """On a MinIO that others use as well the targets' names end with it; in one of its own they need none."""
    first = choose_deployment(tmp_path, {})
    establish(first)
    assert (first.targets.fast, first.targets.journal) == ("FAST", "JOURNAL")
    shared = choose_deployment(tmp_path, OUTSIDE)
    establish(shared)
    assert shared.mark == first.mark == find_deployment(tmp_path, {}).mark
    assert (shared.targets.fast, shared.targets.journal) == (f"FAST_{first.mark}", f"JOURNAL_{first.mark}")
    named = choose_deployment(tmp_path, OUTSIDE | {"PIXWHISK_DEPLOYMENT": "team2"})
    assert manifest_variables(named)["PIXWHISK_FAST_TARGET"] == "FAST_TEAM2"
    with pytest.raises(Misconfigured, match="PIXWHISK_DEPLOYMENT"):
        choose_deployment(tmp_path, OUTSIDE | {"PIXWHISK_DEPLOYMENT": "team/2"})


@pytest.mark.parametrize("outside", [{}, OUTSIDE])
def test_a_deployment_from_before_marks_keeps_its_targets(tmp_path: Path, outside: dict[str, str]) -> None:
    """What waits in the queue of `JOURNAL` still has its target."""
    establish(choose_deployment(tmp_path, outside))
    recorded = tmp_path / "deployment.json"
    recorded.write_text(json.dumps({name: value for name, value in _recorded(recorded).items() if name != "mark"}))
    again = choose_deployment(tmp_path, outside)
    assert (again.targets.fast, again.targets.journal) == ("FAST", "JOURNAL")
    establish(again)
    assert choose_deployment(tmp_path, outside).mark == again.mark


def _recorded(path: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads(path.read_text())
    return found


def test_a_deployment_that_was_started_is_asked_whatever_the_shell_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Variables that name other services are not used, and named; those that `env` printed are no others."""
    own = choose_deployment(tmp_path / "own", {})
    establish(own)
    for name, value in OUTSIDE.items():
        monkeypatch.setenv(name, value)
    assert find_started(own.data).database_url == own.database_url
    assert f"not used: DATABASE_URL, AWS_ENDPOINT_URL_S3, WSK_APIHOST, for {own.data}" in capsys.readouterr().err
    for name, value in export_variables(own).items():
        monkeypatch.setenv(name, value)
    assert find_started(own.data).external == External()
    assert capsys.readouterr().err == ""


def test_where_nothing_was_started_the_environment_s_services_are_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And an `up` with those of somebody's own recorded them: later ones change nothing."""
    for name, value in OUTSIDE.items():
        monkeypatch.setenv(name, value)
    assert find_started(tmp_path).database_url == OUTSIDE["DATABASE_URL"]
    establish(choose_deployment(tmp_path))
    monkeypatch.setenv("DATABASE_URL", "postgresql://me@elsewhere/pictures")
    assert find_started(tmp_path).database_url == OUTSIDE["DATABASE_URL"]
    assert "not used: DATABASE_URL, for" in capsys.readouterr().err
