"""The secrets of a deployment's embedded services but for Postgres's: `DATA/secrets`, a file each (0600)."""

from __future__ import annotations

import secrets
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from infra.services.kept import keep_secret, read_secret
from infra.services.minio import Credentials

# MinIO's users: its root, and one for each part that has rights of its own.
User = Literal["root", "classify", "feed", "sweep"]
USERS: tuple[User, ...] = ("root", "classify", "feed", "sweep")


@dataclass(frozen=True, slots=True)
class DeploymentSecrets:
    """Read from `directory` at each use. All but the methods that make them raise `SecretMissing` before `up` did."""

    directory: Path

    @property
    def auth_file(self) -> Path:
        """Where the key of namespace `guest` is."""
        return self.directory / "openwhisk-guest"

    @property
    def auth(self) -> str:
        """The key of namespace `guest`: `uuid:secret`."""
        return read_secret(self.auth_file)

    def credentials(self, user: User) -> Credentials:
        """Keys of the embedded MinIO."""
        access_key, _, secret_key = read_secret(self._credentials_file(user)).partition(":")
        return Credentials(access_key, secret_key)

    def make_auth(self) -> None:
        """Make the key of namespace `guest`, unless there is one."""
        keep_secret(self.auth_file, lambda: f"{uuid.uuid4()}:{secrets.token_urlsafe(48)}")

    def make_credentials(self) -> None:
        """Make each MinIO user's keys, unless there are."""
        for user in USERS:
            keep_secret(self._credentials_file(user), _random_credentials)

    def _credentials_file(self, user: User) -> Path:
        return self.directory / f"minio-{user}"


def _random_credentials() -> str:
    made = Credentials.random()
    return f"{made.access_key}:{made.secret_key}"
