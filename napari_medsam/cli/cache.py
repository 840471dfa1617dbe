"""`cache`: what is kept of images seen before, so that they need not be encoded again."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from napari_medsam.cli.console import megabytes

app = typer.Typer(
    help="Look at, or empty, the cache of embeddings on disk.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command("info")
def info(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Say where the cache is and how much it holds."""
    from napari_medsam.cache_place import cache_folder
    from napari_medsam.engine.disk_cache import DiskCache

    disk = DiskCache(cache_folder())
    found = {
        "folder": str(disk.folder),
        "volumes": disk.n_volumes,
        "embeddings": disk.n_entries,
        "bytes": disk.n_bytes,
        "max_bytes": disk.max_bytes,
    }
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    typer.echo(
        f"{disk.folder}: {megabytes(disk.n_bytes)} of at most {megabytes(disk.max_bytes)}, "
        f"{disk.n_entries} embeddings in {disk.n_volumes} folders (one an image, model and window)"
    )


@app.command("clear")
def clear() -> None:
    """Delete everything in the cache; it fills again with use."""
    from napari_medsam.cache_place import cache_folder
    from napari_medsam.engine.disk_cache import DiskCache

    disk = DiskCache(cache_folder())
    typer.echo(f"{disk.folder}: {megabytes(disk.clear())} freed")
