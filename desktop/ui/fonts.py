"""The window's fonts, bundled so that it looks the same on every machine."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from PySide6.QtGui import QFont, QFontDatabase

TEXT = "Inter"
MONO = "JetBrains Mono"

# role: (family, pixels, weight)
ROLES: dict[str, tuple[str, int, QFont.Weight]] = {
    "text": (TEXT, 13, QFont.Weight.Normal),
    "strong": (TEXT, 13, QFont.Weight.DemiBold),
    "small": (TEXT, 12, QFont.Weight.Normal),
    "label": (TEXT, 12, QFont.Weight.Medium),
    "section": (TEXT, 14, QFont.Weight.DemiBold),
    "title": (TEXT, 20, QFont.Weight.DemiBold),
    "number": (TEXT, 28, QFont.Weight.DemiBold),
    "mono": (MONO, 12, QFont.Weight.Normal),
    "mono-strong": (MONO, 12, QFont.Weight.DemiBold),
}


@cache
def load(family: str) -> None:
    """Hand a bundled font to Qt, once. A font that Qt refuses leaves the system's own in its place."""
    begin = family.replace(" ", "")
    for file in sorted((files("resources") / "fonts").iterdir(), key=lambda f: f.name):
        if file.name.startswith(begin) and file.name.endswith((".otf", ".ttf")):
            QFontDatabase.addApplicationFontFromData(file.read_bytes())


@cache
def font(role: str = "text") -> QFont:
    """The font of a role (a key of `ROLES`), with figures of one width. It is shared: change a copy."""
    family, pixels, weight = ROLES[role]
    load(family)
    made = QFont()
    made.setFamilies([family, "sans-serif"] if family == TEXT else [family, "monospace"])
    made.setPixelSize(pixels)
    made.setWeight(weight)
    if family == MONO:
        made.setStyleHint(QFont.StyleHint.Monospace)
        made.setFeature(QFont.Tag("calt"), 0)  # a log shows the characters that were written
    else:
        made.setFeature(QFont.Tag("tnum"), 1)
    if role in ("title", "number"):
        made.setLetterSpacing(QFont.SpacingType.PercentageSpacing, 98)
    return made
