"""Fixtures live in `tests/fixtures`, one module per thing they provide."""

from hypothesis import HealthCheck, settings

pytest_plugins = [
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
