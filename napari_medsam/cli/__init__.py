"""The command line: wiring only. Each command parses its arguments and calls the packages below.

Slow imports (numpy, OpenVINO, SimpleITK, rich and, for `view`, napari) happen inside the command
that needs them, when it runs. `--version` and every `--help` therefore answer immediately, and
only `view` and `demo` without `--headless` ever load napari or Qt.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.main import get_command

from napari_medsam import __version__
from napari_medsam.cli import cache, journal, kit, models
from napari_medsam.cli.batch import batch
from napari_medsam.cli.bench import bench
from napari_medsam.cli.convert import convert
from napari_medsam.cli.demo import demo
from napari_medsam.cli.doctor import doctor
from napari_medsam.cli.errors import sentence
from napari_medsam.cli.evaluate import evaluate
from napari_medsam.cli.info import info
from napari_medsam.cli.measure import measure
from napari_medsam.cli.predict import predict
from napari_medsam.cli.replay import replay
from napari_medsam.cli.segment import segment
from napari_medsam.cli.view import view
from napari_medsam.storage.standard_output import print_anything

app = typer.Typer(
    name="napari-medsam",
    no_args_is_help=False,
    add_completion=False,
    # Plain text: it can be copied into a mail, searched in a log, and read aloud.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.command()(view)
app.command()(demo)
app.command()(segment)
app.command()(predict)
app.command()(evaluate)
app.command()(batch)
app.command()(info)
app.command()(convert)
app.command()(measure)
app.add_typer(models.app, name="models")
app.add_typer(cache.app, name="cache")
app.add_typer(kit.app, name="kit")
app.add_typer(journal.app, name="journal")
app.command()(replay)
app.command()(bench)
app.command()(doctor)


def _print_version(is_requested: bool) -> None:
    if is_requested:
        typer.echo(f"napari-medsam {__version__}")
        raise typer.Exit


@app.callback()
def _napari_medsam(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
    debug: Annotated[
        bool,
        typer.Option("--debug", help="Show the traceback of a failure; may be given anywhere."),
    ] = False,
) -> None:
    """Segment medical images from boxes, on a laptop's processor.

    Without a command, or with only files, napari opens. For research use only, not a medical
    device.
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit code: 0 success, 1 failure, 2 wrong usage."""
    print_anything()
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    given = [argument for argument in given if argument != "--debug"]
    command, path, rest = _addressed(get_command(app), _with_command(given))
    try:
        command(rest, prog_name=" ".join(path))
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(bool(end.code))
    except Exception as error:
        if debug:
            raise
        typer.echo(sentence(error), err=True)
        return 1
    return 0


def _with_command(given: list[str]) -> list[str]:
    """The arguments, with `view` inserted in front if they name only files or nothing at all."""
    if not given:
        return ["view"]
    first = given[0]
    if first in _inner(get_command(app)) or first.startswith("-"):
        return given
    is_file = Path(first).exists() or Path(first).suffix or Path(first).name != first
    return ["view", *given] if is_file else given


def _addressed(command: Any, given: list[str]) -> tuple[Any, list[str], list[str]]:
    """The command that the arguments address, its full name, and its own arguments.

    typer could find it too, but it loads pydantic (0.15 s) to parse the options of each group on
    the way, even if none is given and only the help of a command is requested.
    """
    path = ["napari-medsam"]
    while given and given[0] in _inner(command):
        command = _inner(command)[given[0]]
        path.append(given[0])
        given = given[1:]
    return command, path, given


def _inner(command: Any) -> dict[str, Any]:
    """The commands of a group by name; empty for a command that is not a group."""
    return getattr(command, "commands", {})
