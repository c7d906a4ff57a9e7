"""Which form of the suite is run: the short one of `make test`, or the long one of `make chaos`."""

from __future__ import annotations

import os
import secrets

# How long faults go on; 0 is the short form.
MINUTES = float(os.environ.get("PIXWHISK_CHAOS_MINUTES") or 0)
LONG = MINUTES > 0


def seed() -> str:
    """`PIXWHISK_CHAOS_SEED`, or a new one."""
    return os.environ.get("PIXWHISK_CHAOS_SEED") or secrets.token_hex(4)
