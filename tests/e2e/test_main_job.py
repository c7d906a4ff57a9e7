"""The main job: whatever any S3 client does to the bucket is right in `results`."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from skimage import data as samples

from tests.fixtures.deployment import Deployment, eventually

COFFEE = Path(samples.__file__).parent / "coffee.png"
CAT = Path(samples.__file__).parent / "chelsea.png"

KEYS = [
    "plain.png",
    "with spaces and  two.png",
    "plus+plus.png",
    "per%cent%20%2F.png",
    "ünï/cödé/日本/🐼.png",
    "a/b/c..d/e.png",
    "quote'\"`;--.png",
    "<b>&amp;</b>?x=y#z.png",
    "\\back\\slash.png",
    "no-extension",
    "trailing.",
    "x" * 200 + "/" + "y" * 200,
]


def newest(deployment: Deployment, key: str) -> dict[str, Any] | None:
    rows = deployment.query("SELECT * FROM current_results WHERE bucket = %s AND key = %s", deployment.bucket, key)
    return rows[0] if rows else None


def wait_for(deployment: Deployment, key: str, etag: str) -> dict[str, Any]:
    """The current row of a key, once it is about these bytes."""

    def row() -> dict[str, Any] | None:
        found = newest(deployment, key)
        return found if found and found["etag"] == etag.strip('"') else None

    return eventually(row, f"a row for {key!r}")


@pytest.mark.parametrize("key", KEYS)
def test_a_photo_becomes_a_row_whatever_its_key(deployment: Deployment, key: str) -> None:
    """Keys with spaces, `+`, `%`, unicode, slashes, quotes and markup come out as they went in."""
    put = deployment.s3().put_object(Bucket=deployment.bucket, Key=key, Body=COFFEE.read_bytes())
    row = wait_for(deployment, key, put["ETag"])
    assert (row["status"], row["label"], row["format"]) == ("classified", "espresso", "PNG")
    assert (row["width"], row["height"], row["size"]) == (600, 400, COFFEE.stat().st_size)
    assert row["labels"][0]["label"] == "espresso"


def test_an_overwrite_replaces_the_row(deployment: Deployment) -> None:
    """After a second put of the same key the row is about the second bytes, and there is one row."""
    s3 = deployment.s3()
    first = s3.put_object(Bucket=deployment.bucket, Key="twice", Body=COFFEE.read_bytes())
    wait_for(deployment, "twice", first["ETag"])
    second = s3.put_object(Bucket=deployment.bucket, Key="twice", Body=CAT.read_bytes())
    row = wait_for(deployment, "twice", second["ETag"])
    assert "cat" in row["label"] or "tabby" in row["label"]
    assert len(deployment.rows("twice")) == 1


def test_a_copy_and_a_multipart_upload_are_uploads(deployment: Deployment) -> None:
    """Both become rows, though their ETags are made differently."""
    s3 = deployment.s3()
    s3.put_object(Bucket=deployment.bucket, Key="source.png", Body=COFFEE.read_bytes())
    copied = s3.copy_object(
        Bucket=deployment.bucket, Key="copies/a b.png", CopySource={"Bucket": deployment.bucket, "Key": "source.png"}
    )
    assert wait_for(deployment, "copies/a b.png", copied["CopyObjectResult"]["ETag"])["label"] == "espresso"
    where = {"Bucket": deployment.bucket, "Key": "multi part.png"}
    upload = s3.create_multipart_upload(**where)["UploadId"]
    part = s3.upload_part(**where, UploadId=upload, PartNumber=1, Body=COFFEE.read_bytes())
    parts = {"Parts": [{"ETag": part["ETag"], "PartNumber": 1}]}
    done = s3.complete_multipart_upload(**where, UploadId=upload, MultipartUpload=parts)
    row = wait_for(deployment, "multi part.png", done["ETag"])
    assert row["label"] == "espresso"
    assert row["etag"].endswith("-1")


def test_a_deleted_object_is_no_current_result(deployment: Deployment) -> None:
    """After a delete the key's row says `deleted`; a new put of the key brings it back."""
    s3 = deployment.s3()
    put = s3.put_object(Bucket=deployment.bucket, Key="gone.png", Body=COFFEE.read_bytes())
    wait_for(deployment, "gone.png", put["ETag"])
    s3.delete_object(Bucket=deployment.bucket, Key="gone.png")
    eventually(lambda: newest(deployment, "gone.png") is None, "no current row")
    assert [row["status"] for row in deployment.rows("gone.png")] == ["deleted"]
    again = s3.put_object(Bucket=deployment.bucket, Key="gone.png", Body=CAT.read_bytes())
    assert wait_for(deployment, "gone.png", again["ETag"])["status"] == "classified"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "empty-object"),
        (b"<html>not an image</html>", "unsupported-format"),
        (COFFEE.read_bytes()[:20000], "truncated-image"),
    ],
)
def test_what_is_no_image_is_a_rejected_row(deployment: Deployment, body: bytes, reason: str) -> None:
    """The row names the reason; the next photo is classified as ever."""
    put = deployment.s3().put_object(Bucket=deployment.bucket, Key=f"bad/{reason}.jpg", Body=body)
    row = wait_for(deployment, f"bad/{reason}.jpg", put["ETag"])
    assert (row["status"], row["reason"]) == ("rejected", reason)
    assert row["detail"]


