"""`pixwhisk logs`."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import click

from infra.cli import options
from infra.cli.failures import Failure
from infra.cli.printing import printable
from infra.cli.standing import data_option
from infra.cli.wording import Number, examples, nearest

# What a follower waits between two looks at the files.
PAUSE_FOLLOW = 0.2


@click.command(epilog=examples("pixwhisk logs -n 50", "pixwhisk logs minio -f"))
@options.data
@click.argument("service", metavar="[SERVICE]", required=False)
@click.option("-f", "--follow", is_flag=True, help="Go on with every new line until Ctrl-C.")
@click.option(
    "-n", "--lines", type=Number(0), metavar="N", default=20, show_default=True, help="How many of each to begin with."
)
def command(*, data: Path, service: str | None, follow: bool, lines: int) -> None:
    """Show what the services say: all of them, or one.

    Of services of one's own there is nothing here.
    """
    files = {path.stem: path for path in sorted((data / "logs").glob("*.log"))}
    if not files:
        raise Failure(f"no logs in {data / 'logs'}: `pixwhisk up{data_option(data)}` writes them")
    if service is not None and service not in files:
        raise Failure(f"no logs of {service}{nearest(service, list(files))}; there are {', '.join(files)}")
    shown = {service: files[service]} if service else files
    ends = {}
    for name, path in shown.items():
        text = path.read_bytes()
        ends[path] = len(text)
        for line in text.splitlines()[len(text.splitlines()) - lines :] if lines else []:
            _print(name, line, alone=service is not None)
    if follow:
        _follow(shown, ends, alone=service is not None)


def _follow(shown: dict[str, Path], ends: dict[Path, int], *, alone: bool) -> None:
    try:
        while True:
            for name, path in shown.items():
                for line in _new_lines(path, ends):
                    _print(name, line, alone=alone)
            sys.stdout.flush()
            time.sleep(PAUSE_FOLLOW)
    except KeyboardInterrupt:
        return


def _new_lines(path: Path, ends: dict[Path, int]) -> Iterator[bytes]:
    """Whole lines behind the end that was seen; a log that was set aside meanwhile begins anew."""
    if path.stat().st_size < ends[path]:
        ends[path] = 0
    with path.open("rb") as file:
        file.seek(ends[path])
        text = file.read()
    whole = text[: text.rfind(b"\n") + 1]
    ends[path] += len(whole)
    yield from whole.splitlines()


def _print(name: str, line: bytes, *, alone: bool) -> None:
    text = printable(line.decode(errors="replace").replace("\t", "  "))
    click.echo(text if alone else f"{name:9} | {text}")
