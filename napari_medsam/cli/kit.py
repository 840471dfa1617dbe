"""`kit`: a folder with everything an offline machine needs, including an install script."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_medsam.cli.console import megabytes
from napari_medsam.cli.errors import usage
from napari_medsam.cli.options import require_folder

if TYPE_CHECKING:
    from napari_medsam.offline_kit import Target

app = typer.Typer(
    help="Build and verify an offline kit, to install without a network.", no_args_is_help=True
)


@app.command()
def build(
    folder: Annotated[
        Path,
        typer.Argument(metavar="FOLDER", help="A new or empty folder; about 350 MB per target."),
    ],
    platform: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="win_amd64, linux_x86_64 or macosx_arm64; may be repeated."
        ),
    ] = None,
    python: Annotated[
        list[str] | None,
        typer.Option(metavar="VERSION", help="3.11, 3.12 or 3.13; may be repeated."),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="A model to include; may be repeated; by default litemedsam."
        ),
    ] = None,
    qt: Annotated[
        str, typer.Option(metavar="NAME", help="pyqt6 (GPL) or pyside6 (LGPL).")
    ] = "pyqt6",
) -> None:
    """Build an offline kit: wheels, weights and install scripts.

    Needs a network: the wheels of all dependencies are downloaded with pip. Without
    --platform and --python, the kit is for machines like this one.
    """
    from napari_medsam import offline_kit
    from napari_medsam.models.store.store import model_spec
    from napari_medsam.storage.hashing import file_sha256

    with usage("--platform or --python"):
        targets = _targets(platform, python)
    with usage("--qt"):
        offline_kit.require_binding(qt)
    with usage("--model"):
        for name in model or ():
            model_spec(name)
    sums = offline_kit.build_kit(
        folder, targets, models=model or ("litemedsam",), qt=qt, report=typer.echo
    )
    _print_verified(folder)
    typer.echo(f"SHA-256 of its SHA256SUMS: {file_sha256(sums)}")


@app.command()
def verify(folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A kit.")]) -> None:
    """Check that a kit is undamaged and complete.

    Compares every file with its SHA-256, and checks that no target lacks anything.
    """
    with usage("FOLDER"):
        require_folder(folder)
    _print_verified(folder)


def _print_verified(folder: Path) -> None:
    from napari_medsam import offline_kit

    kit = offline_kit.verify_kit(folder)
    typer.echo(
        f"The kit in {folder} is complete: {kit.n_wheels} wheels, {', '.join(kit.models)},"
        f" {megabytes(kit.n_bytes)}, for {', '.join(map(str, kit.targets))}."
    )


def _targets(platforms: list[str] | None, pythons: list[str] | None) -> list[Target]:
    """Every platform combined with every Python; those not given are this machine's."""
    from napari_medsam.offline_kit import Target, target_here

    if not (platforms and pythons):
        here = target_here()
        platforms, pythons = platforms or [here.platform], pythons or [here.python]
    return [Target(platform, version) for platform in platforms for version in pythons]
