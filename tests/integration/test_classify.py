"""The action `classify` against the real MinIO, with the real model."""

from __future__ import annotations

import base64
import contextlib
import gzip
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import boto3
import pytest
from minio import Minio
from minio.commonconfig import ENABLED
from minio.sse import SseCustomerKey
from minio.versioningconfig import VersioningConfig
from PIL import Image

from actions.classify.__main__ import main, preload
from actions.events import sequence_number
from tests.fixtures.minio import RunningMinio, free_port, running_minio, running_secure_minio
from tests.fixtures.model import KnownPhoto, second_word
from tests.fixtures.needs import need

Call = Callable[..., dict[str, Any]]


@pytest.fixture
def call(minio: RunningMinio, model_directory: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """`main` in a container that knows the model and the store."""
    return container(minio.endpoint, minio.access_key, minio.secret_key, model_directory, monkeypatch)


def container(endpoint: str, access: str, secret: str, model: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    for name, value in {
        "AWS_ENDPOINT_URL_S3": endpoint,
        "AWS_ACCESS_KEY_ID": access,
        "AWS_SECRET_ACCESS_KEY": secret,
        "PIXWHISK_MODEL": str(model),
    }.items():
        monkeypatch.setenv(name, value)
    return lambda **params: main(params)


@pytest.fixture
def client(minio: RunningMinio) -> Minio:
    return minio.client()


@pytest.fixture
def coffee(photos: Mapping[str, KnownPhoto]) -> bytes:
    return photos["coffee"].jpeg


def put(client: Minio, bucket: str, key: str, body: bytes) -> dict[str, Any]:
    """Store an object; the record that MinIO's event for it would hold."""
    made = client.put_object(bucket_name=bucket, object_name=key, data=io.BytesIO(body), length=len(body))
    return record(bucket, key, size=len(body), eTag=made.etag, versionId=made.version_id)


def record(bucket: str, key: str, event: str = "s3:ObjectCreated:Put", **described: Any) -> dict[str, Any]:
    return {
        "eventName": event,
        "eventTime": "2026-02-06T01:04:31.998Z",
        "s3": {
            "bucket": {"name": bucket},
            "object": {"key": quote_plus(key), "sequencer": "182178E8B3728CAC", **described},
        },
    }


def the_outcome(result: dict[str, Any]) -> dict[str, Any]:
    (outcome,) = result["outcomes"]
    assert isinstance(outcome, dict)
    return outcome


def test_known_photos_get_their_labels(call: Call, photos: Mapping[str, KnownPhoto]) -> None:
    """An image given inline is classified, under the digest of its bytes."""
    for photo in photos.values():
        result = call(image=base64.b64encode(photo.jpeg).decode())
        outcome = the_outcome(result)
        digest = hashlib.sha256(photo.jpeg).hexdigest()
        assert outcome["classifications"][0]["label"] == photo.label
        assert (outcome["bucket"], outcome["key"], outcome["etag"]) == (None, f"sha256:{digest}", None)
        assert (outcome["status"], outcome["format"], outcome["sha256"]) == ("classified", "JPEG", digest)
        short = [{name: each[name] for name in ("className", "probability")} for each in outcome["classifications"]]
        assert len(result["results"]) == 5
        assert result["results"][: len(short)] == short[:5]


def test_a_row_keeps_twenty_labels_of_some_probability(call: Call, photos: Mapping[str, KnownPhoto]) -> None:
    """The outcome has up to twenty labels, whatever `topk` is, and none less likely than one in a thousand."""
    found = [
        the_outcome(call(image=base64.b64encode(photo.jpeg).decode(), topk=1))["classifications"]
        for photo in photos.values()
    ]
    assert 1 < max(map(len, found)) <= 20
    for labels in found:
        probabilities = [each["probability"] for each in labels]
        assert min(probabilities) >= 0.001
        assert probabilities == sorted(probabilities, reverse=True)


def test_an_event_is_answered_with_all_that_the_store_needs(
    call: Call, client: Minio, bucket: str, coffee: bytes, model_directory: Path
) -> None:
    """The outcome of an event names the object, its bytes, the model and the costs, as the contract has them."""
    raw = put(client, bucket, "coffee.jpg", coffee)
    outcome = the_outcome(call(EventName="x", Key=f"{bucket}/coffee.jpg", Records=[raw], topk=3))
    card = json.loads((model_directory / "card.json").read_text())
    with Image.open(io.BytesIO(coffee)) as image:
        width, height = image.size
    receipt = outcome.pop("receipt")
    classifications = outcome.pop("classifications")
    embedding = outcome.pop("embedding")
    assert embedding["backbone"] == card["backbone"]["digest"]
    assert len(base64.b64decode(embedding["values"])) == 1280
    assert outcome == {
        "status": "classified",
        "bucket": bucket,
        "key": "coffee.jpg",
        "versionId": None,
        "etag": raw["s3"]["object"]["eTag"],
        "sequencer": "182178E8B3728CAC",
        "eventTime": "2026-02-06T01:04:31.998Z",
        "size": len(coffee),
        "sha256": hashlib.sha256(coffee).hexdigest(),
        "format": "JPEG",
        "width": width,
        "height": height,
        "model": {"name": card["name"], "digest": card["digest"]},
    }
    assert 1 <= len(classifications) <= 20
    assert set(classifications[0]) == {"index", "label", "className", "probability"}
    assert set(receipt) == {"cold", "fetchMs", "decodeMs", "classifyMs", "totalMs", "rssMb"}


def test_a_named_object_is_completed_from_the_store(call: Call, client: Minio, bucket: str, coffee: bytes) -> None:
    """Who names an object instead of sending an event learns its ETag, size, time and a sequencer from the time."""
    raw = put(client, bucket, "coffee.jpg", coffee)
    outcome = the_outcome(call(bucket=bucket, key="coffee.jpg"))
    assert (outcome["etag"], outcome["size"]) == (raw["s3"]["object"]["eTag"], len(coffee))
    modified = datetime.fromisoformat(outcome["eventTime"])
    assert abs(datetime.now(UTC) - modified) < timedelta(minutes=1)
    assert sequence_number(outcome["sequencer"]) == int(modified.timestamp()) * 10**9
    assert outcome["sequencer"] == outcome["sequencer"].upper()


@pytest.mark.parametrize(
    "key",
    [
        "plain.jpg",
        "a dir/with spaces/cat 1.jpg",
        "a+b&c=d.jpg",
        "100%25.jpg",
        "%41 %zz.jpg",
        "/leading/slash.jpg",
        "café/日本語/🐼.jpg",
        "quote'\"<b>;--.jpg",
        "question?mark#hash.jpg",
        "tilde~star*(1)!.jpg",
        "trailing space ",
        "new\nline\ttab.jpg",
        "back\\slash|pipe^.jpg",
        "x" * 200 + "/" + "y" * 200 + ".jpg",
        "a/ /b",
    ],
)
def test_any_key_is_fetched(call: Call, client: Minio, bucket: str, key: str, coffee: bytes) -> None:
    """Whatever an object is called, by event or by name, it is found."""
    raw = put(client, bucket, key, coffee)
    for result in (call(Records=[raw]), call(bucket=bucket, key=key)):
        assert (the_outcome(result)["status"], the_outcome(result)["key"]) == ("classified", key)


@pytest.mark.parametrize("key", [" ", "   ", "\t"])
def test_a_blank_key_is_fetched(call: Call, minio: RunningMinio, bucket: str, coffee: bytes, key: str) -> None:
    """Even an object whose name is blank, which MinIO's own client refuses to name, is found, and gone when it is."""
    store = boto3.client(
        "s3",
        endpoint_url=minio.endpoint,
        aws_access_key_id=minio.access_key,
        aws_secret_access_key=minio.secret_key,
        region_name="us-east-1",
    )
    etag = store.put_object(Bucket=bucket, Key=key, Body=coffee)["ETag"].strip('"')
    for result in (call(Records=[record(bucket, key, eTag=etag)]), call(bucket=bucket, key=key)):
        assert (the_outcome(result)["status"], the_outcome(result)["key"]) == ("classified", key)
    store.put_object(Bucket=bucket, Key=key, Body=coffee + b"\0")
    assert the_outcome(call(Records=[record(bucket, key, eTag=etag)]))["reason"] == "object-changed"
    store.delete_object(Bucket=bucket, Key=key)
    assert the_outcome(call(bucket=bucket, key=key))["reason"] == "object-gone"


@pytest.mark.parametrize("key", ["a/../b.jpg", "./a.jpg", "a/./b", ".."])
def test_a_key_that_no_object_can_have_is_gone(call: Call, bucket: str, key: str) -> None:
    """A name with dot segments is one rejected record, not a failed signature for all."""
    assert the_outcome(call(Records=[record(bucket, key)]))["reason"] == "object-gone"


def test_an_overwritten_object_is_not_mistaken_for_its_successor(
    call: Call, client: Minio, bucket: str, coffee: bytes
) -> None:
    """An event whose bytes have been replaced in the meantime is `object-changed`, and keeps its own ETag."""
    old = put(client, bucket, "coffee.jpg", coffee)
    put(client, bucket, "coffee.jpg", coffee + b"\0")
    outcome = the_outcome(call(Records=[old]))
    assert (outcome["status"], outcome["reason"]) == ("rejected", "object-changed")
    assert outcome["etag"] == old["s3"]["object"]["eTag"]
    assert outcome["classifications"] == []


def test_what_is_gone_is_said_to_be_gone(call: Call, client: Minio, bucket: str, coffee: bytes) -> None:
    """A removed object, an object that never was, and a bucket that never was are `object-gone`."""
    raw = put(client, bucket, "coffee.jpg", coffee)
    client.remove_object(bucket_name=bucket, object_name="coffee.jpg")
    for each in (
        raw,
        record(bucket, "never"),
        record("no-such-bucket", "k"),
        record("a", "k"),
        record("127.0.0.1", "k"),
    ):
        outcome = the_outcome(call(Records=[each]))
        assert (outcome["status"], outcome["reason"]) == ("rejected", "object-gone")


def test_versions_are_fetched_as_named(call: Call, client: Minio, bucket: str, coffee: bytes) -> None:
    """With versioning, an old version is still found by its event; a delete marker or a removed version is gone."""
    client.set_bucket_versioning(bucket_name=bucket, config=VersioningConfig(ENABLED))
    old = put(client, bucket, "k.jpg", coffee)
    new = put(client, bucket, "k.jpg", coffee + b"\0")
    for raw, size in ((old, len(coffee)), (new, len(coffee) + 1)):
        outcome = the_outcome(call(Records=[raw]))
        assert (outcome["status"], outcome["size"]) == ("classified", size)
        assert outcome["versionId"] == raw["s3"]["object"]["versionId"]
    newest = the_outcome(call(bucket=bucket, key="k.jpg"))
    assert newest["versionId"] == new["s3"]["object"]["versionId"]
    client.remove_object(bucket_name=bucket, object_name="k.jpg")
    marker = next(
        each.version_id
        for each in client.list_objects(bucket_name=bucket, include_version=True)
        if each.is_delete_marker
    )
    client.remove_object(bucket_name=bucket, object_name="k.jpg", version_id=old["s3"]["object"]["versionId"])
    for version in (marker, old["s3"]["object"]["versionId"], "not-a-uuid"):
        assert the_outcome(call(bucket=bucket, key="k.jpg", versionId=version))["reason"] == "object-gone"
    assert the_outcome(call(bucket=bucket, key="k.jpg"))["reason"] == "object-gone"
    assert the_outcome(call(Records=[new]))["status"] == "classified"


def test_a_batch_has_an_outcome_for_each_record_in_order(
    call: Call, client: Minio, bucket: str, coffee: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    """Good, bad, broken, deleted and irrelevant records stand side by side; each has its line in the log."""
    good = [put(client, bucket, f"{number}.jpg", coffee) for number in range(9)]
    text = put(client, bucket, "text.jpg", b"not an image")
    empty = put(client, bucket, "empty.jpg", b"")
    capsys.readouterr()
    result = call(
        Records=[
            *good[:4],
            {"s3": "broken"},
            text,
            record(bucket, "gone.jpg", "s3:ObjectRemoved:Delete"),
            record(bucket, "0.jpg", "s3:ObjectCreated:PutTagging"),
            empty,
            record(bucket, "new\nline"),
            *good[4:],
        ]
    )
    statuses = [each["reason"] if each["status"] == "rejected" else each["status"] for each in result["outcomes"]]
    middle = ["bad-event", "unsupported-format", "deleted", "empty-object", "object-gone"]
    assert statuses == ["classified"] * 4 + middle + ["classified"] * 5
    assert [each["key"] for each in result["outcomes"]][4:9] == [None, "text.jpg", "gone.jpg", "empty.jpg", "new\nline"]
    assert result["results"][0]["className"] == "espresso"
    lines = capsys.readouterr().out.splitlines()
    assert sum(line.startswith("record: ") for line in lines) == len(result["outcomes"])
    assert any(line.startswith("main: ") for line in lines)
    assert not any(line.startswith("decodeImage") for line in lines)


@pytest.fixture
def both_models(
    call: Call, model_directory: Path, second_model: Path, monkeypatch: pytest.MonkeyPatch
) -> Sequence[str]:
    """Two active models at once; their names."""
    monkeypatch.setenv("PIXWHISK_MODEL", f"{model_directory}:{second_model}")
    return model_directory.name, second_model.name


def test_each_of_several_models_speaks_about_every_record(
    call: Call, both_models: Sequence[str], client: Minio, bucket: str, coffee: bytes
) -> None:
    """An outcome per record and model, in the order of the records; what they share is done and sent once."""
    good, text = put(client, bucket, "good.jpg", coffee), put(client, bucket, "text.jpg", b"not an image")
    result = call(Records=[good, text, record(bucket, "gone.jpg", "s3:ObjectRemoved:Delete")])
    said = [(each["key"], each["status"], each["model"]["name"]) for each in result["outcomes"]]
    assert said == [
        (key, status, model)
        for key, status in (("good.jpg", "classified"), ("text.jpg", "rejected"), ("gone.jpg", "deleted"))
        for model in both_models
    ]
    first, second, *others = result["outcomes"]
    assert [each["key"] for each in result["outcomes"] if "embedding" in each] == ["good.jpg"]
    assert second["classifications"][0]["label"] == second_word(first["classifications"][0]["label"])
    assert first["model"]["digest"] != second["model"]["digest"]
    assert {each.get("reason") for each in others} == {"unsupported-format", None}
    assert result["results"][0]["className"] == "espresso"
    assert len(call(image=base64.b64encode(coffee).decode())["outcomes"]) == 2
    assert call(Records=[])["models"] == [first["model"], second["model"]]


def test_one_bad_image_in_a_batch_leaves_nothing_behind(call: Call, client: Minio, bucket: str, coffee: bytes) -> None:
    """Temporary files of large objects are closed, whatever becomes of them."""
    large = coffee + bytes(2 * 2**20)
    raws = [put(client, bucket, f"{number}.jpg", large) for number in range(8)]
    before = len(list(Path("/proc/self/fd").iterdir()))
    for records in (raws, [*raws, record("no-such-bucket", "k")]):
        assert len(call(Records=records)["outcomes"]) == len(records)
    # The connections that were opened stay open.
    assert len(list(Path("/proc/self/fd").iterdir())) <= before + 4


def test_a_removal_is_what_the_store_says_of_it(call: Call, client: Minio, bucket: str, coffee: bytes) -> None:
    """Whatever MinIO called it: a marker that is there, one that is gone, and an object that is there all the same."""
    client.set_bucket_versioning(bucket_name=bucket, config=VersioningConfig(ENABLED))
    version = put(client, bucket, "k", coffee)["s3"]["object"]["versionId"]
    client.remove_object(bucket_name=bucket, object_name="k")
    marker = next(
        each.version_id
        for each in client.list_objects(bucket_name=bucket, include_version=True)
        if each.is_delete_marker
    )
    names = ("ObjectRemoved:Delete", "ObjectRemoved:DeleteMarkerCreated", "LifecycleDelMarkerExpiration:Delete")

    def told(of: str) -> list[tuple[str, bool]]:
        removals = [record(bucket, "k", f"s3:{name}", versionId=of) for name in names]
        return [(each["status"], "deleteMarker" in each) for each in call(Records=removals)["outcomes"]]

    assert told(marker) == [("deleted", True)] * 3
    assert told(version) == [("classified", False)] * 3
    client.remove_object(bucket_name=bucket, object_name="k", version_id=marker)
    client.remove_object(bucket_name=bucket, object_name="k", version_id=version)
    assert told(marker) == told(version) == [("deleted", False)] * 3


def test_a_removal_of_what_is_there_is_about_what_is_there(call: Call, client: Minio, bucket: str) -> None:
    """Even where that is no picture: deleted and put again, without a byte, it is the empty object that is told of."""
    told = client.put_object(bucket_name=bucket, object_name="k", data=io.BytesIO(), length=0)
    outcome = the_outcome(call(Records=[record(bucket, "k", "s3:ObjectRemoved:Delete")]))
    assert (outcome["status"], outcome["reason"], outcome["etag"]) == ("rejected", "empty-object", told.etag)


def test_a_removal_is_believed_of_a_store_only(call: Call, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """While nobody answers, or somebody who is no object store, nothing is said to be gone."""
    removal = record(bucket, "k", "s3:ObjectRemoved:Delete")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{free_port()}")
    assert call(Records=[removal])["error"]["code"] == "object-store-unreachable"
    with answering_404() as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", endpoint)
        assert call(Records=[removal])["error"]["code"] == "object-store-unreachable"


def test_the_version_without_a_name_is_read_below_later_ones(
    call: Call, client: Minio, bucket: str, coffee: bytes
) -> None:
    """What was put before versioning was switched on is still there, and an event about it is about nothing newer."""
    old = put(client, bucket, "k", coffee)
    client.set_bucket_versioning(bucket_name=bucket, config=VersioningConfig(ENABLED))
    put(client, bucket, "k", coffee + b"\0")
    outcome = the_outcome(call(Records=[old]))
    assert (outcome["status"], outcome["size"], outcome["versionId"]) == ("classified", len(coffee), None)


def test_a_key_that_minio_cannot_read_back_is_one_rejected_record(
    call: Call, client: Minio, bucket: str, coffee: bytes
) -> None:
    """`a/__XLDIR__` is taken, and told of as `a//`, which it refuses."""
    client.put_object(bucket_name=bucket, object_name="a/__XLDIR__", data=io.BytesIO(coffee), length=len(coffee))
    assert the_outcome(call(Records=[record(bucket, "a//", size=len(coffee))]))["reason"] == "object-gone"


def test_an_object_under_its_owner_s_key_is_unreadable(
    tmp_path: Path, model_directory: Path, coffee: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody here has the key (SSE-C) it was encrypted with: one rejected record that says so, not a failing store."""
    need(shutil.which("openssl"), "there is no `openssl` to make a certificate with")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certs" / "public.crt"))
    with running_secure_minio(tmp_path) as (running, client):
        client.make_bucket(bucket_name="images")
        key = SseCustomerKey(b"k" * 32)
        client.put_object(bucket_name="images", object_name="k", data=io.BytesIO(coffee), length=len(coffee), sse=key)
        plain = put(client, "images", "plain", coffee)
        endpoint = running.endpoint.replace("http:", "https:")
        call = container(endpoint, running.access_key, running.secret_key, model_directory, monkeypatch)
        hidden = record("images", "k", eTag="e", size=len(coffee))
        both = call(Records=[hidden, plain])["outcomes"]
        assert [each["reason"] if "reason" in each else each["status"] for each in both] == [
            "object-unreadable",
            "classified",
        ]
        assert "InvalidRequest" in both[0]["detail"]


def test_limits_hold_before_anything_is_read(
    call: Call, client: Minio, bucket: str, coffee: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An object over the size limit is refused by its event, by its headers, and inline; pixels by the header."""
    raw = put(client, bucket, "coffee.jpg", coffee)
    monkeypatch.setenv("LIMIT_BYTES", str(len(coffee) - 1))
    unsized = record(bucket, "coffee.jpg")
    for result in (
        call(Records=[raw]),
        call(Records=[unsized]),
        call(bucket=bucket, key="coffee.jpg"),
        call(image=base64.b64encode(coffee).decode()),
    ):
        assert the_outcome(result)["reason"] == "too-many-bytes"
    monkeypatch.setenv("LIMIT_BYTES", str(len(coffee)))
    monkeypatch.setenv("LIMIT_PIXELS", "1000")
    outcome = the_outcome(call(Records=[raw]))
    assert outcome["reason"] == "too-many-pixels"
    assert (outcome["format"], outcome["size"]) == ("JPEG", len(coffee))
    assert outcome["width"] > 0


def test_wrong_credentials_are_an_error_that_may_pass(
    call: Call, client: Minio, bucket: str, coffee: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused credentials fail the activation as retryable, and say nothing secret; once restored, all is well."""
    raw = put(client, bucket, "coffee.jpg", coffee)
    real = os.environ["AWS_SECRET_ACCESS_KEY"]
    for name, value in (("AWS_SECRET_ACCESS_KEY", "wrong-secret-value"), ("AWS_ACCESS_KEY_ID", "nobody")):
        with monkeypatch.context() as patch:
            patch.setenv(name, value)
            error = call(Records=[raw])["error"]
        assert (error["code"], error["retryable"]) == ("object-store-refused", True)
        assert "wrong-secret-value" not in json.dumps(error)
        assert real not in json.dumps(error)
    assert the_outcome(call(Records=[raw]))["status"] == "classified"


def test_a_stopped_store_is_an_error_that_may_pass(
    tmp_path: Path, model_directory: Path, coffee: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the store is down the activation fails as retryable, alone or in a batch; after its restart it succeeds."""
    port = free_port()
    with running_minio(tmp_path, port) as running:
        credentials = running.server.root
        call = container(running.endpoint, credentials.access_key, credentials.secret_key, model_directory, monkeypatch)
        running.client().make_bucket(bucket_name="images")
        raws = [put(running.client(), "images", f"{number}.jpg", coffee) for number in range(6)]
        assert the_outcome(call(Records=raws[:1]))["status"] == "classified"
        running.process.kill()
        running.process.wait()
        for records in (raws[:1], raws):
            error = call(Records=records)["error"]
            assert (error["code"], error["retryable"]) == ("object-store-unreachable", True)
            assert credentials.secret_key not in json.dumps(error)


def test_what_answers_but_is_no_store_is_unreachable(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """An endpoint that speaks something else is a fault of the store, not of the image."""
    with answering_404() as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", endpoint)
        assert call(bucket="images", key="k")["error"]["code"] == "object-store-unreachable"


@pytest.mark.parametrize(
    ("status", "code", "meant"),
    [
        (400, "InvalidRequest", "object-unreadable"),
        (403, "InvalidObjectState", "object-unreadable"),
        (451, "UnavailableForLegalReasons", "object-unreadable"),
        (403, "AccessDenied", "object-store-refused"),
        (408, "RequestTimeout", "object-store-unreachable"),
        (429, "TooManyRequests", "object-store-unreachable"),
        (503, "SlowDown", "object-store-unreachable"),
    ],
)
def test_what_a_store_says_of_one_object_is_final(
    call: Call, monkeypatch: pytest.MonkeyPatch, status: int, code: str, meant: str
) -> None:
    """Unless it says that it is failing, busy, or that our key is wrong: then it is the store's, and may pass."""
    said = f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode()
    with answering(status, {"x-amz-request-id": "1", "Content-Type": "application/xml"}, said) as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", endpoint)
        answer = call(Records=[record("images", "k", eTag="e", size=9)])
        found = answer["error"]["code"] if "error" in answer else answer["outcomes"][0]["reason"]
        assert found == meant


def test_a_store_that_nothing_here_trusts_is_named_as_that(
    tmp_path: Path, model_directory: Path, coffee: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what has it trusted."""
    need(shutil.which("openssl"), "there is no `openssl` to make a certificate with")
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    with running_secure_minio(tmp_path) as (running, client):
        client.make_bucket(bucket_name="images")
        raw = put(client, "images", "k", coffee)
        endpoint = running.endpoint.replace("http:", "https:")
        call = container(endpoint, running.access_key, running.secret_key, model_directory, monkeypatch)
        error = call(Records=[raw])["error"]
        assert error["code"] == "object-store-unreachable"
        assert "its certificate is not trusted: self-signed certificate" in error["message"]
        assert "SSL_CERT_FILE" in error["message"]


def answering_404() -> contextlib.AbstractContextManager[str]:
    """The URL of a web server that has nothing."""
    return answering(404, {"Content-Type": "text/html"}, b"hello")


@contextlib.contextmanager
def answering(status: int, headers: Mapping[str, str], body: bytes) -> Iterator[str]:
    """The URL of a web server that says the same to everybody."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.do_HEAD()
            self.wfile.write(body)

        def do_HEAD(self) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class names it)
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def test_arguments_of_openwhisk_reach_nothing(call: Call, coffee: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    """The caller's key, injected by OpenWhisk, is in no result and no log."""
    headers = {"authorization": "Basic caller-secret"}
    results = [
        call(image=base64.b64encode(coffee).decode(), __ow_headers=headers, __ow_method="post"),
        call(__ow_headers=headers),
    ]
    assert "caller-secret" not in json.dumps(results)
    assert "caller-secret" not in "".join(capsys.readouterr())


def test_an_unforeseen_failure_is_a_typed_error(
    call: Call, coffee: bytes, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A fault of ours becomes `internal-error`; the log has where it was, but none of its words."""
    monkeypatch.setattr("actions.classify.pictures.decode", lambda *_: 1 / 0)
    error = call(image=base64.b64encode(coffee).decode())["error"]
    assert (error["code"], error["retryable"]) == ("internal-error", True)
    log = capsys.readouterr().out
    assert "handler.py" in log
    assert "ZeroDivisionError" in log
    assert "division by zero" not in log


def test_settings_that_are_wrong_are_an_error_of_their_own(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing model or endpoint says which setting to make right."""
    monkeypatch.setenv("PIXWHISK_MODEL", "/nowhere")
    assert call(image="AAAA")["error"]["code"] == "bad-settings"
    monkeypatch.delenv("PIXWHISK_MODEL")
    assert "PIXWHISK_MODEL" in call(image="AAAA")["error"]["message"]


def test_an_endpoint_is_needed_for_objects_only(call: Call, coffee: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a store, inline images are classified and named objects are an error."""
    monkeypatch.delenv("AWS_ENDPOINT_URL_S3")
    assert the_outcome(call(image=base64.b64encode(coffee).decode()))["status"] == "classified"
    error = call(bucket="images", key="k")["error"]
    assert (error["code"], "AWS_ENDPOINT_URL_S3" in error["message"]) == ("bad-settings", True)


def test_preloading_makes_the_first_call_warm(model_directory: Path, coffee: bytes) -> None:
    """After `preload`, the very first call finds the model loaded; without, it says that it was cold."""
    script = textwrap.dedent("""
        import sys
        from actions.classify.__main__ import main, preload
        if sys.argv[1] == "warm":
            preload()
        main({"image": sys.stdin.read()})
    """)
    for how, stages in (
        ("cold", ["loadModel", "decodeImage", "imageToInput", "classify", "main"]),
        ("warm", ["decodeImage", "imageToInput", "classify", "main"]),
    ):
        ran = subprocess.run(
            [sys.executable, "-c", script, how],
            input=base64.b64encode(coffee).decode(),
            env={"PIXWHISK_MODEL": str(model_directory)},
            capture_output=True,
            text=True,
            check=True,
        )
        lines = ran.stdout.splitlines()
        assert [line.split(":")[0] for line in lines[::2]] == stages
        assert all(line.startswith("memory used: rss=") for line in lines[1::2])


@pytest.mark.parametrize("model", ["", "/nowhere"])
def test_preloading_survives_a_missing_model(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stem cell without a model still starts; its action will say what is missing."""
    monkeypatch.setenv("PIXWHISK_MODEL", model)
    preload()


def test_what_was_packed_for_its_way_is_unpacked(call: Call, minio: RunningMinio, bucket: str, coffee: bytes) -> None:
    """An object stored with `Content-Encoding: gzip` is the picture inside; other encodings are refused by name."""
    client = minio.client()
    packed = gzip.compress(coffee)
    bodies = {"gzip": packed, "x-gzip, aws-chunked": packed, "br": packed, "identity": coffee}
    found = {}
    for encoding, body in [*bodies.items(), ("gzip ", coffee)]:
        headers: dict[str, str | list[str] | tuple[str]] = {"Content-Encoding": encoding.strip()}
        client.put_object(
            bucket_name=bucket, object_name="k", data=io.BytesIO(body), length=len(body), metadata=headers
        )
        outcome = the_outcome(call(bucket=bucket, key="k"))
        found[encoding] = outcome.get("reason") or outcome["classifications"][0]["label"]
    espresso = "espresso"
    assert found == {
        "gzip": espresso,
        "x-gzip, aws-chunked": espresso,
        "br": "unsupported-format",
        "identity": espresso,
        "gzip ": espresso,
    }


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (gzip.compress(bytes(140 * 2**20)), "too-many-bytes"),
        (gzip.compress(bytes(range(256)) * 1000)[:500], "truncated-image"),
        (gzip.compress(b"x" * 1000)[:10] + b"\xff" * 100, "corrupt-image"),
    ],
)
def test_what_is_packed_is_held_against_the_limits(
    call: Call, minio: RunningMinio, bucket: str, body: bytes, reason: str
) -> None:
    """A gzip bomb, one that is cut off and one that is damaged are each refused for what they are."""
    minio.client().put_object(
        bucket_name=bucket,
        object_name="k",
        data=io.BytesIO(body),
        length=len(body),
        metadata={"Content-Encoding": "gzip"},
    )
    assert the_outcome(call(bucket=bucket, key="k"))["reason"] == reason


def test_markers_of_folders_are_no_objects(call: Call, bucket: str) -> None:
    """What a console makes of an empty folder has no outcome; a name like it with bytes has one."""
    assert call(Records=[record(bucket, "photos/", size=0), record(bucket, "photos/")])["outcomes"] == []
    assert len(call(Records=[record(bucket, "photos/", size=10)])["outcomes"]) == 1
