"""A page of measures as PNG or PDF: each label's key slice with both diameters and its figures.

The page is A4 portrait at 150 dots per inch, drawn with Pillow, because matplotlib would add 30 MB
to the installation for one page. Slices are oriented as in `measure.overlay`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw

from napari_medsam.engine.data.volume import VIEW_NAMES
from napari_medsam.formats.common.label_table import rgb_255
from napari_medsam.measure.diameters import Diameters, End
from napari_medsam.measure.overlay import TITLE_HEIGHT, Scene, font, slice_panel, wrapped
from napari_medsam.measure.table import Units, words
from napari_medsam.measure.volumes import LabelMeasure
from napari_medsam.storage.atomic_write import replacing

PAGE = (1240, 1754)
EDGE = 60
HEAD = 150
FOOT = 60
GAP = 16
MOST = 12
"""The most labels with a picture, the largest ones; the page says how many are left out."""
WHITE, BLACK, GREY = (255, 255, 255), (20, 20, 20), (90, 90, 90)
DPI = 150
AS_DRAWN = str.maketrans({"×": "x", "²": "2"})
"""Pillow's built-in font has neither these signs nor an ellipsis."""


@dataclass(frozen=True)
class Heading:
    """The text above and below the pictures: title, file names, and the research-use notice.

    `note` stands above `foot`: what is to be said about the pixel size, or "".
    """

    title: str
    lines: tuple[str, ...]
    foot: str
    note: str = ""


def save_page(
    path: Path, scene: Scene, measures: Sequence[LabelMeasure], units: Units, heading: Heading
) -> None:
    """Draw the page and save it as PNG or PDF, depending on the suffix.

    Raises
    ------
    ValueError
        The suffix is neither .png nor .pdf.
    OSError
        The file cannot be written.
    """
    if path.suffix.lower() not in (".png", ".pdf"):
        raise ValueError(f"{path.name}: a page is saved as .png or .pdf.")
    page = draw_page(scene, measures, units, heading)
    with replacing(path) as temporary:
        if path.suffix.lower() == ".pdf":
            page.save(temporary, format="PDF", resolution=DPI, title=heading.title)
        else:
            page.save(temporary, format="PNG", dpi=(DPI, DPI))


def draw_page(
    scene: Scene, measures: Sequence[LabelMeasure], units: Units, heading: Heading
) -> Image.Image:
    """The page as a picture."""
    page = Image.new("RGB", PAGE, WHITE)
    with_diameters = [measure for measure in measures if measure.diameters is not None]
    shown = sorted(with_diameters, key=lambda measure: -measure.n_voxels)[:MOST]
    shown = [measure for measure in with_diameters if measure in shown]
    left_out = len(measures) - len(shown)
    _words_around(page, heading, left_out)
    columns = 1 if len(shown) <= 3 else 2
    rows = max(3 if columns == 1 else 2, -(-len(shown) // columns))
    width = (PAGE[0] - 2 * EDGE - (columns - 1) * GAP) // columns
    height = (PAGE[1] - EDGE - HEAD - FOOT - EDGE) // rows
    for n, measure in enumerate(shown):
        corner = (EDGE + n % columns * (width + GAP), EDGE + HEAD + n // columns * height)
        _cell(page, corner, (width, height - GAP), scene, measure, units)
    return page


def _words_around(page: Image.Image, heading: Heading, left_out: int) -> None:
    draw = ImageDraw.Draw(page)
    draw.text((EDGE, EDGE), heading.title, fill=BLACK, font=font(34))
    for n, line in enumerate(heading.lines[:3]):
        draw.text((EDGE, EDGE + 50 + 26 * n), line, fill=GREY, font=font(20))
    more = f" {left_out} more or empty labels are not shown." if left_out else ""
    below = [*wrapped(heading.note, PAGE[0] - 2 * EDGE, 18)[:2], heading.foot + more]
    for n, line in enumerate(reversed(below)):
        draw.text((EDGE, PAGE[1] - EDGE - 24 - 24 * n), line, fill=GREY, font=font(18))


def _cell(
    page: Image.Image,
    corner: tuple[int, int],
    size: tuple[int, int],
    scene: Scene,
    measure: LabelMeasure,
    units: Units,
) -> None:
    """Draw a label's picture on the left and its figures on the right."""
    pair = measure.diameters
    if pair is None:
        return
    picture = _key_picture(scene, pair)
    picture.thumbnail((size[0] * 11 // 20, size[1]), Image.Resampling.LANCZOS)
    page.paste(picture, corner)
    draw = ImageDraw.Draw(page)
    x, y = corner[0] + picture.width + GAP, corner[1]
    draw.rectangle((x, y + 4, x + 18, y + 22), fill=rgb_255(measure.label.color))
    name = _fitted(measure.label.name, size[0] - picture.width - 60)
    draw.text((x + 26, y), name, fill=BLACK, font=font(22))
    for n, line in enumerate(words(measure, units)):
        draw.text((x, y + 36 + 26 * n), line.translate(AS_DRAWN), fill=BLACK, font=font(18))


def _key_picture(scene: Scene, pair: Diameters) -> Image.Image:
    """The slice with both diameters drawn on it, the long one as the thicker line."""
    shown = slice_panel(scene, pair.slice)
    draw = ImageDraw.Draw(shown)
    for ends, width in ((pair.long_ends, 3), (pair.short_ends, 2)):
        line = [_panel_position(end, scene, pair, shown) for end in ends]
        draw.line([*line[0], *line[1]], fill=BLACK, width=width + 2)
        draw.line([*line[0], *line[1]], fill=WHITE, width=width)
    return shown


def _panel_position(
    end: End, scene: Scene, pair: Diameters, shown: Image.Image
) -> tuple[float, float]:
    """x, y in the panel of a point of the slice; coronal and sagittal panels have the head up."""
    rows, columns = scene.volume.slice_shape(pair.slice.axis)
    row = end[0] if pair.slice.axis == "z" else rows - 1 - end[0]
    height = shown.height - TITLE_HEIGHT
    x, y = (end[1] + 0.5) / columns * shown.width, (row + 0.5) / rows * height
    return x, y + TITLE_HEIGHT


def _fitted(name: str, width: int) -> str:
    while name and font(22).getlength(name) > width:
        name = name[:-4].rstrip(" .") + "..." if len(name) > 4 else ""
    return name


def heading_of(image: str, labels: str, reference: str, axis: str, units: Units) -> Heading:
    """The heading of a page; file names that are "" are left out."""
    from napari_medsam import __version__

    files = {"Image": image, "Labels": labels, "Compared with": reference}
    view = next(name for key, name in VIEW_NAMES.items() if key == axis)
    planes = "" if units.is_flat else f" Diameters: {view} slices."
    return Heading(
        "Measures of labels",
        tuple(f"{what}: {name}" for what, name in files.items() if name),
        f"For research use only, not a medical device. napari-medsam {__version__}.{planes}",
        units.size_note,
    )
