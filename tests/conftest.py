"""Fixtures live in `tests/fixtures`, one module per thing they provide."""

pytest_plugins = ["tests.fixtures.minio", "tests.fixtures.model", "tests.fixtures.postgres"]
