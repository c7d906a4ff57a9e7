"""The command line without any service."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from infra.cli.__main__ import COMMANDS, pixwhisk
from infra.cli.results import line, printable

THERE = pixwhisk.list_commands(click.Context(pixwhisk))


@pytest.mark.parametrize("name", THERE)
def test_every_command_has_help_that_begins_as_the_list_says(name: str) -> None:
    """The one-line text of the list is the first line of the command's own help."""
    shown = CliRunner().invoke(pixwhisk, [name, "--help"])
    assert shown.exit_code == 0
    assert COMMANDS[name] in " ".join(shown.output.split())


@pytest.mark.parametrize("name", THERE)
def test_every_command_takes_data(name: str) -> None:
    """`--data DIR` is there everywhere."""
    assert "--data DIR" in CliRunner().invoke(pixwhisk, [name, "--help"]).output


@pytest.mark.parametrize("arguments", ["nonsense", "up --api-port 0", "results --limit x", "deploy --image a --kind b"])
def test_wrong_usage_exits_2(arguments: str) -> None:
    """Unknown commands and bad values."""
    assert CliRunner().invoke(pixwhisk, arguments.split()).exit_code == 2


def test_help_imports_no_client() -> None:
    """`pixwhisk --help` answers without loading the database driver, the S3 client or the OpenWhisk client."""
    program = (
        "import sys\nfrom infra.cli.__main__ import pixwhisk\n"
        "pixwhisk.main(['--help'], standalone_mode=False)\n"
        "heavy = {'psycopg', 'minio', 'urllib3', 'httpx', 'rich', 'numpy', 'sqlalchemy'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", program], check=True, stdout=subprocess.DEVNULL)


def test_what_is_printed_cannot_drive_a_terminal() -> None:
    """Control characters in a key are shown as escapes."""
    assert printable("a\x1b[31m\u202eb\n") == "a\\u001b[31m\\u202eb\\u000a"


def test_a_row_in_words() -> None:
    """Rejected rows say why; inline images have their digest for a place."""
    from datetime import UTC, datetime

    when = datetime(2026, 11, 23, tzinfo=UTC)
    base = {"stored_at": when, "bucket": "b", "key": "k", "label": "espresso", "probability": 0.949, "reason": None}
    assert line(base | {"status": "classified"}).endswith("b/k")
    assert "espresso 95%" in line(base | {"status": "classified"})
    assert "rejected (corrupt-image)" in line(base | {"status": "rejected", "reason": "corrupt-image"})
    assert line(base | {"status": "classified", "bucket": None, "key": "sha256:1"}).endswith("  sha256:1")
