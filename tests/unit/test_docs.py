"""What the documents say, held to what the program knows."""

from __future__ import annotations

import ast
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import yaml

from actions.errors import ActionError, Rejected
from infra.cli import remote
from infra.cli.__main__ import pixwhisk
from infra.cli.deploy import runtimes_snippet
from infra.cli.reference import document
from infra.database.migrations import newest_revision
from infra.openwhisk import manifest
from infra.openwhisk.manifest import WantedRuntime
from infra.openwhisk.plan import State, plan
from triggers.sweep.invoking import SERVICES

ROOT = Path(__file__).parents[2]
DOCUMENTS = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
OPERATIONS = (ROOT / "docs/operations.md").read_text()
README = (ROOT / "README.md").read_text()
COMMANDS = pixwhisk.list_commands(click.Context(pixwhisk))


def table(heading: str) -> Iterator[list[str]]:
    """The cells of the rows of the table whose first column is headed so."""
    _, found, rest = OPERATIONS.partition(f"\n| {heading} |")
    assert found, f"docs/operations.md has no table {heading!r}"
    for line in rest.splitlines()[2:]:
        if not line.startswith("|"):
            return
        yield [cell.strip() for cell in line.strip("|").split(" | ")]


def quoted(heading: str) -> set[str]:
    """What stands in backticks in the first column of a table."""
    return {word for first, *_ in table(heading) for word in re.findall(r"`([^`]+)`", first)}


def codes(error: type[ActionError | Rejected]) -> set[str]:
    return {each for below in error.__subclasses__() for each in codes(below)} or {error.code}


def named(function: str, argument: int) -> set[str]:
    """The texts with which the sweep calls `function`, where they stand in its source."""
    calls = [
        node
        for path in (ROOT / "triggers/sweep").glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] == function
    ]
    values = [call.args[argument] for call in calls if len(call.args) > argument]
    constants = [each.value for value in values for each in ast.walk(value) if isinstance(each, ast.Constant)]
    return {text for text in constants if isinstance(text, str) and re.fullmatch(r"[a-z]+(-[a-z]+)+", text)}


def test_the_commands_are_documented_as_they_describe_themselves() -> None:
    """Every command, with all its options. If this fails: `python -m infra.cli.reference > docs/commands.md`."""
    assert (ROOT / "docs/commands.md").read_text() == document()


@pytest.mark.parametrize("name", COMMANDS)
def test_the_readme_names_every_command(name: str) -> None:
    """Its table has a place for each."""
    (_, rest) = README.split("\n## Commands\n", 1)
    rows = [line.split(" | ")[0] for line in rest.split("\n## ")[0].splitlines() if line.startswith("| `")]
    assert name in [word for row in rows for word in re.findall(r"[a-z]+", row)]


def test_operators_know_what_to_do_about_everything_that_is_parked() -> None:
    """Each reason the code can give has a row with something to do, and no row is about what cannot be."""
    reasons = codes(ActionError) | named("Failed", 0) | named("park", 1) | named("_park", 1)
    assert quoted("parked as") == reasons
    assert all(first for *_, first in table("parked as"))


def test_operators_know_what_a_sweep_waits_for() -> None:
    """Whatever stands behind `sweep: waiting:`."""
    assert quoted("`sweep: waiting:`") == named("Refused", 0) | set(SERVICES)


def test_every_reason_to_reject_an_image_is_explained() -> None:
    assert quoted("rejected as") == codes(Rejected)


def test_every_state_of_status_is_explained() -> None:
    """Each service, what is pending, and what is parked."""
    shown = "\n".join(first for first, *_ in table("`pixwhisk status` shows"))
    assert all(word in shown for word in ("`postgres`", "`minio`", "`openwhisk`", "pending", "oldest", "parked"))


def test_every_variable_of_a_deployment_is_explained() -> None:
    """Those the manifest asks for, and those `pixwhisk deploy` takes from its environment."""
    asked = set(re.findall(r"\$([A-Z_0-9]+)", manifest.PATH.read_text())) - {"NAMES"}
    missing = {name for name in asked | set(remote._OVERRIDES) if name not in OPERATIONS}
    assert not missing


def test_the_snippet_shown_is_the_one_that_is_printed() -> None:
    (shown,) = [block for block in re.findall(r"```json\n(.*?)```", OPERATIONS, re.DOTALL) if '"runtimes"' in block]
    assert json.loads(shown) == runtimes_snippet("python:3-pixwhisk", manifest.image())


def test_the_migration_shown_is_the_newest() -> None:
    """What a first `migrate` prints, in full."""
    assert f"```\nmigrated database schema none → {newest_revision()}\n```" in OPERATIONS


def test_the_plan_shown_is_the_manifest_s() -> None:
    """What a first `deploy --dry-run` prints."""
    variables = dict.fromkeys(re.findall(r"\$([A-Z_0-9]+)", manifest.PATH.read_text()), "x") | {
        "PIXWHISK_BUCKET": "images",
        "PIXWHISK_FAST_TARGET": "FAST",
    }
    wanted = manifest.read_wanted(manifest.read(), "guest", variables, lambda _: b"", WantedRuntime())
    printed = "".join(f"would {change}\n" for change in plan(wanted, State({}, {})))
    assert f"```\n{printed}```" in OPERATIONS


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    """Files exist, and so do the headings of those that are documents."""
    for target in re.findall(r"\]\((?!https?:)([^)\s]+)\)", path.read_text()):
        name, _, anchor = target.partition("#")
        linked = (path.parent / name).resolve() if name else path
        assert linked.exists(), target
        if anchor:
            assert anchor in anchors(linked.read_text()), target


def anchors(text: str) -> set[str]:
    """As they are made from headings: lower case, without punctuation, with hyphens."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_hooks_and_ci_run_what_everybody_runs() -> None:
    """git's hooks are targets of the Makefile; CI is the one script, which is there to be run."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    (hooks,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert {hook["entry"].split()[-1] for hook in hooks["hooks"]} == {"fix", "check"} <= targets
    jobs = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())["jobs"]
    assert [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step] == [".ci/run"]
    assert os.access(ROOT / ".ci/run", os.X_OK)


def test_the_glossary_names_files_that_are_there() -> None:
    """Each word's owner exists; the words stand in their order."""
    rows = re.findall(r"^\| ([^|]+?) \| .*\| `([^`]+)` \|$", (ROOT / "docs/glossary.md").read_text(), re.MULTILINE)
    assert [file for _, file in rows if not (ROOT / file).is_file()] == []
    words = [word.casefold() for word, _ in rows]
    assert words == sorted(words)
