"""The options of commands that read an image which may hold several: `--series` and `--frame`."""

from __future__ import annotations

import typer

SERIES = typer.Option(metavar="UID", help="Which DICOM series, as `info` lists them.")
FRAME = typer.Option(help="Which volume of a 4D file, counted from 0.")