def invoke(deployment: Deployment, action: str, params: dict[str, Any]) -> httpx.Response:
    return httpx.post(
        f"{deployment.environment['WSK_APIHOST']}/api/v1/namespaces/_/actions/pixwhisk/{action}",
        params={"blocking": "true", "result": "true"},
        auth=tuple(deployment.environment["WSK_AUTH"].split(":", 1)),  # type: ignore[arg-type]  # two parts
        json=params,
        timeout=30,
    )


def test_the_sequence_classifies_a_named_object(deployment: Deployment) -> None:
    """Invoked with {bucket, key}, it returns the outcome and leaves the row."""
    put = deployment.s3().put_object(Bucket=deployment.bucket, Key="by name.png", Body=COFFEE.read_bytes())
    answer = invoke(deployment, "classify-and-store", {"bucket": deployment.bucket, "key": "by name.png"})
    assert answer.status_code == 200, answer.text
    (outcome,) = answer.json()["outcomes"]
    assert outcome["status"] == "classified"
    assert outcome["etag"] == put["ETag"].strip('"')
    assert outcome["classifications"][0]["label"] == "espresso"
    assert len(deployment.rows("by name.png")) == 1


def test_the_sequence_classifies_an_image_given_inline(deployment: Deployment) -> None:
    """Invoked with {image}, it returns the outcome and leaves a row under the digest of the bytes."""
    image = base64.b64encode(COFFEE.read_bytes()).decode()
    answer = invoke(deployment, "classify-and-store", {"image": image})
    assert answer.status_code == 200, answer.text
    (outcome,) = answer.json()["outcomes"]
    assert outcome["classifications"][0]["label"] == "espresso"
    rows = deployment.query("SELECT * FROM results WHERE sha256 = %s AND bucket = ''", outcome["sha256"])
    assert [row["label"] for row in rows] == ["espresso"]


def test_classify_alone_returns_results_as_the_contract_has_them(deployment: Deployment) -> None:
    """`results` is the image's class names with probabilities, `topk` of them, most probable first."""
    image = base64.b64encode(COFFEE.read_bytes()).decode()
    answer = invoke(deployment, "classify", {"image": image, "topk": 3}).json()
    assert [set(each) for each in answer["results"]] == [{"className", "probability"}] * 3
    assert answer["results"][0]["className"] == "espresso"
    assert answer["results"] == sorted(answer["results"], key=lambda each: -each["probability"])


def test_no_secret_is_in_an_activation(deployment: Deployment) -> None:
    """Neither results nor logs of any activation hold a key or password of the deployment."""
    environment = deployment.environment
    auth = tuple(environment["WSK_AUTH"].split(":", 1))
    listed = httpx.get(
        f"{environment['WSK_APIHOST']}/api/v1/namespaces/_/activations",
        params={"docs": "true", "limit": "200"},
        auth=auth,  # type: ignore[arg-type]  # two parts
        timeout=30,
    )
    text = json.dumps(listed.json())
    assert listed.json()
    basic = base64.b64encode(environment["WSK_AUTH"].encode()).decode()
    for secret in (environment["AWS_SECRET_ACCESS_KEY"], auth[1], basic):
        assert secret not in text
