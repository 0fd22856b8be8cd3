"""The kill menu: each signal with what it will do to the tasks of this moment."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtCore import QPoint, QRectF, QSize, Qt
from PySide6.QtGui import QAction, QFontMetrics, QKeyEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QAbstractButton, QFrame, QPushButton, QVBoxLayout, QWidget

from desktop.engine.api import SignalOffer
from desktop.ui import fonts, icons
from desktop.ui.theme import Theme
from desktop.ui.widgets.labels import hairline, label

_WIDTH, _PAD, _ICON = 440, 10, 16
_LINES = 4  # of an effect; whole sentences that do not fit are in the tool tip
_ICONS = {
    "TERM": "stop",
    "INT": "stop",
    "QUIT": "cold",
    "KILL": "kill",
    "STOP": "freeze",
    "CONT": "play",
}
_WRAP = int(Qt.TextFlag.TextWordWrap | Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop)


class OfferButton(QAbstractButton):
    """One entry: the signal above, its effect below."""

    def __init__(self, offer: SignalOffer) -> None:
        super().__init__()
        self.offer = offer
        self.setText(offer.title)
        self.setAccessibleName(f"{offer.title}: {offer.effect}")
        self.effect = fitting(offer.effect)
        if self.effect != offer.effect:
            self.setToolTip(offer.effect)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)

    def sizeHint(self) -> QSize:
        return QSize(_WIDTH - 12, _tall(self.effect) + 2 * 8 + 20)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.click()
        else:
            super().keyPressEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter, theme = QPainter(self), Theme.current
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        box = QRectF(self.rect())
        if self.underMouse() or self.hasFocus():
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(theme.color("bad_tint" if self.offer.destructive else "hover"))
            painter.drawRoundedRect(box, 6, 6)
        colour = theme.color("bad" if self.offer.destructive else "text")
        picture = icons.pixmap(
            _ICONS.get(self.offer.signal, "pulse"), colour, _ICON, self.devicePixelRatioF()
        )
        painter.drawPixmap(QPoint(_PAD, 9), picture)
        words = box.adjusted(_PAD + _ICON + _PAD, 7, -_PAD, -6)
        painter.setFont(fonts.font("strong"))
        painter.setPen(colour)
        painter.drawText(words, _WRAP, self.offer.title)
        painter.setFont(fonts.font("small"))
        painter.setPen(theme.color("muted"))
        painter.drawText(words.adjusted(0, 20, 0, 0), _WRAP, self.effect)


def _tall(text: str) -> int:
    room = QRectF(0, 0, _WIDTH - 3 * _PAD - _ICON - 12, 400).toRect()
    return QFontMetrics(fonts.font("small")).boundingRect(room, _WRAP, text).height()


def fitting(effect: str) -> str:
    """As many of its sentences as fit into a few lines, the first always; "…" where there are more."""
    sentences = effect.split(". ")
    most = _LINES * QFontMetrics(fonts.font("small")).lineSpacing()
    for count in range(len(sentences) - 1, 0, -1):
        if _tall(effect) <= most:
            break
        effect = f"{'. '.join(sentences[:count])}. …"
    return effect


class KillMenu(QFrame):
    """A popup with one entry a signal. Arrow keys move, Enter sends, Esc leaves."""

    def __init__(
        self,
        parent: QWidget,
        title: str,
        offers: Sequence[SignalOffer],
        send: Callable[[SignalOffer], None],
        more: QAction | None = None,
    ) -> None:
        """`more`: leads to what is no signal."""
        super().__init__(parent, Qt.WindowType.Popup)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setProperty("kind", "raised")
        self.setAccessibleName(title)
        self.buttons = [OfferButton(offer) for offer in offers]
        column = QVBoxLayout(self)
        column.setContentsMargins(6, 8, 6, 6)
        column.setSpacing(0)
        head = label(title, "label", "muted")
        head.setContentsMargins(_PAD, 0, 0, 4)
        column.addWidget(head)
        for button in self.buttons:
            button.clicked.connect(lambda _on=False, offer=button.offer: self._take(offer, send))
            column.addWidget(button)
        if more is not None and more.isEnabled():
            column.addWidget(hairline())
            column.addWidget(self._lead(more))

    def _lead(self, more: QAction) -> QPushButton:
        made = QPushButton(f"  {more.text()}")
        made.setProperty("kind", "nav")
        made.setAccessibleName(more.text())
        made.setToolTip(more.toolTip())
        icons.set_icon(made, "lab", "muted")
        made.clicked.connect(self.close)
        made.clicked.connect(more.trigger)
        return made

    def _take(self, offer: SignalOffer, send: Callable[[SignalOffer], None]) -> None:
        self.close()
        send(offer)

    def open_at(self, place: QPoint) -> None:
        """Open with its top left there, or as near as the screen allows."""
        self.adjustSize()
        screen = self.screen().availableGeometry()
        x = min(max(place.x(), screen.left()), screen.right() - self.width())
        y = min(max(place.y(), screen.top()), screen.bottom() - self.height())
        self.move(x, y)
        self.show()
        if self.buttons:
            self.buttons[0].setFocus()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape:
            self.close()
        else:
            super().keyPressEvent(event)


class KillButton(QPushButton):
    """Opens the kill menu of `title`; the offers are asked for at that moment."""

    def __init__(
        self,
        title: str,
        offers: Callable[[], Sequence[SignalOffer]],
        send: Callable[[SignalOffer], None],
        word: str = "",
        more: QAction | None = None,
    ) -> None:
        super().__init__()
        self._title, self._offers, self._send, self._lead = title, offers, send, more
        self.setProperty("kind", "" if word else "quiet")
        self.setText(word)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        icons.set_icon(self, "kill", "bad")
        self.rename(title)
        self.clicked.connect(self.open_menu)

    def rename(self, title: str) -> None:
        """Say whom it kills."""
        self._title = title
        self.setAccessibleName(f"Signal {title}")
        self.setToolTip(f"Send a signal to {title}")

    def open_menu(self) -> KillMenu:
        """Open the menu below the button."""
        menu = KillMenu(self, f"Send to {self._title}", self._offers(), self._send, self._lead)
        menu.open_at(self.mapToGlobal(QPoint(self.width() - _WIDTH, self.height() + 4)))
        return menu
