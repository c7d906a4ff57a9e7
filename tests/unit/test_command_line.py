"""The command line without any service."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from infra.cli.__main__ import COMMANDS, pixwhisk, run
from infra.cli.printing import printable

THERE = pixwhisk.list_commands(click.Context(pixwhisk))


@pytest.mark.parametrize("name", THERE)
def test_every_command_has_help_that_begins_as_the_list_says(name: str) -> None:
    """The one-line text of the list is the first line of the command's own help."""
    shown = CliRunner().invoke(pixwhisk, [name, "--help"])
    assert shown.exit_code == 0
    assert COMMANDS[name] in " ".join(shown.output.split())


@pytest.mark.parametrize("name", [name for name in THERE if name not in ("help", "completion")])
def test_every_command_takes_data(name: str) -> None:
    """`--data DIR` is there wherever a deployment is meant."""
    command = pixwhisk.get_command(click.Context(pixwhisk), name)
    within = (
        [each for each in command.commands if each not in ("import", "build", "evaluate")]
        if isinstance(command, click.Group)
        else []
    )
    for arguments in [[name, each] for each in within] or [[name]]:
        assert "--data DIR" in CliRunner().invoke(pixwhisk, [*arguments, "--help"]).output


@pytest.mark.parametrize("name", THERE)
def test_every_help_has_two_examples_that_can_be_typed(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of this very command, with options that there are; nothing but `pixwhisk` is run in them."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "figures.json").write_text("{}")
    command = pixwhisk.get_command(click.Context(pixwhisk), name)
    assert command
    shown = (command.epilog or "").split("Examples:\n")[-1].splitlines()
    assert len(shown) == 2
    for each in shown:
        typed = re.sub(r'^eval "\$\((.*)\)"$', r"\1", each.strip()).replace("$KEY", "a:b")
        program, called, *arguments = shlex.split(typed)
        assert (program, called) == ("pixwhisk", name)
        command.make_context(name, arguments).close()


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("statsu", "there is no command statsu: did you mean status? `pixwhisk --help` says what there is"),
        (
            "up --bukcet x",
            "there is no option --bukcet: did you mean --bucket? `pixwhisk up --help` says what there is",
        ),
        ("results --limit", "--limit needs a value; `pixwhisk --help` says what there is"),
        ("down now", "now is one too many; `pixwhisk down --help` says what there is"),
    ],
)
def test_a_mistake_is_one_line_that_says_what_was_meant(
    typed: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """On stderr, with exit code 2."""
    assert run(typed.split()) == 2
    assert capsys.readouterr() == ("", f"Error: {said}\n")


@pytest.mark.parametrize("asked", [(), ("help",), ("-h",)])
def test_without_a_command_it_says_what_there_is(asked: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    """Every command, on stdout, with exit code 0."""
    assert run(asked) == 0
    shown = capsys.readouterr().out
    assert all(f"\n  {name} " in shown for name in THERE)


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


def test_ctrl_c_is_said_and_has_its_own_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where a command does not end with it by design: 130, as shells have it, and no traceback."""

    def interrupted(_context: click.Context) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(pixwhisk, "invoke", interrupted)
    assert run(["status"]) == 130
    assert capsys.readouterr() == ("", "interrupted\n")
