"""The feed action against a real MinIO: what it subscribes is what arrives."""

from __future__ import annotations

import base64
import io
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from minio import Minio
from minio.notificationconfig import NotificationConfig, QueueConfig

from infra.services.minio import WebhookTarget
from tests.fixtures.minio import RunningMinio, free_port, running_minio, until
from triggers.feed.__main__ import main

FAST = "arn:minio:sqs::FAST:webhook"
KEY = "uuid:secret"


class Hooks:
    """A listening trigger endpoint that notes the path, authorization and key of all that it is sent."""

    def __init__(self, port: int) -> None:
        self.seen: list[tuple[str, str, str]] = []
        noted = self.seen

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"] or 0))
                event: dict[str, Any] = json.loads(body) if body else {}
                if event.get("Records"):
                    noted.append((self.path, self.headers["Authorization"], event["Key"]))
                self.send_response(204)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class names it)
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.url = f"http://127.0.0.1:{port}"

    def keys(self, trigger: str) -> list[str]:
        return [key for path, _, key in self.seen if path.endswith(f"/triggers/{trigger}")]


@pytest.fixture(scope="module")
def hooks() -> Iterator[Hooks]:
    running = Hooks(free_port())
    thread = threading.Thread(target=running.server.serve_forever)
    thread.start()
    yield running
    running.server.shutdown()
    running.server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def store(hooks: Hooks, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningMinio]:
    url = f"{hooks.url}/api/v1/namespaces/guest/triggers/image-uploaded"
    targets = [WebhookTarget("FAST", url, KEY)]
    with running_minio(tmp_path_factory.mktemp("feed"), targets=targets) as running:
        yield running


