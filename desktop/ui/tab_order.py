"""The order in which Tab goes: as things lie, also those that came after the rest."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLayout, QScrollArea, QStackedWidget, QWidget


def follow_layout(root: QWidget) -> None:
    """Let Tab go through what is visible in `root` in the order of its layouts.

    Qt puts each new widget at the end, wherever it lies: call this when the order is needed.
    """
    stops = [widget for widget in _within(root) if widget.focusPolicy() & Qt.FocusPolicy.TabFocus]
    for one, other in pairwise(stops):
        QWidget.setTabOrder(one, other)


def bring_to_eye(widget: QWidget | None) -> None:
    """Scroll every area that holds a widget so that it is seen."""
    holder = widget.parentWidget() if widget is not None else None
    while widget is not None and holder is not None:
        if isinstance(holder, QScrollArea):
            holder.ensureWidgetVisible(widget, 0, 24)
        holder = holder.parentWidget()


def _within(widget: QWidget) -> Iterator[QWidget]:
    if widget.isHidden():
        return
    yield widget
    if isinstance(widget, QScrollArea):
        inner = widget.widget()
        yield from _within(inner) if inner is not None else ()
    elif isinstance(widget, QStackedWidget):
        shown = widget.currentWidget()
        yield from _within(shown) if shown is not None else ()
    else:
        laid = list(_laid(widget.layout()))
        inside = [child for child in widget.children() if isinstance(child, QWidget) and not child.isWindow()]
        for child in (*laid, *(child for child in inside if child not in laid)):
            yield from _within(child)


def _laid(layout: QLayout | None) -> Iterator[QWidget]:
    for at in range(layout.count() if layout is not None else 0):
        assert layout is not None
        item = layout.itemAt(at)
        if item is not None and (widget := item.widget()) is not None:
            yield widget
        elif item is not None:
            yield from _laid(item.layout())
