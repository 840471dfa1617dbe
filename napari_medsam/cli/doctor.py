"""`doctor`: report what works on this machine, what does not, and what to do about it."""

from __future__ import annotations

import json
import textwrap
from typing import Annotated

import typer


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Check what works on this machine.

    The exit code is 1 if something necessary does not work. A "note" is a hint, or concerns only
    the window; the command line works without it.
    """
    from napari_medsam.diagnostics import examine

    checks = examine()
    sound = all(check.state != "problem" for check in checks)
    if as_json:
        rows = [vars(check) for check in checks]
        typer.echo(json.dumps({"ok": sound, "checks": rows}, indent=2))
    else:
        for check in checks:
            typer.echo(f"{check.state:<9}{check.name:<14}{check.found}")
            if check.advice:
                typer.echo(_advice(check.advice))
    if not sound:
        raise typer.Exit(1)


def _advice(text: str) -> str:
    """The lines of an advice below its check, indented as the text after the arrow."""
    return textwrap.fill(
        text, 96, initial_indent=f"{'':<9}-> ", subsequent_indent=" " * 12, break_on_hyphens=False
    )
