"""The window: rail, header, notices, pages. It shows snapshots and calls verbs, nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QByteArray, QEvent, Qt, QTimer, Signal
from PySide6.QtGui import QCloseEvent, QHideEvent, QKeyEvent, QShowEvent
from PySide6.QtWidgets import (
    QAbstractButton,
    QApplication,
    QHBoxLayout,
    QMainWindow,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from desktop.bridge import Bridge, Done
from desktop.engine.api import Desk, DeskError, StackSnapshot
from desktop.ui import icons
from desktop.ui.actions import Action, Actions
from desktop.ui.attach_commands import AttachCommands
from desktop.ui.attention import Attention
from desktop.ui.header import Header
from desktop.ui.lab_commands import LabCommands
from desktop.ui.memory import Memory
from desktop.ui.page import PAGES, Page, PageInfo
from desktop.ui.queue_commands import QueueCommands
from desktop.ui.rail import Rail
from desktop.ui.run_commands import RunCommands
from desktop.ui.stack_commands import StackCommands
from desktop.ui.tab_order import bring_to_eye, follow_layout
from desktop.ui.task_commands import TaskCommands
from desktop.ui.theme import Scheme, Theme
from desktop.ui.widgets.toast import Toasts
from desktop.ui.worker_commands import WorkerCommands

if TYPE_CHECKING:
    from desktop.ui.palette import Palette
    from desktop.ui.shortcut_sheet import ShortcutSheet

SMALLEST = (1024, 680)


class Window(QMainWindow):
    """Implements `Shell`. Pages are imported and made when first shown, the first after the first paint.

    It may be shown before there is an engine; then it opens its first page when it is given one to `take`.
    """

    painted = Signal()  # the first frame is on the screen: time for what that did not need
    page_shown = Signal(str)
    closed = Signal()

    header: Header

    def __init__(
        self,
        desk: Desk | None,
        page: str | None = None,
        memory: Memory | None = None,
        pages: Sequence[PageInfo] = PAGES,
    ) -> None:
        super().__init__()
        self.memory = memory or Memory(None)
        self._pages = {info.key: info for info in pages}
        self._made: dict[str, Page] = {}
        self._closing = False
        self.setWindowTitle("Celery Desk")
        self.setWindowIcon(icons.app_icon())
        self.setMinimumSize(*SMALLEST)
        self.bridge = Bridge(desk, self)
        self.commands = Actions(self)
        self.toasts = Toasts(self)
        self._add_pages()
        self.stack_commands = StackCommands(self, self)
        self.worker_commands = WorkerCommands(self, self)
        self.queue_commands = QueueCommands(self, self)
        self.task_commands = TaskCommands(self, self)
        self.run_commands = RunCommands(self, self)
        self.lab_commands = LabCommands(self, self)
        self.attach_commands = AttachCommands(self, self)
        self._add_verbs()
        self._build()
        self._restore()
        self._wanted = page or str(self.memory.get("page", ""))
        self._connect()
        if self.bridge.taken:
            self._show_everything(self.bridge.snapshot)
            self.run_commands.look_at_cap_soon()
        else:
            self.header.show_opening()

    def take(self, desk: Desk) -> None:
        """Take the engine that was not there yet, and open the first page."""
        self.bridge.take(desk)
        self.stack_commands.offer_shipped()
        self.run_commands.look_at_cap_soon()
        self._show_everything(self.bridge.snapshot)
        if self.isVisible():
            self.bridge.start()
            self._open_first()

    # -- building

    def _add_pages(self) -> None:
        for number, info in enumerate(self._pages.values(), 1):
            go, keys = partial(self.go, info.key), f"Ctrl+{number}"
            self.commands.add(
                Action(f"page.{info.key}", info.word, go, info.icon, keys, f"Go to {info.word}", "Go")
            )

    def _add_verbs(self) -> None:
        for scheme, icon in ((Scheme.SYSTEM, "monitor"), (Scheme.LIGHT, "sun"), (Scheme.DARK, "moon")):
            word = "as the system" if scheme is Scheme.SYSTEM else scheme.value
            choose = partial(self.choose_scheme, scheme)
            self.commands.add(Action(f"view.{scheme}", f"Colours: {word}", choose, icon, group="View"))
        self.commands.add(
            Action("view.palette", "Commands…", self._open_palette, "command", "Ctrl+K", listed=False)
        )
        self.commands.add(Action("view.refresh", "Refresh", self._refresh, "refresh", "F5", group="View"))
        find = Action("logs.find", "Find here, or in the logs", self._find, "search", "Ctrl+F")
        self.commands.add(find)
        self.commands.add(Action("help.shortcuts", "Keyboard shortcuts", self._open_sheet, "keyboard", "?"))
        self.commands.add(Action("window.close", "Close Celery Desk", self._close_verb, "quit", "Ctrl+Q"))

    def _build(self) -> None:
        self.rail = Rail(self.commands, tuple(self._pages.values()))
        self.header = Header(self.commands, self.stack_commands)
        self.attention = Attention(self, self.stack_commands, self.run_commands, self)
        self.notices = self.attention.notices
        self.stage = QStackedWidget()
        self.stage.addWidget(QWidget())  # until the first page is there
        column = QVBoxLayout()
        column.setSpacing(0)
        column.addWidget(self.header)
        column.addWidget(self.notices)
        column.addWidget(self.stage, 1)
        centre = QWidget()
        row = QHBoxLayout(centre)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        row.addWidget(self.rail)
        row.addLayout(column, 1)
        self.setCentralWidget(centre)

    # Imported when they are first opened: the first paint does not wait for them.

    @cached_property
    def palette_box(self) -> Palette:
        """The command palette."""
        from desktop.ui.palette import Palette

        return Palette(self, self.commands)

    @cached_property
    def sheet(self) -> ShortcutSheet:
        """The sheet of shortcuts."""
        from desktop.ui.shortcut_sheet import ShortcutSheet

        return ShortcutSheet(self, self.commands)

    def _connect(self) -> None:
        self.bridge.snapshot_changed.connect(self._show_everything)
        self.bridge.ticked.connect(self._tick)
        self.bridge.failed.connect(self._tell)
        self.rail.schemes.chosen.connect(self.choose_scheme)
        self.rail.schemes.choose(Theme.current.choice)

    def _restore(self) -> None:
        geometry = self.memory.get("geometry")
        if not (isinstance(geometry, QByteArray) and self.restoreGeometry(geometry)):
            self.resize(1280, 800)

    # -- Shell

    @property
    def desk(self) -> Desk:
        """The engine's verbs."""
        return self.bridge.desk

    def window_widget(self) -> QWidget:
        """The parent of dialogs."""
        return self

    def do(self, verb: Future[Any], done: Done | None = None, quiet: bool = False) -> None:
        """Run a verb: a toast says what was done (not if `quiet`), or what went wrong."""

        def finished(result: Any) -> None:
            if not quiet and isinstance(result, str):
                self.toasts.say(result)
            if done:
                done(result)

        owner = getattr(done, "__self__", None)
        self.bridge.run(verb, finished, None, owner if isinstance(owner, QWidget) else self)

    def go(self, page: str, about: str = "") -> None:
        """Show a page, as soon as there is an engine; an unknown key shows the first."""
        if not self.bridge.taken:
            self._wanted = page
            return
        key = page if page in self._pages else next(iter(self._pages))
        if key not in self._made:
            self._made[key] = self._pages[key].make(self)
            self.stage.addWidget(self._made[key])
        shown, left = self._made[key], self.stage.currentWidget()
        within = left is not None and left is not shown and left.isAncestorOf(self.focusWidget())
        self.stage.setCurrentWidget(shown)
        if within:
            shown.setFocus()  # Qt would choose some button of the page, with a ring around it
        self.rail.show_page(key)
        shown.show_snapshot(self.bridge.snapshot)
        shown.tick()
        if about:
            shown.show_about(about)
        self.memory.put("page", key)
        self.page_shown.emit(key)

    # -- showing

    @property
    def page(self) -> Page | None:
        """The page that is shown; None until the first is there."""
        shown = self.stage.currentWidget()
        return shown if isinstance(shown, Page) else None

    def page_keys(self) -> tuple[str, ...]:
        """The pages there are, in the rail's order."""
        return tuple(self._pages)

    def _show_everything(self, snapshot: StackSnapshot) -> None:
        Theme.current.remember_workers(w.name for w in snapshot.workers)
        more = ", recorded" if snapshot.recorded else ", attached" if snapshot.attached else ""
        self.setWindowTitle(f"{snapshot.spec.name}{more} – Celery Desk")
        verbs = (self.stack_commands, self.worker_commands, self.run_commands, self.task_commands)
        for part in (*verbs, self.lab_commands, self.attach_commands, self.header, self.attention):
            part.show_snapshot(snapshot)
        if self.page:
            self.page.show_snapshot(snapshot)

    def _tick(self) -> None:
        if self.page:
            self.page.tick()
        if self.bridge.taken:
            self.header.show_time(self.bridge.snapshot)

    def _tell(self, error: DeskError) -> None:
        self.toasts.error(error)

    # -- verbs of the window itself

    def choose_scheme(self, scheme: str) -> None:
        """System, light or dark; remembered."""
        app = QApplication.instance()
        if isinstance(app, QApplication):
            Theme.current.apply(app, scheme)
        self.rail.schemes.choose(Scheme(scheme))
        self.memory.put("scheme", str(scheme))

    def _open_palette(self) -> None:
        self.sheet.dismiss()
        self.palette_box.open_palette()

    def _open_sheet(self) -> None:
        self.palette_box.dismiss()
        self.sheet.open_sheet()

    def _refresh(self) -> None:
        self.bridge.pull()
        if self.page:
            self.page.refresh()

    def _find(self) -> None:
        if self.page is None or not self.page.searches:
            self.go("logs")
        if self.page:
            self.page.start_search()

    def _close_verb(self) -> None:
        self.close()

    def close_now(self) -> None:
        """Close without a question."""
        self._closing = True
        self.close()

    # -- events

    def keyPressEvent(self, event: QKeyEvent) -> None:
        focused = self.focusWidget()
        if event.key() == Qt.Key.Key_Escape and self.toasts.clear():
            return
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and isinstance(focused, QAbstractButton):
            focused.click()  # Qt itself only does so in dialogs
            return
        super().keyPressEvent(event)

    def focusNextPrevChild(self, forward: bool) -> bool:
        follow_layout(self.stage)
        went = super().focusNextPrevChild(forward)
        bring_to_eye(self.focusWidget())
        return went

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self.bridge.start()
        self.setFocus()  # not the first button of the rail, with a ring around it
        if self.page is None:
            # One turn of the event loop paints the frame; only then is anything heavy imported.
            QTimer.singleShot(0, self, self._first_turn)

    def _first_turn(self) -> None:
        QTimer.singleShot(0, self, self._first_frame)

    def _first_frame(self) -> None:
        if not self._closing:
            self.painted.emit()
            self._open_first()

    def _open_first(self) -> None:
        if self.page is None and self.bridge.taken and not self._closing:
            self.go(self._wanted)

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self.bridge.pause()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.WindowStateChange and hasattr(self, "bridge"):
            if self.isMinimized():
                self.bridge.pause()
            elif self.isVisible():
                self.bridge.start()

    def closeEvent(self, event: QCloseEvent) -> None:
        if not self._closing and not self.stack_commands.ask_to_close(self.close_now):
            event.ignore()
            return
        self._closing = True
        self.memory.put("geometry", self.saveGeometry())
        self.bridge.close()
        self.closed.emit()
        event.accept()
