"""Contrast and distance of colours, for eyes that see all of them and eyes that do not.

Contrast: WCAG 2. Colour blindness: Machado, Oliveira and Fernandes 2009, severity 1.0.
Distance: Euclidean in OKLab (0 the same, black to white 1).
"""

from __future__ import annotations

import math

from PySide6.QtGui import QColor

Matrix = tuple[tuple[float, float, float], ...]
Triple = tuple[float, float, float]

NORMAL: Matrix = ((1, 0, 0), (0, 1, 0), (0, 0, 1))
DEUTAN: Matrix = (
    (0.367322, 0.860646, -0.227968),
    (0.280085, 0.672501, 0.047413),
    (-0.011820, 0.042940, 0.968881),
)
PROTAN: Matrix = (
    (0.152286, 1.052583, -0.204868),
    (0.114503, 0.786281, 0.099216),
    (-0.003882, -0.048116, 1.051998),
)
_TO_LMS: Matrix = (
    (0.4122214708, 0.5363325363, 0.0514459929),
    (0.2119034982, 0.6806995451, 0.1073969566),
    (0.0883024619, 0.2817188376, 0.6299787005),
)
_TO_LAB: Matrix = (
    (0.2104542553, 0.7936177850, -0.0040720468),
    (1.9779984951, -2.4285922050, 0.4505937099),
    (0.0259040371, 0.7827717662, -0.8086757660),
)


def _times(matrix: Matrix, vector: Triple) -> Triple:
    a, b, c = (sum(m * v for m, v in zip(row, vector, strict=True)) for row in matrix)
    return a, b, c


def _linear(color: QColor) -> Triple:
    def one(value: float) -> float:
        return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4

    return one(color.redF()), one(color.greenF()), one(color.blueF())


def contrast(one: QColor, other: QColor) -> float:
    """WCAG contrast, 1 to 21."""
    lights = sorted(
        sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), _linear(x), strict=True)) for x in (one, other)
    )
    return (lights[1] + 0.05) / (lights[0] + 0.05)


def distance(one: QColor, other: QColor, eye: Matrix = NORMAL) -> float:
    """How far apart two colours look to an eye."""

    def seen(color: QColor) -> Triple:
        r, g, b = (min(max(v, 0.0), 1.0) for v in _times(eye, _linear(color)))
        x, y, z = (math.cbrt(v) for v in _times(_TO_LMS, (r, g, b)))
        return _times(_TO_LAB, (x, y, z))

    return math.dist(seen(one), seen(other))
