"""What is wrong with a queue, said loudly, with the button that mends it."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QHBoxLayout, QLabel, QMenu, QVBoxLayout, QWidget

from desktop.engine.api import Held, QueueSnapshot, StackSnapshot, WorkerSnapshot
from desktop.ui import icons
from desktop.ui.page import Shell
from desktop.ui.pages.queues_places import unserved
from desktop.ui.pages.workers_detail import VerbButton
from desktop.ui.queue_commands import consume_key, stranded_of
from desktop.ui.theme import Theme
from desktop.ui.widgets.flow_layout import FlowLayout
from desktop.ui.widgets.labels import label
from desktop.ui.widgets.menu_button import MenuButton
from desktop.ui.words import count, duration, listed


class Banner(QWidget):
    """A tinted card with a sign, a title, a sentence, and buttons below them."""

    def __init__(self, level: str, icon: str) -> None:
        super().__init__()
        self._level, self._icon = level, icon
        self._sign = QLabel()
        self.title, self.sentence = label("", "section", wrap=True), label("", wrap=True)
        self.buttons = QWidget()
        self._flow = FlowLayout(self.buttons)
        words = QVBoxLayout()
        words.setSpacing(4)
        words.addWidget(self.title)
        words.addWidget(self.sentence)
        words.addSpacing(6)
        words.addWidget(self.buttons)
        outer = QHBoxLayout(self)
        outer.setContentsMargins(14, 12, 14, 12)
        outer.setSpacing(12)
        outer.addWidget(self._sign, 0, Qt.AlignmentFlag.AlignTop)
        outer.addLayout(words, 1)
        self.hide()
        self._tint()
        Theme.current.changed.connect(self._tint)

    def say(self, title: str, sentence: str) -> None:
        """Change the words."""
        if (title, sentence) != (self.title.text(), self.sentence.text()):
            self.title.setText(title)
            self.sentence.setText(sentence)
            self.setAccessibleName(f"{title}. {sentence}")

    def take_buttons(self, buttons: Sequence[QWidget]) -> None:
        """Show other buttons."""
        while (item := self._flow.takeAt(0)) is not None:
            if (widget := item.widget()) is not None:
                widget.hide()
                widget.deleteLater()
        for button in buttons:
            self._flow.addWidget(button)
        self.buttons.setVisible(bool(buttons))
        self.buttons.updateGeometry()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter, theme = QPainter(self), Theme.current
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(theme.color(self._level), 1))
        painter.setBrush(theme.color(f"{self._level}_tint"))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 8, 8)

    def _tint(self) -> None:
        colour = Theme.current.color(self._level)
        self._sign.setPixmap(icons.pixmap(self._icon, colour, 20, self.devicePixelRatio()))


class UnservedBanner(Banner):
    """No worker consumes the queue: says who could, and lets it."""

    def __init__(self, shell: Shell) -> None:
        super().__init__("bad", "error")
        self._shell = shell
        self._offered: tuple[str, tuple[str, ...], tuple[str, ...]] | None = None

    def show_queue(self, queue: QueueSnapshot, snapshot: StackSnapshot) -> None:
        """Show it where nobody consumes the queue."""
        loud = unserved(queue, snapshot.state)
        if loud:
            alive = tuple(w.name for w in snapshot.workers if w.service.state.alive)
            down = tuple(w.name for w in snapshot.workers if _would(w, queue.name))
            self.say("No worker consumes this queue", _why(queue, alive, down))
            if (queue.name, alive, down) != self._offered:
                self._offered = queue.name, alive, down
                self.take_buttons(self._offers(queue.name, alive, down))
        self.setVisible(loud)

    def _offers(self, queue: str, alive: tuple[str, ...], down: tuple[str, ...]) -> list[QWidget]:
        commands = self._shell.commands
        buttons: list[QWidget] = [
            commands.button(f"worker.start:{name}", "primary")
            for name in down[:2]
            if f"worker.start:{name}" in commands and commands[f"worker.start:{name}"].isEnabled()
        ]
        keys = [key for name in alive if (key := consume_key(queue, name)) in commands]
        if keys:
            buttons.append(commands.button(keys[0], "" if buttons else "primary"))
        if len(keys) > 1:
            buttons.append(
                MenuButton(
                    "Another worker", lambda menu: self._fill(menu, keys[1:]), "chevron-down", "Another", ""
                )
            )
        if not buttons and "worker.add" in commands and commands["worker.add"].isEnabled():
            buttons.append(commands.button("worker.add", "primary"))
        return buttons

    def _fill(self, menu: QMenu, keys: Sequence[str]) -> None:
        for key in keys:
            if key in self._shell.commands:
                menu.addAction(self._shell.commands[key])


def _would(worker: WorkerSnapshot, queue: str) -> bool:
    """It would consume the queue if it ran."""
    return queue in worker.spec.queues and not worker.service.state.alive


def _why(queue: QueueSnapshot, alive: Sequence[str], down: Sequence[str]) -> str:
    said = "What is sent to it will wait until a worker consumes it."
    if queue.waiting:
        wait = count(queue.waiting, "message waits", "messages wait")
        said = f"{wait}, and nobody takes {'it' if queue.waiting == 1 else 'them'}."
    if down:
        return f"{said} {listed(list(down))} would, but {'does' if len(down) == 1 else 'do'} not run."
    if alive:
        return f"{said} Let {_one_of(alive)} consume it too."
    return f"{said} No worker runs: start one, or add one."


def _one_of(names: Sequence[str]) -> str:
    if len(names) > 3:
        return "one of the running workers"
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"


class StrandedBanner(Banner):
    """Messages that a dead worker took with it: whose, how many, back in how many seconds."""

    def __init__(self, shell: Shell) -> None:
        super().__init__("warn", "warning")
        self._shell = shell
        self._held: tuple[Held, ...] = ()
        self._queue, self._up = "", True

    def show_queue(self, queue: QueueSnapshot, now: float, up: bool) -> None:
        """Show it where messages are stranded; or were, when the broker stopped (not `up`)."""
        if queue.name != self._queue:
            self._queue = queue.name
            key = f"queue.restore:{queue.name}"
            known = key in self._shell.commands
            self.take_buttons([VerbButton(self._shell.commands, key, "Bring back now")] if known else [])
        self._held, self._up = stranded_of([queue]), up
        self.buttons.setVisible(up)
        self.tick(now)
        self.setVisible(bool(self._held))

    def tick(self, now: float) -> None:
        """Count down."""
        number = sum(held.stranded for held in self._held)
        if number and not self._up:
            words = count(number, "message was stranded", "messages were stranded")
            whose = listed(
                [f"{h.stranded:,} delivered to {h.worker or 'an unknown worker'}" for h in self._held]
            )
            self.say(f"{words} when it stopped", f"{whose}.")
        elif number:
            words = count(number, "message is stranded", "messages are stranded")
            self.say(words, " ".join(stranded_sentence(held, now) for held in self._held))


def stranded_sentence(held: Held, now: float) -> str:
    """Whose, how many, back when: "6 at w2: the first is back in 52 s, the last in 58 s."."""
    whose = f"{held.stranded:,} delivered to {held.worker or 'an unknown worker'}"
    if held.back_at is None:
        return f"{whose}: back after the visibility timeout."
    first = round(held.back_at - now)
    last = round((held.all_back_at or held.back_at) - now)
    if last <= 0:
        return f"{whose}: back as soon as a living worker looks for them."
    if first >= last:
        return f"{whose}: back in {duration(last)}."
    begin = f"the first is back in {duration(first)}" if first > 0 else "the first may be back any moment"
    return f"{whose}: {begin}, the last in {duration(last)}."
