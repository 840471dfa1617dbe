"""`doctor`: report what works on this machine, what does not, and what to do about it."""

from __future__ import annotations

import json
import textwrap
from typing import Annotated

import typer


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Check this machine; exit code 1 if something that is needed does not work.

    A "note" concerns only the window, or is a hint; the command line works without it.
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
                typer.echo(textwrap.fill(check.advice, 96, initial_indent=" " * 9 + "-> "))
    if not sound:
        raise typer.Exit(1)
