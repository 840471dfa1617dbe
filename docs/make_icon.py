"""Draw napari_medsam/icon.png, which napari's list of plugins shows: a mask in its box.

Run it as ``python docs/make_icon.py``.
"""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageDraw

PROJECT = Path(__file__).resolve().parent.parent
SIDE, FINER = 256, 4
"""Pixels of the icon (napari asks for at least 128), and how much finer it is drawn at first."""
GROUND, TISSUE, ORGAN, MASK, BOX = "#10161d", "#3d4854", "#76838f", "#2fb6a8", "#ffb000"


def main() -> None:
    image = Image.new("RGBA", (SIDE * FINER, SIDE * FINER))
    draw = ImageDraw.Draw(image)

    def scaled(*corners: float) -> list[float]:
        return [FINER * one for one in corners]

    draw.rounded_rectangle(scaled(4, 4, 252, 252), FINER * 44, fill=GROUND)
    draw.ellipse(scaled(26, 50, 230, 206), fill=TISSUE)  # a body, as an axial slice shows it
    draw.ellipse(scaled(150, 88, 206, 152), fill=ORGAN)
    draw.ellipse(scaled(56, 78, 144, 174), fill=MASK)
    draw.ellipse(scaled(112, 104, 160, 148), fill=TISSUE)  # the hilum of a kidney
    draw.rectangle(scaled(46, 66, 150, 186), outline=BOX, width=FINER * 7)
    for x, y in ((46, 66), (150, 66), (46, 186), (150, 186)):
        draw.rectangle(scaled(x - 9, y - 9, x + 9, y + 9), fill=BOX)
    small = image.resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    small.quantize(64).save(PROJECT / "napari_medsam" / "icon.png", optimize=True)


if __name__ == "__main__":
    main()
