"""`segment`: segment one image from boxes and save a label file."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from napari_medsam.cli.errors import resample_hint, usage
from napari_medsam.cli.options import FRAME, SERIES, SPACING, parse_spacing, require_target

BOX_FORM = "AXIS:INDEX:X0,Y0,X1,Y1[:LABEL]"
POINT_FORM = "AXIS:INDEX:X,Y[:LABEL]"
RANGE_FORM = "FIRST:LAST"
SLICE_FORM = "AXIS:INDEX[:LABEL]"
RESAMPLE = """If they belong together, resample it: napari-medsam convert LABELS OUT --image IMAGE
--resample"""
BOX_HELP = """A box; may be repeated. AXIS is z, y or x. INDEX counts slices from 0 in the grid
that `info` prints. X runs along the slice's columns, Y along its rows. LABEL is a number or a name
(default 1). For a 2D image, omit AXIS:INDEX:."""

POINT_HELP = """A point inside the object; may be repeated. For models trained with points
(`models list` shows which). Points and a box of one label on one slice form one prompt."""


def segment(
    image: Annotated[
        Path, typer.Argument(metavar="IMAGE", help="An image file or a DICOM folder.")
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="LABELS",
            help="The label file to write, such as labels.nii.gz.",
        ),
    ],
    box: Annotated[list[str] | None, typer.Option("--box", metavar=BOX_FORM, help=BOX_HELP)] = None,
    point: Annotated[
        list[str] | None, typer.Option("--point", metavar=POINT_FORM, help=POINT_HELP)
    ] = None,
    outside: Annotated[
        list[str] | None,
        typer.Option(
            "--outside", metavar=POINT_FORM, help="A point outside the object; may be repeated."
        ),
    ] = None,
    earlier: Annotated[
        Path | None,
        typer.Option(
            "--earlier",
            metavar="LABELS",
            help="A label file whose masks the model refines, together with boxes and points of "
            "the same label. For models trained with masks.",
        ),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(
            "--labels",
            metavar="LABELS",
            help="A label file to continue from: its voxels stay, new masks fill free voxels only, "
            "and LABEL may be one of its names.",
        ),
    ] = None,
    start: Annotated[
        list[str] | None,
        typer.Option(
            "--from",
            metavar=SLICE_FORM,
            help="With --labels and --propagate: the label's mask on this slice is right; segment "
            "the label again from here on the other slices of the range. May be repeated.",
        ),
    ] = None,
    propagate: Annotated[
        str | None,
        typer.Option(
            metavar=RANGE_FORM,
            help="Propagate each box over these slices, both included. Boxes of one label on "
            "several slices are keyframes; between them, boxes are interpolated.",
        ),
    ] = None,
    model: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="A name that `models list` prints, or auto: the installed model for the "
            "image's modality.",
        ),
    ] = "litemedsam",
    precision: Annotated[
        str,
        typer.Option(
            metavar="f32, bf16 or auto",
            help="f32 gives the same masks on every machine; auto uses the fastest precision that "
            "is safe on this one, measured once (`bench`).",
        ),
    ] = "f32",
    window: Annotated[
        str,
        typer.Option(
            metavar="NAME or LO,HI",
            help="The grey values that the model sees: auto (for CT and radiographs the header's "
            "window, if there is one), from the file, percentile, full range, soft tissue, lung, "
            "mediastinum, liver, brain, bone, or two numbers.",
        ),
    ] = "auto",
    compat: Annotated[
        bool, typer.Option("--compat", help="Follow the rules of the model's authors exactly.")
    ] = False,
    vote: Annotated[
        bool,
        typer.Option(
            "--vote",
            help="With --propagate: segment along all three axes and let the majority decide, as "
            "hawken50 does for PET; takes about three times as long.",
        ),
    ] = False,
    extent: Annotated[
        bool,
        typer.Option(
            "--extent",
            help="With --propagate: each box is the object's extent over all slices of the range "
            "(a 3D box), not its outline on one.",
        ),
    ] = False,
    smooth: Annotated[
        float,
        typer.Option(
            metavar="SLICES",
            help="With --propagate: smooth the outline over about this many slices; 0 turns it "
            "off.",
        ),
    ] = 0.0,
    report: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write scores, volumes and settings as JSON."),
    ] = None,
    overlay: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a picture of the result (PNG).")
    ] = None,
    no_cache: Annotated[
        bool,
        typer.Option("--no-cache", help="Neither use nor fill the cache on disk (`cache info`)."),
    ] = False,
    series: Annotated[str | None, SERIES] = None,
    frame: Annotated[int | None, FRAME] = None,
    spacing: Annotated[str | None, SPACING] = None,
) -> None:
    """Segment one image from boxes or points and save the labels.

    The label file has the image's own grid.
    """
    from napari_medsam.cli.precision_option import begin_opening, parse_preference
    from napari_medsam.headless.prompt_text import parse_box, parse_point, parse_range, parse_slice
    from napari_medsam.models.store import store
    from napari_medsam.models.store.modality_routing import AUTO, challenge_modality

    with usage("--box"):
        requested = [parse_box(text) for text in box or ()]
    with usage("--point"):
        points = [parse_point(text) for text in point or ()]
    with usage("--outside"):
        points += [parse_point(text, is_inside=False) for text in outside or ()]
    with usage("--from"):
        start_slices = [parse_slice(text) for text in start or ()]
        if start_slices and (labels is None or propagate is None):
            raise ValueError("--from needs --labels and --propagate.")
        if start_slices and (vote or extent):
            raise ValueError("--from gives a mask on a slice; omit --vote and --extent.")
    with usage("--labels"):
        if labels is not None and compat:
            raise ValueError("The authors' script takes no existing labels; omit --compat.")
    with usage("--box"):
        if not requested and not points and not start_slices:
            raise ValueError("There is no prompt; add a box (or a point).")
    with usage("--propagate"):
        slice_range = None if propagate is None else parse_range(propagate)
    with usage("--model"):
        known = None if model == AUTO else store.model_spec(model)
    for option, target in (("--output", output), ("--report", report), ("--overlay", overlay)):
        with usage(option):
            refuse_input(target, image)
    with usage("--precision"):
        preference = parse_preference(precision)
    opening = None if known is None else begin_opening(known.name, preference)

    from napari_medsam.cli.run_case import (
        choose_model,
        draw_overlay,
        print_result,
        run_case,
        votes_by_default,
    )
    from napari_medsam.engine.data.intensity_window import parse_window
    from napari_medsam.engine.inference.point_prompts import require_points
    from napari_medsam.formats.common.default_window import requested_window
    from napari_medsam.formats.images.read import read_image, require_suffix
    from napari_medsam.formats.labels.label_formats import BY_SUFFIX
    from napari_medsam.formats.labels.read import read_label_file, read_labels
    from napari_medsam.headless.clicked_objects import place_clicks
    from napari_medsam.headless.continued_labels import complete, place_starts, without_what_follows
    from napari_medsam.headless.disk_cache_settings import lasting_cache
    from napari_medsam.headless.report import run_report as report_of
    from napari_medsam.headless.report import write_report
    from napari_medsam.headless.request import FixedMask, Mode, Prompts, Propagation, Request
    from napari_medsam.headless.run import label_table, place_boxes

    with usage("--output"):
        require_suffix(output, BY_SUFFIX)
    with usage("--spacing"):
        spacing_xyz = parse_spacing(spacing)
    started = time.perf_counter()
    read = read_image(image, series=series, frame=frame, spacing_xyz=spacing_xyz)
    reading = time.perf_counter() - started
    with resample_hint(RESAMPLE):
        existing = None if labels is None else complete(read_label_file(labels, read.grid))
        earlier_labels = None if earlier is None else read_labels(earlier, read.grid)
    known_labels = existing.table if existing is not None else ()
    with usage("--box"):
        placed, table = place_boxes(requested, read.volume, points, start_slices, known_labels)
    with usage("--point or --outside"):
        numbers = label_table([*requested, *points, *start_slices], known_labels)
        clicks, boxes = place_clicks(points, placed, numbers, read.volume, earlier_labels)
    starts: list[FixedMask] = []
    if existing is not None:
        with usage("--from"):
            starts = place_starts(start_slices, existing, numbers, read.volume, len(placed) + 1)
    with usage("--propagate"):
        if slice_range is not None and existing is not None:
            existing = without_what_follows(existing, starts, *slice_range)
    with usage("--window"):
        # The authors' script ignores the header.
        shown = parse_window(read.volume, window) if compat else requested_window(read, window)
    modality = read.volume.modality or challenge_modality(image)
    chosen = known or choose_model(model, modality)
    with usage("--vote"):
        require_range(vote, slice_range, "A vote of three views")
    with usage("--extent"):
        require_range(extent, slice_range, "An extent")
    with usage("--smooth"):
        require_range(bool(smooth), slice_range, "Smoothing")
        if smooth < 0:
            raise ValueError(f"Smoothing is over 0 or more slices; this is {smooth:g}.")
    if compat and slice_range is not None and not vote:
        vote = votes_by_default(chosen, modality)
    with usage("--point or --outside"):
        for object_clicks in clicks:
            has_mask = object_clicks.earlier is not None
            require_points(object_clicks.prompt, chosen.contract, with_mask=has_mask)
    prompts = Prompts(tuple(boxes), tuple(clicks), tuple(starts))
    mode: Mode = "vote" if vote else "box3d" if extent else "keyframes"
    with usage("--propagate"):
        span = None if slice_range is None else Propagation(*slice_range, mode, smooth)
        request = Request(read, prompts, table, shown, span, existing, compat)
    # What is on disk is float16, and the original's rules ask for float32.
    cache = None if no_cache or compat else lasting_cache()
    opening = opening or begin_opening(chosen.name, preference)
    result, used = run_case(request, chosen, output, cache, opening)
    result.seconds["read"] = reading
    if report is not None:
        write_report(report, report_of(result, used))
    if overlay is not None:
        draw_overlay(result, overlay)
    print_result(result)


def require_range(is_given: bool, slice_range: tuple[int, int] | None, what: str) -> None:
    """Refuse options that make sense only over a range of slices."""
    if is_given and slice_range is None:
        raise ValueError(f"{what} needs a range of slices: add --propagate.")


def refuse_input(target: Path | None, image: Path) -> None:
    """Refuse to overwrite an input file, or to write into an input folder."""
    if target is None:
        return
    place, source = target.resolve(), image.resolve()
    if place == source or (target.exists() and image.exists() and target.samefile(image)):
        raise ValueError(f"{target} is an input file; choose another name.")
    if source.is_dir() and source in place.parents:
        raise ValueError(f"{target} is in the folder that is read; choose another folder.")
    require_target(target)
