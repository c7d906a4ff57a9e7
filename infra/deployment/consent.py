"""What a user must have said before it is done to services of somebody else's."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Consent:
    """`force`: actions may get more rights than they have, or other services; `use_database`: a database may be used
    that holds what is not ours; `restart_minio`: a MinIO of another deployment may be restarted, to learn of our
    targets.
    """

    force: bool = False
    use_database: bool = False
    restart_minio: bool = False
