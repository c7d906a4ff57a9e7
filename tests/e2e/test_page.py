"""The results page as a browser asks for it, of a running deployment."""

from __future__ import annotations

from typing import Any

import httpx

from tests.e2e.test_main_job import COFFEE, wait_for
from tests.fixtures.deployment import Deployment


def asked(deployment: Deployment, **query: str) -> dict[str, Any]:
    page = f"{deployment.environment['WSK_APIHOST']}/api/v1/web/guest/pixwhisk/view"
    answer = httpx.get(page, params={"format": "json", **query}, timeout=30)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_a_search_finds_every_shown_label_in_any_case(deployment: Deployment) -> None:
    """The last label of a row as well as its first, a synonym as well as a label; counted, past the end too."""
    key = "page/chelsea.png"
    answer = deployment.s3().put_object(
        Bucket=deployment.bucket, Key=key, Body=COFFEE.with_name("chelsea.png").read_bytes()
    )
    wait_for(deployment, key, answer["ETag"])
    (row,) = deployment.rows(key)
    for label in (row["labels"][0]["label"], row["labels"][-1]["label"], row["labels"][1]["className"]):
        found = asked(deployment, q=label.upper())
        assert key in [each["key"] for each in found["results"]]
        assert found["count"] == len(found["results"])
    assert asked(deployment, q="100%_certain")["count"] == 0
    beyond = asked(deployment, q=key, page="99")
    assert (beyond["results"], beyond["count"]) == ([], 1)
