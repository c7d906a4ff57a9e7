"""MinIO users with no more rights than their action needs, made through MinIO's own administration API."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from infra.errors import OperatorError
from infra.services.minio import Credentials

_ALL = "arn:aws:s3:::*"

# MinIO lets every user change its own secret, make further keys that outlive it, unless told not to.
_OWN_KEYS = {
    "Effect": "Deny",
    "Action": [
        "admin:CreateUser",
        "admin:CreateServiceAccount",
        "admin:UpdateServiceAccount",
        "admin:RemoveServiceAccount",
    ],
}

# Listing is what turns "access denied" into "no such object" when one is gone.
READER: Mapping[str, Any] = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Action": ["s3:GetObject", "s3:GetObjectVersion"], "Resource": [_ALL]},
        {"Effect": "Allow", "Action": ["s3:ListBucket", "s3:GetBucketLocation"], "Resource": [_ALL]},
        _OWN_KEYS,
    ],
}

# No object can be read or written. The two administrative rights declare a webhook target for a trigger that names
# none, and restart MinIO to use it. MinIO's configuration is one right, so whoever has this user's keys could change
# more of it than targets.
FEED: Mapping[str, Any] = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": [
                "s3:ListAllMyBuckets",
                "s3:ListBucket",
                "s3:GetBucketLocation",
                "s3:GetBucketNotification",
                "s3:PutBucketNotification",
            ],
            "Resource": [_ALL],
        },
        {"Effect": "Allow", "Action": ["admin:ConfigUpdate", "admin:ServiceRestart"]},
        _OWN_KEYS,
    ],
}


# It hears what happens, and sees which of it is subscribed to; it can read, write and change nothing.
LISTENER: Mapping[str, Any] = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": ["s3:ListenBucketNotification", "s3:GetBucketNotification", "s3:GetBucketLocation"],
            "Resource": [_ALL],
        },
        _OWN_KEYS,
    ],
}


class UsersRefused(OperatorError):
    """MinIO would not make the users; the message has its words."""


@dataclass(frozen=True, slots=True)
class User:
    """A MinIO user and the policy it alone has."""

    policy: str
    rights: Mapping[str, Any]
    credentials: Credentials


def provide(endpoint: str, root: Credentials, users: tuple[User, ...], mark: Path) -> None:
    """Make users and policies as they should be. `mark` remembers it was done: each user costs a third of a second.

    It belongs beside MinIO's data, so that both are gone together.
    """
    wanted = _digest(users)
    if mark.is_file() and mark.read_text() == wanted:
        return
    # Late: the administration's ciphers are slow to import, and needed once in a deployment's life.
    from minio import MinioAdmin
    from minio.credentials.providers import StaticProvider
    from minio.error import MinioAdminException

    address = urlsplit(endpoint)
    administration = MinioAdmin(
        endpoint=address.netloc,
        secure=address.scheme == "https",
        credentials=StaticProvider(root.access_key, root.secret_key),
    )
    try:
        for user in users:
            administration.policy_add(user.policy, policy=dict(user.rights))
            administration.user_add(user.credentials.access_key, user.credentials.secret_key)
            administration.policy_set(user.policy, user=user.credentials.access_key)
    except MinioAdminException as error:
        raise UsersRefused(f"MinIO at {endpoint} does not take users: {error}") from None
    mark.write_text(wanted)


def _digest(users: tuple[User, ...]) -> str:
    described = [[user.policy, user.rights, user.credentials.access_key, user.credentials.secret_key] for user in users]
    return hashlib.sha256(json.dumps(described).encode()).hexdigest()
