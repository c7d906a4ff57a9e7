"""`pixwhisk completion`."""

from __future__ import annotations

import os
from pathlib import Path

import click

from infra.cli.wording import Choice, examples

SHELLS = ("bash", "zsh", "fish")
# Where each shell looks by itself, below the user's home; zsh only once its `fpath` has it.
PLACES = {
    "bash": ".local/share/bash-completion/completions/pixwhisk",
    "zsh": ".zfunc/_pixwhisk",
    "fish": ".config/fish/completions/pixwhisk.fish",
}


@click.command(epilog=examples("pixwhisk completion --install", 'eval "$(pixwhisk completion bash)"'))
@click.argument("shell", type=Choice(SHELLS), metavar="[bash|zsh|fish]", required=False)
@click.option("--install", is_flag=True, help="Write it where the shell looks for it, for every shell from now on.")
def command(shell: str | None, install: bool) -> None:
    """Complete commands and options at the press of Tab.

    Prints what the shell is to evaluate, or installs it. Without a name it is for the shell that SHELL names.
    """
    chosen = shell or Path(os.environ.get("SHELL", "")).name
    if chosen not in SHELLS:
        raise click.UsageError(f"which shell? Name one: {', '.join(SHELLS)}")
    source = _source(chosen)
    if not install:
        click.echo(source)
        return
    path = Path.home() / PLACES[chosen]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#compdef pixwhisk\n{source}\n" if chosen == "zsh" else f"{source}\n")
    click.echo(f"installed {path}: it serves every shell that is started from now on")
    if chosen == "zsh":
        click.echo("if it does not: `fpath+=~/.zfunc; autoload -U compinit; compinit` belongs into ~/.zshrc")


def _source(shell: str) -> str:
    from click.shell_completion import get_completion_class

    from infra.cli.__main__ import COMPLETE, pixwhisk

    complete = get_completion_class(shell)
    if complete is None:
        raise LookupError(shell)
    return str(complete(pixwhisk, {}, "pixwhisk", COMPLETE).source())
