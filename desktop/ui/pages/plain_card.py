"""A card without a head."""

from __future__ import annotations

from desktop.ui.widgets.containers import Card


class PlainCard(Card):
    """Surface and hairline only. Its unused hint has it as parent, or it would be a window of its own."""

    def __init__(self, padding: int = 16) -> None:
        super().__init__(padding=padding)
        self.hint.hide()
        self.hint.setParent(self)
