"""`replay`: rebuild the labels of a journal without a window."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_medsam.cli.journal import WHICH
from napari_medsam.cli.options import FRAME, SERIES

if TYPE_CHECKING:
    from napari_medsam.formats.common.image_file import ImageFile
    from napari_medsam.journal.history import History


def replay(
    journal: Annotated[str, WHICH],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="LABELS", help="The label file to write."),
    ],
    image: Annotated[
        Path | None,
        typer.Option(
            metavar="IMAGE",
            help="The image, to check that it is the right one. --prompts and DICOM output "
            "need it.",
        ),
    ] = None,
    series: Annotated[str | None, SERIES] = None,
    frame: Annotated[int | None, FRAME] = None,
    prompts: Annotated[
        bool,
        typer.Option(
            "--prompts",
            help="Also run the recorded prompts again, with the recorded models, and report how "
            "well the masks agree with the stored ones (Dice).",
        ),
    ] = False,
) -> None:
    """Rebuild the labels from a journal, bit for bit, and save them.

    This includes what a propagation had painted when the program was killed. For research use
    only.
    """
    from napari_medsam.formats.images.read import read_image
    from napari_medsam.journal.history import history_in_words, read_journal
    from napari_medsam.journal.journal_files import find_journal
    from napari_medsam.journal.replay import write_history

    if prompts and image is None:
        raise typer.BadParameter("The prompts need the image; add --image.", param_hint="--prompts")
    history = read_journal(find_journal(journal))
    opened = None if image is None else read_image(image, series=series, frame=frame)
    saved = write_history(history, output, opened)
    typer.echo(f"Saved {saved.path.name}: {history_in_words(history.counts)}. {saved.checked}")
    if prompts and opened is not None:
        _repeat_prompts(history, opened)


def _repeat_prompts(history: History, image: ImageFile) -> None:
    from napari_medsam.cli.console import with_progress
    from napari_medsam.journal.replay import mean_dice, repeat_prompts
    from napari_medsam.models.open_recorded import open_recorded

    prompts = repeat_prompts(history, image.volume, open_recorded)
    repeated = list(with_progress("Repeating prompts", prompts))
    for prompt in repeated:
        typer.echo(
            f"step {prompt.step} {prompt.kind} {prompt.axis}={prompt.index}: Dice {prompt.dice:.4f}"
        )
    worst = min((prompt.dice for prompt in repeated), default=1.0)
    typer.echo(
        f"{len(repeated)} masks recomputed: Dice {mean_dice(repeated):.4f} (lowest {worst:.4f})"
    )
