"""`pixwhisk bench` as a user runs it. Nothing here says how fast anything is."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.fixtures.deployment import Deployment, pixwhisk

SPREAD = {"count", "mean", "p50", "p95", "best", "worst"}


@pytest.fixture(scope="module")
def bench(deployment: Deployment, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], str, Path]:
    """One quick run against the session's deployment: its document, what it printed, and its charts."""
    directory = tmp_path_factory.mktemp("bench")
    written = directory / "figures.json"
    done = pixwhisk(
        "bench",
        "--quick",
        "--json",
        "--output",
        str(written),
        "--plots",
        str(directory),
        "--data",
        str(deployment.data),
    )
    return json.loads(written.read_text()), done.stdout, directory


@pytest.mark.timeout(300)
def test_the_document_has_every_figure_beside_its_comparison(bench: tuple[dict[str, Any], str, Path]) -> None:
    """Keys that programs rely on, numbers that are numbers."""
    found = bench[0]
    assert found["quick"] is True
    assert set(found["machine"]) == {"processor", "cores", "memory_gb", "kernel", "python", "load"}
    for spread in (
        found["upload_to_row"],
        found["upload_to_row"]["inline_webhook"],
        found["warm"]["decode_and_inference"],
        found["warm"]["inline"],
        found["warm"]["by_key"],
        found["cold"]["from_nothing"],
    ):
        assert set(spread) >= SPREAD
        assert all(spread[name] > 0 for name in SPREAD)
    for part in ("burst", "backlog"):
        assert found[part]["rows_a_second"] > 0
        assert found[part]["curve"][-1][1] == 60
    assert found["memory"]["peak_mb"] > 10
    assert 0 < found["memory"]["further_mb"] < found["memory"]["peak_mb"]
    assert found["up"]["again_seconds"] > 0
    assert found["cost"]["warm"]["calls_a_dollar"] > found["cost"]["year2018"]["warm"]["calls_a_dollar"]
    assert {"value", "target", "met", "words"} == set(found["targets"]["upload_to_row.ratio"])


def test_the_table_names_the_machine_and_says_that_quick_is_no_measurement(
    bench: tuple[dict[str, Any], str, Path],
) -> None:
    """Figures without units, machine and date are none."""
    found, printed, _ = bench
    assert found["machine"]["processor"] in printed
    assert found["date"][:10] in printed
    assert "too few to be quoted" in printed
    assert "PUT to row" in printed
    assert "rows/s" in printed


def test_charts_are_drawn(bench: tuple[dict[str, Any], str, Path]) -> None:
    """Three of them, as SVG that parses and as PNG that opens."""
    for name in ("burst", "upload-to-row", "warm"):
        ET.fromstring((bench[2] / f"{name}.svg").read_text())
        with Image.open(bench[2] / f"{name}.png") as picture:
            picture.load()


@pytest.mark.timeout(300)
def test_a_large_past_is_asked(deployment: Deployment, tmp_path: Path) -> None:
    """Re-scored, searched and grouped, by the same code as the commands; nothing of it stays."""
    written = tmp_path / "past.json"
    deployment.pixwhisk("bench", "--past", "--quick", "--json", "--output", str(written))
    past = json.loads(written.read_text())["past"]
    assert (past["pictures"], past["similar_ms"]["count"]) == (2000, 5)
    assert all(value > 0 for value in past.values() if isinstance(value, float))
    assert deployment.query("SELECT FROM objects WHERE bucket = 'bench-past'") == []
    assert deployment.query("SELECT FROM models WHERE name = 'bench-former'") == []


def test_the_article_of_2018_is_measured_again(deployment: Deployment, tmp_path: Path) -> None:
    """Each call's time, stages that add up to the average, what it costs, and three pictures."""
    written = tmp_path / "article.json"
    done = deployment.pixwhisk(
        "bench", "--article", "--quick", "--json", "--output", str(written), "--plots", str(tmp_path)
    )
    article = json.loads(written.read_text())["article"]
    for kind in ("warm", "cold"):
        assert len(article[kind]["values"]) == article[kind]["count"] == 10
        assert sum(article[kind]["stages"].values()) == pytest.approx(article[kind]["mean"], rel=0.05)
        assert article[kind]["stages"]["classify"] > 0
    assert article["cold"]["stages"]["container"] > article["warm"]["stages"]["container"]
    assert "316 ms" in done.stdout
    assert "1260 ms" in done.stdout
    assert {each.stem for each in tmp_path.glob("*.png")} == {"article-warm", "article-cold", "article-stages"}


def test_nothing_is_left_behind(deployment: Deployment, bench: tuple[dict[str, Any], str, Path]) -> None:
    """No object, no row, no action of the measurement stays in the deployment."""
    listed = deployment.s3().list_objects_v2(Bucket=deployment.bucket, Prefix="pixwhisk-bench-")
    assert listed.get("KeyCount", 0) == 0
    assert deployment.query("SELECT key FROM objects WHERE starts_with(key, 'pixwhisk-bench-') LIMIT 1") == []
