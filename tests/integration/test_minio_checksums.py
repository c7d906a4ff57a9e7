"""The MinIO that set-up built, against what is pinned."""

from __future__ import annotations

import pytest

from infra.services import minio_binary
from infra.setup import minio, minio_checksums
from infra.setup.minio_checksums import check_checksums
from infra.setup.steps import Impossible
from tests.fixtures.needs import need


def test_what_was_built_is_what_is_pinned(monkeypatch: pytest.MonkeyPatch) -> None:
    """And would be refused if it were of anything else, whatever the builder's Go was told to believe."""
    binary = minio_binary.place_built()
    need(binary.is_file(), "MinIO is not built: run `make setup`")
    check_checksums(binary, str(minio.go()))
    monkeypatch.setattr(minio_checksums, "CHECKSUM", "h1:other=")
    with pytest.raises(Impossible, match="is not built of"):
        check_checksums(binary, str(minio.go()))