@pytest.fixture
def client(store: RunningMinio, watched: str, monkeypatch: pytest.MonkeyPatch, hooks: Hooks) -> Minio:
    settings = {
        "AWS_ENDPOINT_URL_S3": store.endpoint,
        "AWS_ACCESS_KEY_ID": store.access_key,
        "AWS_SECRET_ACCESS_KEY": store.secret_key,
        "PIXWHISK_TRIGGER_APIHOST": hooks.url,
        "PIXWHISK_JOURNAL_TARGET": "",
        "PIXWHISK_DECLARE_TARGETS": "on",
        "__OW_NAMESPACE": "guest",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    return store.client()


@pytest.fixture
def watched(store: RunningMinio, request: pytest.FixtureRequest) -> Iterator[str]:
    name = f"b-{abs(hash(request.node.name)) % 10**10}"
    client = store.client()
    client.make_bucket(bucket_name=name)
    yield name
    client.set_bucket_notification(bucket_name=name, config=NotificationConfig())


def feed(lifecycle: str, trigger: str = "image-uploaded", **params: Any) -> dict[str, Any]:
    return main({"lifecycleEvent": lifecycle, "triggerName": f"/_/{trigger}", "authKey": KEY, **params})


def put(client: Minio, bucket: str, key: str) -> None:
    client.put_object(bucket_name=bucket, object_name=key, data=io.BytesIO(b"x"), length=1)


def entries(client: Minio, bucket: str) -> list[QueueConfig]:
    return client.get_bucket_notification(bucket_name=bucket).queue_config_list


def test_a_subscribed_bucket_fires_the_trigger_with_the_callers_key(client: Minio, watched: str, hooks: Hooks) -> None:
    """After CREATE, an upload reaches the trigger endpoint with Basic authorization; other keys do not."""
    assert "error" not in feed("CREATE", bucket=watched, prefix="in/", suffix=".jpg", target="FAST")
    put(client, watched, "in/a.png")
    put(client, watched, "in/a.jpg")
    assert hooks.keys("image-uploaded") == [f"{watched}/in/a.jpg"]
    assert hooks.seen[-1][1] == "Basic " + base64.b64encode(KEY.encode()).decode()


def test_creating_twice_changes_nothing(client: Minio, watched: str) -> None:
    """CREATE is idempotent."""
    first = feed("CREATE", bucket=watched, target="FAST")
    before = entries(client, watched)
    assert feed("CREATE", bucket=watched, target="FAST") == first
    assert entries(client, watched) == before


def test_foreign_subscriptions_survive(client: Minio, watched: str) -> None:
    """Somebody else's entry is there before, during and after ours."""
    foreign = QueueConfig(queue=FAST, events=["s3:ObjectAccessed:Get"], config_id="theirs")
    client.set_bucket_notification(bucket_name=watched, config=NotificationConfig(queue_config_list=[foreign]))
    feed("CREATE", bucket=watched, target="FAST")
    assert len(entries(client, watched)) == 2
    assert feed("DELETE") == {"subscriptions": []}
    assert [entry.config_id for entry in entries(client, watched)] == ["theirs"]


def test_reading_finds_the_subscription_without_being_told_the_bucket(client: Minio, watched: str) -> None:
    """READ says where a trigger listens; after DELETE, nowhere; and a second DELETE succeeds."""
    feed("CREATE", bucket=watched, prefix="in/", target="FAST")
    (found,) = feed("READ")["subscriptions"]
    assert (found["bucket"], found["prefix"], found["trigger"]) == (watched, "in/", "guest/image-uploaded")
    assert feed("DELETE") == feed("DELETE") == feed("READ") == {"subscriptions": []}


def test_updating_changes_only_what_was_given(client: Minio, watched: str) -> None:
    """UPDATE with a suffix keeps bucket, prefix and target."""
    feed("CREATE", bucket=watched, prefix="in/", target="FAST")
    (updated,) = feed("UPDATE", suffix=".jpg")["subscriptions"]
    assert (updated["bucket"], updated["prefix"], updated["suffix"]) == (watched, "in/", ".jpg")
    assert len(entries(client, watched)) == 1


def test_a_second_trigger_gets_a_target_of_its_own(client: Minio, watched: str, hooks: Hooks) -> None:
    """A trigger that names no target is declared to MinIO and fires beside the first; the first keeps firing."""
    feed("CREATE", bucket=watched, target="FAST")
    answer = feed("CREATE", trigger="more images", bucket=watched, prefix="more/")
    assert "error" not in answer, answer
    put(client, watched, "more/a.jpg")
    until(lambda: hooks.keys("more%20images"), "the second trigger was not fired")
    assert hooks.keys("more%20images") == [f"{watched}/more/a.jpg"]
    until(lambda: f"{watched}/more/a.jpg" in hooks.keys("image-uploaded"), "the first trigger was not fired")
    assert feed("CREATE", trigger="more images", bucket=watched, prefix="more/") == answer
    assert feed("DELETE", trigger="more images") == {"subscriptions": []}
    assert len(entries(client, watched)) == 1


def test_a_minio_that_is_not_ours_is_not_restarted(
    client: Minio, watched: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the feed may not declare targets, a trigger that names none is an error that says how to declare one."""
    monkeypatch.delenv("PIXWHISK_DECLARE_TARGETS")
    message = feed("CREATE", trigger="third", bucket=watched)["error"]["message"]
    assert "mc admin config set" in message
    assert entries(client, watched) == []


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"bucket": "not-there", "target": "FAST"}, "bucket not-there does not exist"),
        ({"bucket": "UPPER", "target": "FAST"}, "bucket"),
        ({"target": "FAST"}, "say which bucket"),
        ({"bucket": "WATCHED", "target": "NOWHERE"}, "MinIO does not know the target"),
        ({"bucket": "WATCHED", "target": "FAST", "events": "s3:Nonsense"}, "is not one of"),
        ({"bucket": "WATCHED", "target": "FAST", "prefix": "a/../b"}, "prefix"),
    ],
)
def test_what_cannot_be_subscribed_is_an_error_that_says_why(
    client: Minio, watched: str, params: dict[str, Any], words: str
) -> None:
    """Each refusal names what is wrong, and nothing is left in the document."""
    named = {name: watched if value == "WATCHED" else value for name, value in params.items()}
    assert words in feed("CREATE", **named)["error"]["message"]
    assert entries(client, watched) == []


def test_an_unreachable_store_is_worth_another_try(client: Minio, monkeypatch: pytest.MonkeyPatch) -> None:
    """With MinIO away the error is retryable and holds no secret."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{free_port()}")
    error = feed("READ")["error"]
    assert (error["code"], error["retryable"]) == ("object-store-unreachable", True)


def test_missing_settings_are_all_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without settings the error names each of them."""
    for name in ("AWS_ENDPOINT_URL_S3", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    message = feed("READ")["error"]["message"]
    assert "AWS_ENDPOINT_URL_S3, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY: missing" in message


@pytest.mark.usefixtures("client")
def test_another_deployment_s_target_is_refused(watched: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whose subscription uses it already, in whatever bucket; the own entries of each have its mark."""
    assert "error" not in feed("CREATE", bucket=watched, target="FAST")
    monkeypatch.setenv("PIXWHISK_DEPLOYMENT", "TEAM2")
    refused = feed("CREATE", bucket=watched, target="FAST")["error"]
    assert refused["code"] == "bad-settings"
    assert "serves the deployment without a mark" in refused["message"]
    assert feed("READ")["subscriptions"] == []
