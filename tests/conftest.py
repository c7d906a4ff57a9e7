"""Fixtures live in `tests/fixtures`, one module per thing they provide."""

import signal

from hypothesis import HealthCheck, settings

pytest_plugins = [
    "tests.fixtures.copies",
    "tests.fixtures.deployment",
    "tests.fixtures.minio",
    "tests.fixtures.model",
    "tests.fixtures.postgres",
    "tests.fixtures.whisk",
    # After those it imports: a module must be registered before it is imported for its asserts to be rewritten.
    "tests.fixtures.container",
]

# These machines are noisy and shared: how long an example takes says nothing about the program.
settings.register_profile("pixwhisk", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("pixwhisk")

# A shell without job control starts what goes into the background with Ctrl-C ignored, and children inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
