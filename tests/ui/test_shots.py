"""Pictures of every page."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtGui import QImage

from desktop.ui.shots import grab
from desktop.ui.theme import Scheme, Theme
from desktop.ui.window import Window


def test_every_page_in_both_schemes_and_sizes(window: Window, theme: Theme, tmp_path: Path) -> None:
    window.go("two")
    size = window.size()
    files = grab(window, tmp_path / "shots", settle=0.0)
    names = {f.name for f in files}
    assert len(names) == len(files) == 3 * 2 * 2
    assert {"one-light-1280x800.png", "logs-dark-1920x1080.png"} <= names
    for file in files:
        image = QImage(str(file))
        assert f"{image.width()}x{image.height()}" in file.name
    light, dark = (QImage(str(tmp_path / "shots" / f"one-{s}-1280x800.png")) for s in ("light", "dark"))
    assert light.pixelColor(700, 700).lightness() > 200 > 60 > dark.pixelColor(700, 700).lightness()
    assert theme.choice is Scheme.LIGHT
    assert window.size() == size
    assert window.page is not None
    assert window.page.objectName() == "two"
