"""The real program with a pair of eyes in it: says what the window shows once a table has rows.

`python -m tests.support.seen_window ARGUMENTS` is `python main.py ARGUMENTS`. It prints one JSON line,
flushed at once: the page, the word of the header's pill, how many rows the largest table has, and the texts
of its first ones.
"""

from __future__ import annotations

import json

from PySide6.QtCore import QObject, QTimer
from PySide6.QtWidgets import QAbstractItemView, QApplication

LOOK_MS = 20
FIRST = 5


class Eyes(QObject):
    """Looks for the window every few milliseconds."""

    def __init__(self, app: QApplication, page: str) -> None:
        super().__init__(app)
        self._app, self._page = app, page
        self._timer = QTimer(self)
        self._timer.setInterval(LOOK_MS)
        self._timer.timeout.connect(self._look)
        self._timer.start()

    def _look(self) -> None:
        from desktop.ui.window import Window

        for window in self._app.topLevelWidgets():
            if isinstance(window, Window) and window.page is not None:
                self._tell(window)

    def _tell(self, window: object) -> None:
        from desktop.ui.window import Window

        assert isinstance(window, Window)
        assert window.page is not None
        if window.page.objectName() != self._page:
            return
        views = [view for view in window.page.findChildren(QAbstractItemView) if view.isVisible()]
        tables = [view.model() for view in views if view.model() is not None]
        if not tables:
            return
        model = max(tables, key=lambda model: model.rowCount())
        rows = [
            [str(model.index(row, column).data() or "") for column in range(model.columnCount())]
            for row in range(min(FIRST, model.rowCount()))
        ]
        if rows and all(any(cells) for cells in rows):
            self._timer.stop()
            pill = window.header.pill.word
            said = {"page": self._page, "pill": pill, "rows": model.rowCount(), "first": rows}
            print(json.dumps(said), flush=True)


def main() -> None:
    """Run the program, and look at the page Tasks."""
    from desktop.__main__ import main as program
    from desktop.ui.app import make_application

    Eyes(make_application(), "tasks")
    program()


if __name__ == "__main__":
    main()
