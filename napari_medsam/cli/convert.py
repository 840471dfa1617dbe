"""`convert`: convert one file to another format, on the same grid."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from napari_medsam.cli.errors import resample_hint, usage
from napari_medsam.cli.options import (
    FILL_GAPS,
    FRAME,
    NAMES,
    SERIES,
    SPACING,
    parse_spacing,
    refuse_input,
    require_file,
)


def convert(
    source: Annotated[
        Path, typer.Argument(metavar="IN", help="An image or label file, or a DICOM folder.")
    ],
    target: Annotated[
        Path, typer.Argument(metavar="OUT", help="The file to write; its suffix sets the format.")
    ],
    image: Annotated[
        Path | None,
        typer.Option(
            metavar="IMAGE",
            help="The image of the labels. DICOM SEG (.seg.dcm) and RTSTRUCT (.rtstruct.dcm) "
            "need it.",
        ),
    ] = None,
    series: Annotated[str | None, SERIES] = None,
    frame: Annotated[int | None, FRAME] = None,
    labels: Annotated[
        bool, typer.Option("--labels", help="The file holds labels, not an image.")
    ] = False,
    names: Annotated[Path | None, NAMES] = None,
    resample: Annotated[
        bool,
        typer.Option(
            "--resample", help="Resample labels to the grid of --image (nearest neighbour)."
        ),
    ] = False,
    fill_gaps: Annotated[bool, FILL_GAPS] = False,
    describe: Annotated[
        bool,
        typer.Option("--describe", help="Also write an ITK-SNAP label description."),
    ] = False,
    one_a_label: Annotated[
        bool,
        typer.Option("--one-a-label", help="Write one file per label, such as OUT_liver.nii.gz."),
    ] = False,
    spacing: Annotated[str | None, SPACING] = None,
    raw: Annotated[bool, typer.Option("--raw", help="Do not convert PET values to SUV.")] = False,
) -> None:
    """Convert an image or labels to another format.

    Every voxel keeps its value and position. The result is read back and compared before
    it is moved to its final name.
    """
    from napari_medsam.formats.images.read import require_suffix
    from napari_medsam.headless.convert import TARGETS, ConvertOptions
    from napari_medsam.headless.convert import convert_file as run

    for option, read in (("IN", source), ("--image", image), ("--names", names)):
        with usage(option):
            require_file(read)
    with usage("OUT"):
        require_suffix(target, TARGETS)
        refuse_input(target, source)
        if image is not None:
            refuse_input(target, image)
    with usage("--spacing"):
        spacing_xyz = parse_spacing(spacing)
    choice = ConvertOptions(
        spacing_xyz=spacing_xyz,
        one_a_label=one_a_label,
        image=image,
        series=series,
        frame=frame,
        suv=not raw,
        labels=labels,
        resample=resample,
        fill_gaps=fill_gaps,
        description=describe,
        names=names,
    )
    with resample_hint("If they belong together, add --resample."):
        checked, notes = run(source, target, choice)
    for note in notes:
        typer.echo(f"Note: {note}", err=True)
    typer.echo(f"{target}: {checked}")
