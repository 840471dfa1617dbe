"""`segment`: segment one image from boxes and save a label file."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_medsam.cli.errors import resample_hint, usage
from napari_medsam.cli.options import COMPAT, FRAME, SERIES, SPACING, parse_spacing, refuse_input
from napari_medsam.headless import prompt_text

if TYPE_CHECKING:
    from napari_medsam.headless.build_request import RequestedPrompt
    from napari_medsam.headless.request import Mode, Propagation

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
    box: Annotated[
        list[str] | None, typer.Option("--box", metavar=prompt_text.BOX_FORM, help=BOX_HELP)
    ] = None,
    point: Annotated[
        list[str] | None, typer.Option("--point", metavar=prompt_text.POINT_FORM, help=POINT_HELP)
    ] = None,
    outside: Annotated[
        list[str] | None,
        typer.Option(
            "--outside",
            metavar=prompt_text.POINT_FORM,
            help="A point outside the object; may be repeated.",
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
            metavar=prompt_text.SLICE_FORM,
            help="With --labels and --propagate: the label's mask on this slice is right; segment "
            "the label again from here on the other slices of the range. May be repeated.",
        ),
    ] = None,
    propagate: Annotated[
        str | None,
        typer.Option(
            metavar=prompt_text.RANGE_FORM,
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
    compat: Annotated[bool, COMPAT] = False,
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
    from napari_medsam.models.store import store
    from napari_medsam.models.store.modality_routing import AUTO

    prompts = _prompts(box, point, outside, start)
    span = _propagation(propagate, vote=vote, extent=extent, smooth=smooth)
    _check_continuing(labels, start, span, compat=compat)
    with usage("--model"):
        known = None if model == AUTO else store.model_spec(model)
    for option, target in (("--output", output), ("--report", report), ("--overlay", overlay)):
        with usage(option):
            refuse_input(target, image)
    with usage("--precision"):
        preference = parse_preference(precision)
    opening = None if known is None else begin_opening(known.name, preference)

    from napari_medsam.cli.run_case import choose_model, draw_overlay, print_result, run_case
    from napari_medsam.formats.images.read import read_image, require_suffix
    from napari_medsam.formats.labels.label_formats import BY_SUFFIX
    from napari_medsam.formats.labels.read import read_label_file
    from napari_medsam.headless.build_request import RequestOptions, build_request, modality_of
    from napari_medsam.headless.disk_cache_settings import lasting_cache
    from napari_medsam.headless.report import run_report, write_report

    with usage("--output"):
        require_suffix(output, BY_SUFFIX)
    with usage("--spacing"):
        spacing_xyz = parse_spacing(spacing)
    started = time.perf_counter()
    read = read_image(image, series=series, frame=frame, spacing_xyz=spacing_xyz)
    reading = time.perf_counter() - started
    with resample_hint(RESAMPLE):
        before = None if labels is None else read_label_file(labels, read.grid)
        earlier_file = None if earlier is None else read_label_file(earlier, read.grid)
    for file in (before, earlier_file):
        for note in file.notes if file is not None else ():
            typer.echo(f"Note: {note}", err=True)
    earlier_labels = None if earlier_file is None else earlier_file.labels
    chosen = known or choose_model(model, modality_of(read))
    options = RequestOptions(
        window, span, before, earlier_labels, compat=compat, contract=chosen.contract
    )
    with usage():
        request = build_request(read, prompts, options)
    if request.mode == "vote" and not vote:
        rule = f"By {chosen.title}'s rules {modality_of(read)} is segmented along three axes."
        typer.echo(rule, err=True)
    # What is on disk is float16, and the original's rules ask for float32.
    cache = None if no_cache or compat else lasting_cache()
    opening = opening or begin_opening(chosen.name, preference)
    result, used = run_case(request, chosen, output, cache, opening)
    result.seconds["read"] = reading
    if report is not None:
        write_report(report, run_report(result, used))
    if overlay is not None:
        draw_overlay(result, overlay)
    print_result(result)


def _prompts(
    boxes: list[str] | None,
    inside: list[str] | None,
    outside: list[str] | None,
    starts: list[str] | None,
) -> list[RequestedPrompt]:
    found: list[RequestedPrompt] = []
    with usage("--box"):
        found += map(prompt_text.parse_box, boxes or ())
    with usage("--point"):
        found += map(prompt_text.parse_point, inside or ())
    with usage("--outside"):
        found += [prompt_text.parse_point(text, is_inside=False) for text in outside or ()]
    with usage("--from"):
        found += map(prompt_text.parse_slice, starts or ())
    with usage("--box"):
        if not found:
            raise ValueError("There is no prompt; add a box (or a point).")
    return found


def _propagation(
    text: str | None, *, vote: bool, extent: bool, smooth: float
) -> Propagation | None:
    """The propagation over a range of slices, if one is given."""
    with usage("--propagate"):
        slice_range = None if text is None else prompt_text.parse_range(text)
    if slice_range is None:
        for option, is_given, what in (
            ("--vote", vote, "A vote of three views"),
            ("--extent", extent, "An extent"),
            ("--smooth", smooth, "Smoothing"),
        ):
            with usage(option):
                if is_given:
                    raise ValueError(f"{what} needs a range of slices: add --propagate.")
        return None
    with usage("--extent"):
        if vote and extent:
            raise ValueError("A vote of three views has no extent; omit --vote or --extent.")

    from napari_medsam.headless.request import Propagation

    with usage("--smooth"):
        mode: Mode = "vote" if vote else "box3d" if extent else "keyframes"
        return Propagation(*slice_range, mode, smooth)


def _check_continuing(
    labels: Path | None, starts: list[str] | None, span: Propagation | None, *, compat: bool
) -> None:
    """Refuse options that existing labels cannot have, or need."""
    with usage("--from"):
        if starts and (labels is None or span is None):
            raise ValueError("--from needs --labels and --propagate.")
        if starts and span is not None and span.mode != "keyframes":
            raise ValueError("--from gives a mask on a slice; omit --vote and --extent.")
    with usage("--labels"):
        if labels is not None and compat:
            raise ValueError("The authors' script takes no existing labels; omit --compat.")
