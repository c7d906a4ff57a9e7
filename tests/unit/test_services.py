"""How the services of a deployment are started: what they are told, and where they listen."""

from __future__ import annotations

from pathlib import Path

from infra.services.minio import Credentials, MinioServer
from infra.services.openwhisk import OpenWhiskHost
from infra.services.postgres import SETTINGS

SECRETS = {
    "DATABASE_URL": "postgresql://u:hush@/d",
    "AWS_SECRET_ACCESS_KEY": "hush",
    "WSK_AUTH": "id:hush",
    "PIXWHISK_AUTH": "id:hush",
    "PGPASSWORD": "hush",
    "MINIO_ROOT_PASSWORD": "hush",
}


def test_the_host_is_told_its_settings_and_no_secret(tmp_path: Path) -> None:
    """Its own settings pass through from the environment of `up`; keys and passwords there do not."""
    told = {
        "PIXWHISK_POOL_SLOTS": "1",
        "PIXWHISK_QUOTAS": "openwhisk",
        "PIXWHISK_QUOTA_FIRES": "9",
        "PIXWHISK_TIMEOUT_BLOCKING": "5",
    }
    ours = {"PIXWHISK_CACHE": "/cache", "PIXWHISK_READABLE": "/data/own:/data/other"}
    host = OpenWhiskHost(tmp_path, 1, tmp_path / "auth", "/models/a:/models/b", {**told, **ours, **SECRETS})
    environment = host.command().environment
    assert environment["PIXWHISK_READABLE"] == "/cache/models/headed:/models/a:/models/b:/data/own:/data/other"
    assert told.items() <= environment.items()
    assert "hush" not in repr(environment)
    assert "hush" not in repr(host)


def test_actions_trust_the_authorities_that_the_user_trusts(tmp_path: Path) -> None:
    """`SSL_CERT_FILE` reaches the containers, which may read the file; one that is not there reaches nobody."""
    trusted = tmp_path / "authorities.pem"
    trusted.touch()
    host = OpenWhiskHost(tmp_path, 1, tmp_path / "auth", "/models/a", {"SSL_CERT_FILE": str(trusted)})
    environment = host.command().environment
    assert environment["SSL_CERT_FILE"] == str(trusted)
    assert environment["PIXWHISK_CONTAINER_VARIABLES"] == "PIXWHISK_MODEL,SSL_CERT_FILE"
    assert str(trusted) in environment["PIXWHISK_READABLE"].split(":")
    lost = OpenWhiskHost(tmp_path, 1, tmp_path / "auth", "/models/a", {"SSL_CERT_FILE": str(tmp_path / "lost")})
    assert "SSL_CERT_FILE" not in lost.command().environment


def test_services_listen_on_loopback_alone(tmp_path: Path) -> None:
    """MinIO on 127.0.0.1, Postgres on no port at all, and the host on its default, which is loopback."""
    arguments = MinioServer(tmp_path, tmp_path / "minio", 9, Credentials("a", "b")).command().arguments
    assert arguments[arguments.index("--address") + 1] == "127.0.0.1:9"
    assert SETTINGS["listen_addresses"] == ""
    host = OpenWhiskHost(tmp_path, 1, tmp_path / "auth", "/models/a", {"PIXWHISK_HOST": "0.0.0.0"})
    assert "--host" not in host.command().arguments
    assert "PIXWHISK_HOST" not in host.command().environment
