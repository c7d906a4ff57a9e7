"""The embedded MinIO."""

from __future__ import annotations

import io

from infra.services.minio import JournalTarget, WebhookTarget
from tests.fixtures.minio import RunningMinio


def test_it_stores_what_is_put(minio: RunningMinio, bucket: str) -> None:
    """An object put into a fresh bucket can be read back."""
    client = minio.client()
    client.put_object(bucket_name=bucket, object_name="a dir/cat 1.jpg", data=io.BytesIO(b"cat"), length=3)
    with client.get_object(bucket_name=bucket, object_name="a dir/cat 1.jpg") as answer:
        assert answer.read() == b"cat"


def test_secrets_stay_out_of_arguments_and_representations(minio: RunningMinio) -> None:
    """Neither the command line nor a printed server shows a secret."""
    server = minio.server
    shown = " ".join(server.command().arguments) + repr(server)
    hook, journal = (
        WebhookTarget("FAST", "http://h", "id:hush"),
        JournalTarget("JOURNAL", "password=hush", server.directory),
    )
    assert server.root.secret_key not in shown
    assert "hush" not in repr([hook, journal])
