"""Who is asking: HTTP Basic credentials against the keys of the namespaces."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Mapping
from dataclasses import dataclass

from infra.host.errors import CREDENTIALS_INVALID, CREDENTIALS_MISSING, Refusal, unauthorized

# What a header of such a name holds says who somebody is; an action that is merely started has no use for it.
CREDENTIALS = frozenset({"authorization", "cookie", "proxy-authorization", "x-require-whisk-auth"})


@dataclass(frozen=True, slots=True)
class Identity:
    """A caller. `key` is `uuid:secret`; it is kept out of `repr`, and so out of logs."""

    namespace: str
    key: str

    def __repr__(self) -> str:
        return f"Identity({self.namespace!r})"


class Keyring:
    """The keys of all namespaces, looked up by their public half and compared in constant time."""

    def __init__(self, keys: Mapping[str, str]) -> None:
        self._by_uuid = {key.partition(":")[0]: Identity(namespace, key) for namespace, key in keys.items()}
        self._by_namespace = {identity.namespace: identity for identity in self._by_uuid.values()}

    def owner(self, namespace: str) -> Identity | None:
        """Whom the namespace belongs to."""
        return self._by_namespace.get(namespace)

    def identify(self, key: str) -> Identity | None:
        """The owner of `uuid:secret`, if it is one of ours."""
        known = self._by_uuid.get(key.partition(":")[0])
        # Compared even where the uuid is unknown: how long an answer takes must not tell which uuids there are.
        expected = known.key if known else "no:such-key"
        same = hmac.compare_digest(key.encode(errors="replace"), expected.encode())
        return known if known and same else None

    def authenticate(self, authorization: str | None) -> Identity:
        """The caller named by an `Authorization` header; a 401 where it is missing or wrong."""
        if not authorization:
            raise unauthorized(CREDENTIALS_MISSING)
        scheme, _, encoded = authorization.partition(" ")
        if scheme.lower() != "basic":
            raise unauthorized(CREDENTIALS_MISSING)
        try:
            key = base64.b64decode(encoded.strip(), validate=True).decode(errors="replace")
        except binascii.Error:
            raise unauthorized(CREDENTIALS_MISSING) from None
        if identity := self.identify(key):
            return identity
        raise unauthorized(CREDENTIALS_INVALID)

    def knows(self, authorization: str | None) -> bool:
        """Whether an `Authorization` header names a caller."""
        try:
            return self.authenticate(authorization) is not None
        except Refusal:
            return False


def without_credentials(headers: Mapping[str, str]) -> dict[str, str]:
    """Headers as an action that a trigger starts may see them: the key that fired it would be the whole namespace's."""
    return {name: value for name, value in headers.items() if name.lower() not in CREDENTIALS}
