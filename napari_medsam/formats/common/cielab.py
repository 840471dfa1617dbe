"""Colours as DICOM recommends them for segments: CIELab in 16 bits, and back to sRGB.

Scaling as in PS3.3 C.10.7.1.1 (white is D50). XYZ from Lab and back as in CIE 15; the matrices
between D50 XYZ and linear sRGB are Lindbloom's (Bradford-adapted); the curve is IEC 61966-2-1's.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

WHITE = np.array([0.96422, 1.0, 0.82521])
TO_LINEAR_RGB = np.array(
    [
        [3.1338561, -1.6168667, -0.4906146],
        [-0.9787684, 1.9161415, 0.0334540],
        [0.0719453, -0.2289914, 1.4052427],
    ]
)
OFFSET = np.array([0, 128, 128])
SCALE = np.array([100, 255, 255])
KNEE = 6 / 29


def rgb_from_cielab(scaled: Sequence[int]) -> tuple[float, float, float]:
    """RecommendedDisplayCIELabValue (three of 0..65535) as sRGB in 0..1."""
    light = scaled[0] / 65535 * 100
    a, b = (value / 65535 * 255 - 128 for value in scaled[1:])
    y = (light + 16) / 116
    roots = np.array([y + a / 500, y, y - b / 200])
    ratios = np.where(roots > KNEE, roots**3, 3 * KNEE**2 * (roots - 4 / 29))
    linear = np.clip(TO_LINEAR_RGB @ (ratios * WHITE), 0, 1)
    srgb = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    red, green, blue = (float(value) for value in srgb)
    return red, green, blue


def cielab_from_rgb(color: tuple[float, float, float]) -> tuple[int, int, int]:
    """The inverse of `rgb_from_cielab`: 0..1 to three of 0..65535."""
    srgb = np.clip(np.array(color), 0, 1)
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    ratios = np.linalg.solve(TO_LINEAR_RGB, linear) / WHITE
    x, y, z = np.where(ratios > KNEE**3, np.cbrt(ratios), ratios / (3 * KNEE**2) + 4 / 29)
    lab = np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])
    scaled = np.rint((lab + OFFSET) / SCALE * 65535).clip(0, 65535)
    light, a, b = (int(value) for value in scaled)
    return light, a, b
