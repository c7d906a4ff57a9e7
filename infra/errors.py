"""What ends a command on purpose, and with which exit code. The message says what to do next; anything else is a bug.

    OperatorError                       1   it cannot be done as things stand
    ├── Misconfigured                   2   what was given cannot be meant
    │   ├── BadEnvironment              variables that need each other are not all set
    │   └── BadManifest                 the manifest, or a variable it names
    ├── ServiceAway                     3   nothing answers where a service should
    │   ├── ObjectStoreAway             while a bucket is listed
    │   ├── ObjectStoreFailed           while users, bucket and subscription are provisioned
    │   └── Unreachable                 OpenWhisk; a WhiskError as well
    ├── WhiskError                      OpenWhisk refused, or an activation failed
    ├── ListingRefused, UsersRefused    MinIO refused
    ├── UnknownKeys                     there is no row about what was to be labelled
    ├── ForeignDatabase, NewerSchema    a database that is not to be migrated
    ├── ForeignTargets                  notification targets in a MinIO that are another deployment's
    ├── Held, NotPrivate, NoDeployment, SecretMissing   a data directory that cannot be used
    ├── NotSetUp, BadModel, MinioMissing, PostgresMissing   what `make setup` makes is missing or not as it should be
    ├── NoTensorFlow                    its environment cannot be had, or what ran there failed
    ├── PortTaken, ServiceFailed        a service did not start
    └── Unintended                      a deploy would have changed more than was meant

Where somebody knows better what to do, they raise one of these; `infra.cli.failures` shows it. Postgres has the
driver's own errors, which are told apart there.
"""

from __future__ import annotations

from enum import IntEnum
from typing import ClassVar


class Exit(IntEnum):
    """What programs may rely on."""

    OK = 0
    FAILED = 1
    USAGE = 2
    UNREACHABLE = 3
    INTERRUPTED = 130


class OperatorError(Exception):
    """Base of all that ends a command with its own words, without a traceback."""

    exit_code: ClassVar[Exit] = Exit.FAILED


class Misconfigured(OperatorError):
    """Nothing was tried: what was given cannot be meant."""

    exit_code = Exit.USAGE


class ServiceAway(OperatorError):
    """Nothing answers where a service should; the same command may succeed later."""

    exit_code = Exit.UNREACHABLE
