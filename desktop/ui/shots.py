"""Pictures of every page, in both schemes and two sizes: for the docs, and for eyes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from PySide6.QtCore import QEventLoop, QTimer
from PySide6.QtWidgets import QApplication

from desktop.ui.theme import Scheme, Theme
from desktop.ui.window import Window

SCHEMES = (Scheme.LIGHT, Scheme.DARK)
SIZES = ((1280, 800), (1920, 1080))


def grab(
    window: Window,
    folder: Path,
    schemes: Sequence[Scheme] = SCHEMES,
    sizes: Sequence[tuple[int, int]] = SIZES,
    settle: float = 0.8,
    views: Mapping[str, tuple[str, str]] | None = None,
) -> list[Path]:
    """Save `<page>-<scheme>-<width>x<height>.png` for each page; returns the files.

    `views`: instead of the pages, name → (page, what it is to show first). The window is shown if it is
    not; `settle` seconds are given to each page to draw itself. The scheme and the size are put back
    afterwards.
    """
    shown = views or {key: (key, "") for key in window.page_keys()}
    app = QApplication.instance()
    assert isinstance(app, QApplication)
    folder.mkdir(parents=True, exist_ok=True)
    before, size, page = Theme.current.choice, window.size(), window.page
    window.show()
    files = []
    for scheme in schemes:
        Theme.current.apply(app, scheme)
        window.rail.schemes.choose(scheme)
        for width, height in sizes:
            window.resize(width, height)
            for name, (key, about) in shown.items():
                window.go(key, about)
                files.append(_one(window, folder / f"{name}-{scheme}-{width}x{height}.png", settle))
    Theme.current.apply(app, before)
    window.rail.schemes.choose(before)
    window.resize(size)
    if page is not None:
        window.go(page.objectName())
    return files


def _one(window: Window, file: Path, settle: float) -> Path:
    wait(settle)
    if not window.grab().save(str(file)):
        raise OSError(f"{file} could not be written")
    return file


def wait(seconds: float) -> None:
    """Let the event loop run for so long."""
    loop = QEventLoop()
    QTimer.singleShot(round(seconds * 1000), loop.quit)
    loop.exec()
