"""What people say of pictures becomes a model: three things that ImageNet has no word for, from thirty photos."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra import paths
from tests.e2e.test_audit import audit
from tests.e2e.test_main_job import COFFEE
from tests.fixtures.deployment import Deployment, eventually, pixwhisk
from tests.fixtures.emblems import EMBLEMS, draw_emblem

TAUGHT, REST = 10, 8


@pytest.fixture
def head(deployment: Deployment, tensorflow_python: Path) -> Iterator[str]:
    """A name for a head that nobody else has; afterwards the default model is the only active one again."""
    name = f"head-{uuid.uuid4().hex[:8]}"
    yield name
    deployment.pixwhisk("models", "use", paths.MODEL_NAME)
    deployment.pixwhisk("models", "remove", name, check=False)
    assert not list(paths.models().glob(f"*{name}*"))


def put(deployment: Deployment, key: str, body: bytes) -> None:
    deployment.s3().put_object(Bucket=deployment.bucket, Key=key, Body=body)


def test_a_head_taught_with_thirty_photos_finds_the_rest(deployment: Deployment, head: str, tmp_path: Path) -> None:
    """Under a steady load of uploads: taught, used beside the default model, asked about the past, compared; the audit
    is clean afterwards.
    """
    prefix, stop = f"{head}/", threading.Event()
    keys = {name: [f"{prefix}{name}-{number}.jpg" for number in range(TAUGHT + REST)] for name in EMBLEMS}
    for name, of_one in keys.items():
        for number, key in enumerate(of_one):
            put(deployment, key, draw_emblem(name, number))
    every = [key for of_one in keys.values() for key in of_one]
    stored = "SELECT count(*) AS count FROM current_embeddings WHERE key = ANY(%s)"
    eventually(lambda: deployment.query(stored, every)[0]["count"] == len(every), "their embeddings")

    uploaded: list[str] = []

    def upload() -> None:
        while not stop.wait(0.1):
            put(deployment, key := f"{prefix}meanwhile-{len(uploaded)}.png", COFFEE.read_bytes())
            uploaded.append(key)

    uploading = threading.Thread(target=upload)
    uploading.start()
    try:
        for name, of_one in keys.items():
            said = deployment.pixwhisk("label", *of_one[:TAUGHT], "--as", name, "--by", "a tester").stdout
            assert said == f"{TAUGHT} pictures labelled\n"
        told = json.loads(deployment.pixwhisk("teach", head, "--json").stdout)
        assert told["labels"] == [*sorted(EMBLEMS), "other"]
        assert told["accuracy"]["crossValidated"]["top1"] > 0.8
        deployment.pixwhisk("models", "use", paths.MODEL_NAME, head)
        after = len(uploaded)
        eventually(lambda: len(uploaded) > after + 5, "uploads after the switch")
        deployment.pixwhisk("backfill", "--model", head)
        compared = json.loads(deployment.pixwhisk("models", "diff", paths.MODEL_NAME, head, "--json").stdout)
        assert compared["compared"] >= len(every)
        page = tmp_path / "diff.html"
        deployment.pixwhisk("models", "diff", paths.MODEL_NAME, head, "--html", str(page))
        assert page.read_text().count('<img src="data:image/jpeg;base64,') >= len(EMBLEMS)
    finally:
        stop.set()
        uploading.join()

    first = {row["key"]: row["label"] for row in deployment.query("SELECT * FROM results WHERE model = %s", head)}
    unseen = [(name, key) for name, of_one in keys.items() for key in of_one[TAUGHT:]]
    assert sum(first[key] == name for name, key in unseen) >= 0.9 * len(unseen)
    eventually(lambda: audit(deployment, deployment.bucket)["clean"], "a clean audit")
    spoken = "SELECT key, label FROM results WHERE model = %s AND key = ANY(%s)"
    meanwhile = {row["key"]: row["label"] for row in deployment.query(spoken, head, uploaded)}
    assert meanwhile == dict.fromkeys(uploaded, "other")
    found = json.loads(deployment.pixwhisk("results", "--label", "zigzag", "--limit", "1000", "--json").stdout)
    assert {key for key in keys["zigzag"] if first[key] == "zigzag"} <= {row["key"] for row in found["results"]}

    unsure = json.loads(deployment.pixwhisk("teach", head, "--suggest", "--limit", "5", "--json").stdout)["unsure"]
    assert len(unsure) == 5
    assert [each["margin"] for each in unsure] == sorted(each["margin"] for each in unsure)
    assert not {key for of_one in keys.values() for key in of_one[:TAUGHT]} & {each["key"] for each in unsure}
    assert "is active: teach under another name" in deployment.pixwhisk("teach", head, check=False).stderr
    taken = deployment.pixwhisk("label", *(key for of_one in keys.values() for key in of_one[:TAUGHT]), "--delete")
    assert taken.stdout == f"{TAUGHT * len(EMBLEMS)} labels taken back\n"


def test_too_few_examples_are_counted(deployment: Deployment, head: str) -> None:
    """Which label has how many is said, and no model is made."""
    key = f"{head}/one.png"
    put(deployment, key, COFFEE.read_bytes())
    eventually(lambda: deployment.rows(key), "its row")
    named = (f"{deployment.bucket}/{key}", "--as", f"{head} cup", "--not", f"{head} plate")
    deployment.pixwhisk("label", *named)
    (said,) = json.loads(deployment.pixwhisk("label", "--list", "--as", f"{head} cup", "--json").stdout)["examples"]
    assert (said["key"], said["shows"], bool(said["given_by"]), bool(said["given_at"])) == (key, True, True, True)
    refused = deployment.pixwhisk("teach", head, "--label", f"{head} cup", "--label", f"{head} plate", check=False)
    assert refused.returncode == 1
    assert f"at least 5 examples: {head} cup has 1, {head} plate has 0" in refused.stderr
    deployment.pixwhisk("label", key, "--delete")
    assert "there are no examples" in deployment.pixwhisk("teach", head, check=False).stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("no/such/key", "--as", "mug"), "no row about 'no/such/key'"),
        (("a",), "say --as NAME or --not NAME"),
        ((), "name keys, or --list"),
        (("a", "--as", "mug", "--not", "mug"), "both"),
        (("a", "--as", "mug\x1b[1m"), "printable"),
        (("a", "--as", "mug, cup"), "comma"),
        (("a", "--as", " "), "printable"),
        (("a", "--list"), "--as NAME alone"),
    ],
)
def test_what_cannot_be_said_of_a_picture_is_refused(
    deployment: Deployment, arguments: tuple[str, ...], words: str
) -> None:
    """In one line that says what can."""
    said = deployment.pixwhisk("label", *arguments, check=False)
    assert said.returncode in (1, 2)
    assert words in said.stderr
    assert len(said.stderr.splitlines()) == 1


def test_a_head_must_have_a_name_of_its_own(deployment: Deployment) -> None:
    """Neither a model that was not taught is replaced, nor is a path a name."""
    assert "is active" in deployment.pixwhisk("teach", paths.MODEL_NAME, check=False).stderr
    assert "is no name for a head" in deployment.pixwhisk("teach", "../away", check=False).stderr
    assert (
        "no model 'nothing'"
        in pixwhisk("teach", "nothing", "--suggest", "--data", str(deployment.data), check=False).stderr
    )
