"""`cache`: the stored embeddings, so that slices need not be encoded again."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from napari_medsam.cli.console import megabytes

app = typer.Typer(
    help="Show, clear or limit the cache of embeddings on disk.", no_args_is_help=True
)


@app.command("info")
def info(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show where the cache is and how much it holds."""
    from napari_medsam.headless.disk_cache_settings import disk_cache

    disk = disk_cache()
    found = {
        "folder": str(disk.folder),
        "volumes": disk.n_volumes,
        "embeddings": disk.n_entries,
        "bytes": disk.n_bytes,
        "max_bytes": disk.max_bytes,
        "precision": disk.precision,
    }
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    typer.echo(
        f"{disk.folder}: {megabytes(disk.n_bytes)} of at most {megabytes(disk.max_bytes)}, "
        f"{disk.n_entries} embeddings in {disk.n_volumes} folders (one per image, model and window)"
    )


@app.command("clear")
def clear() -> None:
    """Delete everything in the cache; it fills again with use."""
    from napari_medsam.headless.disk_cache_settings import disk_cache

    disk = disk_cache()
    typer.echo(f"{disk.folder}: {megabytes(disk.clear())} freed")


@app.command("set")
def set_preferences(
    gigabytes: Annotated[
        float | None, typer.Option(min=0, metavar="N", help="The maximum size in GB (10**9 bytes).")
    ] = None,
    precision: Annotated[
        str | None,
        typer.Option(
            metavar="float16 or int8",
            help="int8 takes half the space and moves a few pixels at the edges of masks.",
        ),
    ] = None,
) -> None:
    """Set the cache's maximum size and how embeddings are stored."""
    from napari_medsam.cli.errors import usage
    from napari_medsam.headless.disk_cache_settings import (
        cache_preferences,
        disk_precision,
        set_cache_preferences,
    )

    chosen = cache_preferences()
    if precision is not None:
        with usage("--precision"):
            chosen = chosen._replace(precision=disk_precision(precision))
    if gigabytes is not None:
        chosen = chosen._replace(max_bytes=round(gigabytes * 1e9))
    set_cache_preferences(chosen)
    typer.echo(f"At most {megabytes(chosen.max_bytes)}, stored as {chosen.precision}.")
