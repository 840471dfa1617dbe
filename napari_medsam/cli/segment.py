"""`segment`: one image, boxes in, a label file out."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from napari_medsam.cli.errors import usage
from napari_medsam.cli.spacing import SPACING, parse_spacing

BOX_FORM = "AXIS:INDEX:X0,Y0,X1,Y1[:LABEL]"
RANGE_FORM = "FIRST:LAST"
BOX_HELP = """A box, as often as needed. AXIS is z, y or x; INDEX counts slices from 0 in the
grid that `info` prints; x runs along the slice's columns, y along its rows; LABEL is a number or
a name (1 if left out). For a 2D image leave AXIS:INDEX: out."""


def segment(
    image: Annotated[Path, typer.Argument(help="An image file or a DICOM folder.")],
    box: Annotated[list[str], typer.Option("--box", metavar=BOX_FORM, help=BOX_HELP)],
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="LABELS", help="The label file to write, as labels.nii.gz."
        ),
    ],
    propagate: Annotated[
        str | None,
        typer.Option(
            metavar=RANGE_FORM,
            help="Follow each box through these slices, both included. Boxes of one label on "
            "several slices are keyframes: slices between them get a box between theirs.",
        ),
    ] = None,
    model: Annotated[
        str,
        typer.Option(
            help="A name that `models list` prints, or auto: the installed model for the "
            "image's modality."
        ),
    ] = "litemedsam",
    window: Annotated[
        str,
        typer.Option(
            metavar="NAME or LO,HI",
            help="The grey values the model is shown: auto (for CT and radiographs what the "
            "header asks for), from the file, percentile, full range, soft tissue, lung, "
            "mediastinum, liver, brain, bone, or two numbers.",
        ),
    ] = "auto",
    compat: Annotated[
        bool, typer.Option("--compat", help="Follow the rules of the authors' script exactly.")
    ] = False,
    report: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write scores and volumes as JSON.")
    ] = None,
    overlay: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a picture (PNG) to look at.")
    ] = None,
    no_cache: Annotated[
        bool,
        typer.Option("--no-cache", help="Neither use nor fill the cache on disk (`cache info`)."),
    ] = False,
    series: Annotated[
        str | None, typer.Option(metavar="UID", help="Which DICOM series, as `info` lists them.")
    ] = None,
    frame: Annotated[
        int | None, typer.Option(help="Which volume of a 4D file, counted from 0.")
    ] = None,
    spacing: Annotated[str | None, SPACING] = None,
) -> None:
    """Segment one image from boxes and save the labels on the image's own grid."""
    from napari_medsam.box_text import parse_box, parse_range
    from napari_medsam.cache_place import lasting_cache
    from napari_medsam.cli.run import choose_model, draw_overlay, require_model, run_case, tell
    from napari_medsam.engine.window import parse_window
    from napari_medsam.formats.header_window import window_asked
    from napari_medsam.formats.images import read_image
    from napari_medsam.headless import Request, place
    from napari_medsam.models.routing import challenge_modality
    from napari_medsam.reach import seeds_over
    from napari_medsam.report import report as report_of
    from napari_medsam.report import write_report

    with usage("--box"):
        asked = [parse_box(text) for text in box]
    with usage("--propagate"):
        reach = None if propagate is None else parse_range(propagate)
    with usage("--model"):
        require_model(model)
    for option, target in (("--output", output), ("--report", report), ("--overlay", overlay)):
        with usage(option):
            refuse_input(target, image)
    with usage("--spacing"):
        spacing_xyz = parse_spacing(spacing)
    started = time.perf_counter()
    read = read_image(image, series=series, frame=frame, spacing_xyz=spacing_xyz)
    reading = time.perf_counter() - started
    with usage("--box"):
        placed, table = place(asked, read.volume)
    with usage("--propagate"):
        seeds = None if reach is None else seeds_over(placed, *reach, read.volume)
    with usage("--window"):
        # The authors' script knows nothing of a header.
        shown = parse_window(read.volume, window) if compat else window_asked(read, window)
    request = Request(read, placed, table, shown, seeds, compat)
    chosen = choose_model(model, read.volume.modality or challenge_modality(image))
    # What is on disk is float16, and the original's rules ask for float32.
    cache = None if no_cache or compat else lasting_cache()
    result, used = run_case(request, chosen, output, cache)
    result.seconds["read"] = reading
    if report is not None:
        write_report(report, report_of(result, used))
    if overlay is not None:
        draw_overlay(result, overlay)
    tell(result)


def refuse_input(target: Path | None, image: Path) -> None:
    """Never write over what is read, nor into a folder that is read."""
    if target is None:
        return
    place, source = target.resolve(), image.resolve()
    if place == source or (target.exists() and image.exists() and target.samefile(image)):
        raise ValueError(f"{target} is the image itself; choose another name.")
    if source.is_dir() and source in place.parents:
        raise ValueError(f"{target} lies in the folder that is read; choose another folder.")
    if not place.parent.is_dir():
        raise ValueError(f"There is no folder {target.parent}.")
