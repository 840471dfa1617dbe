"""Draw napari_medsam/icon.png for napari's list of plugins: a mask in its box.

Run it as ``python docs/make_icon.py``.
"""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageDraw

PROJECT = Path(__file__).resolve().parent.parent
SIDE, OVERSAMPLING = 256, 4
"""Side of the icon in pixels (napari requires at least 128); it is drawn larger, then reduced."""
GROUND, TISSUE, ORGAN, MASK, BOX = "#10161d", "#3d4854", "#76838f", "#2fb6a8", "#ffb000"


def main() -> None:
    image = Image.new("RGBA", (SIDE * OVERSAMPLING, SIDE * OVERSAMPLING))
    draw = ImageDraw.Draw(image)

    def scaled(*corners: float) -> list[float]:
        return [OVERSAMPLING * coordinate for coordinate in corners]

    draw.rounded_rectangle(scaled(4, 4, 252, 252), OVERSAMPLING * 44, fill=GROUND)
    draw.ellipse(scaled(26, 50, 230, 206), fill=TISSUE)  # a body in an axial slice
    draw.ellipse(scaled(150, 88, 206, 152), fill=ORGAN)
    draw.ellipse(scaled(56, 78, 144, 174), fill=MASK)
    draw.ellipse(scaled(112, 104, 160, 148), fill=TISSUE)  # the hilum of a kidney
    draw.rectangle(scaled(46, 66, 150, 186), outline=BOX, width=OVERSAMPLING * 7)
    for x, y in ((46, 66), (150, 66), (46, 186), (150, 186)):
        draw.rectangle(scaled(x - 9, y - 9, x + 9, y + 9), fill=BOX)
    small = image.resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    small.quantize(64).save(PROJECT / "napari_medsam" / "icon.png", optimize=True)


if __name__ == "__main__":
    main()
