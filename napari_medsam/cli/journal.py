"""`journal`: list, export and delete the journals, which store the work done in the window."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from napari_medsam.cli.console import megabytes
from napari_medsam.cli.errors import usage
from napari_medsam.cli.options import require_target

app = typer.Typer(
    help="List, show, export and delete journals of work in the window.", no_args_is_help=True
)
WHICH = typer.Argument(
    metavar="JOURNAL", help="A journal's path, or the beginning of its name (`journal list`)."
)
AS_JSON = typer.Option("--json", help="Print one JSON object.")


@app.command("list")
def list_journals(as_json: Annotated[bool, AS_JSON] = False) -> None:
    """List the journals, the latest first."""
    from napari_medsam.journal.export import iso
    from napari_medsam.journal.journal_files import journals
    from napari_medsam.journal.location import journal_folder

    folder, found = journal_folder(), journals()
    if as_json:
        rows = [{"journal": e.path.name, "bytes": e.n_bytes, "last": iso(e.changed)} for e in found]
        typer.echo(json.dumps({"folder": str(folder), "journals": rows}, indent=2))
        return
    total = megabytes(sum(entry.n_bytes for entry in found))
    number = f"{len(found)} journal{'' if len(found) == 1 else 's'}"
    typer.echo(f"{folder}: {number}, {total}")
    for journal in found:
        typer.echo(
            f"  {journal.path.name}  {megabytes(journal.n_bytes):>9}  {iso(journal.changed)}"
        )


@app.command("info")
def info(journal: Annotated[str, WHICH], as_json: Annotated[bool, AS_JSON] = False) -> None:
    """Show a journal's image size, steps, labels and models."""
    from napari_medsam.journal.export import iso
    from napari_medsam.journal.journal_files import describe_journals, find_journal

    found = describe_journals(find_journal(journal))
    found |= {name: iso(when) for name in ("first", "last") if (when := _seconds(found[name]))}
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    typer.echo("\n".join(f"{name + ':':<10} {_words(value)}" for name, value in found.items()))


def _seconds(value: object) -> float:
    return value if isinstance(value, float) else 0.0


def _words(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(str(item) for item in value) or "none"
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


@app.command("export")
def export(
    journal: Annotated[str, WHICH],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="The file; by default stdout."),
    ] = None,
) -> None:
    """Export a journal as JSON.

    It has each prompt, the model that answered it, and what it changed.
    """
    from napari_medsam.journal.database import JournalDatabase
    from napari_medsam.journal.export import journal_as_json
    from napari_medsam.journal.journal_files import find_journal
    from napari_medsam.storage.atomic_write import write_text

    with usage("--output"):
        require_target(output)
    with JournalDatabase(find_journal(journal)) as database:
        text = json.dumps(journal_as_json(database), indent=1)
    if output is None:
        typer.echo(text)
        return
    write_text(output, f"{text}\n")
    typer.echo(f"Saved {output.name}.")


@app.command("prune")
def prune(
    days: Annotated[
        float,
        typer.Option(
            min=0, metavar="N", help="Delete journals that were not changed for this many days."
        ),
    ] = 90.0,
) -> None:
    """Delete old journals, except those that a window has open."""
    from napari_medsam.journal.journal_files import prune_journals

    deleted = prune_journals(days)
    freed = megabytes(sum(entry.n_bytes for entry in deleted))
    typer.echo(f"{len(deleted)} journal{'' if len(deleted) == 1 else 's'} deleted, {freed} freed.")
