"""The window around the pages: header, notices, navigation, and what it costs to open."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QFileDialog,
    QLineEdit,
    QPlainTextEdit,
    QPushButton,
    QWidget,
)
from pytestqt.qtbot import QtBot

from desktop.engine.api import DeskError, Leftover, StackState, State, StopHow
from desktop.ui.memory import Memory
from desktop.ui.notices import Notices
from desktop.ui.page import PAGES
from desktop.ui.theme import Scheme, Theme
from desktop.ui.widgets.confirm import Confirm
from desktop.ui.widgets.details import Details
from desktop.ui.window import SMALLEST, Window
from tests.support.fake_desk import FakeDesk
from tests.ui.demo_page import DemoPage

Make = Callable[..., Window]
INTERACTIVE = (QAbstractButton, QLineEdit, QComboBox, QAbstractSpinBox, QPlainTextEdit, QAbstractItemView)


def demo(window: Window) -> DemoPage:
    assert isinstance(window.page, DemoPage)
    return window.page


def visible_buttons(widget: QWidget) -> list[str]:
    return [b.accessibleName() for b in widget.findChildren(QPushButton) if b.isVisible()]


def press(widget: QWidget, name: str) -> None:
    next(b for b in widget.findChildren(QAbstractButton) if b.accessibleName() == name).click()


def dialog() -> Confirm:
    shown = QApplication.activeModalWidget()
    assert isinstance(shown, Confirm)
    return shown


# -- header


@pytest.mark.parametrize(
    ("state", "buttons", "word"),
    [
        (StackState.STOPPED, ["Start"], "Stopped"),
        (StackState.STARTING, ["Stop"], "Starting"),
        (StackState.RUNNING, ["Stop"], "Running"),
        (StackState.TROUBLED, ["Stop"], "Troubled"),
        (StackState.STOPPING, ["Cold stop", "Kill"], "Stopping"),
    ],
)
def test_the_header_offers_what_fits_the_state(
    make_window: Make, state: StackState, buttons: list[str], word: str
) -> None:
    header = make_window(FakeDesk(state=state)).header
    assert [b for b in visible_buttons(header) if b != "Command palette"] == buttons
    assert header.pill.accessibleName() == f"Stack: {word}"


def test_a_warm_stop_says_for_how_many_tasks_it_waits(make_window: Make) -> None:
    header = make_window(FakeDesk(state=StackState.STOPPING)).header
    assert header.waiting.text() == "Waiting for 2 tasks"
    assert header.waiting.isVisible()


def test_the_header_says_what_is_wrong(window: Window, desk: FakeDesk, qtbot: QtBot) -> None:
    desk.state = StackState.TROUBLED
    desk.push("w2", State.BACKING_OFF, "w2 was killed by SIGKILL after 4 s; starts again in 2 s")
    qtbot.waitUntil(lambda: "w2 was killed by SIGKILL" in window.header.about.text())


def test_the_name_of_the_stack_is_everywhere(window: Window) -> None:
    assert window.windowTitle() == "laptop – Celery Desk"
    assert window.header.chooser.text().strip() == "laptop"


def test_the_chooser_offers_shipped_stacks_and_files(make_window: Make) -> None:
    window = make_window(FakeDesk(state=StackState.STOPPED))
    menu = window.header.chooser.open_menu()
    words = [action.text() for action in menu.actions() if action.text()]
    assert words[:3] == ["Open stack “default”", "Open stack “prefork”", "Open stack “gevent”"]
    assert {"Open stack file…", "Save stack", "Save stack as…"} <= set(words)
    menu.close()


# -- start and stop


def test_start_starts_and_says_so(make_window: Make, qtbot: QtBot) -> None:
    desk = FakeDesk(state=StackState.STOPPED)
    window = make_window(desk)
    qtbot.mouseClick(window.header.start, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: bool(window.toasts.shown))
    assert desk.called("start") == [(None,)]
    assert window.toasts.shown[0].text.startswith("laptop is up")
    assert window.header.stop.isVisible()


def test_a_stop_that_loses_messages_asks_first(window: Window, desk: FakeDesk, qtbot: QtBot) -> None:
    window.header.stop.click()
    assert desk.called("stop") == []
    said = dialog().accessibleDescription()
    assert "will be lost" in said
    assert "persistence = none" in said
    assert "running" not in said, "a warm stop lets them finish"
    press(dialog(), "Stop")
    assert desk.called("stop") == [(StopHow.WARM,)]


def test_a_stop_that_loses_nothing_does_not_ask(make_window: Make) -> None:
    desk = FakeDesk(workers=0)
    window = make_window(desk)
    window.header.stop.click()
    assert desk.called("stop") == [(StopHow.WARM,)]


def test_a_kill_says_which_tasks_it_cuts_off(window: Window, desk: FakeDesk) -> None:
    running = sum(w.busy for w in window.bridge.snapshot.workers)
    window.commands["stack.kill"].trigger()
    assert f"{running} running task" in dialog().accessibleDescription()
    dialog().cancel.click()
    assert desk.called("stop") == []


def test_a_verb_that_fails_is_a_toast(make_window: Make, qtbot: QtBot) -> None:
    desk = FakeDesk(state=StackState.STOPPED)
    window = make_window(desk)
    desk.fail_next = DeskError("redis-server did not start.", "Look into its log.")
    window.header.start.click()
    qtbot.waitUntil(lambda: bool(window.toasts.shown))
    assert (window.toasts.shown[0].tone, window.toasts.shown[0].text) == (
        "bad",
        "redis-server did not start.",
    )


def test_saving_a_shipped_stack_offers_a_place_of_its_own(
    window: Window, desk: FakeDesk, qtbot: QtBot
) -> None:
    desk.fail_next = DeskError("A shipped stack cannot be overwritten.", "Save it under a new name.")
    window.commands["stack.save"].trigger()
    qtbot.waitUntil(lambda: bool(window.toasts.shown))
    assert "Save as…" in visible_buttons(window.toasts.shown[0])


@pytest.mark.parametrize(("verb", "call"), [("stack.open", "open_stack"), ("stack.save_as", "save_stack")])
def test_a_file_is_asked_for_and_taken(
    make_window: Make, qtbot: QtBot, tmp_path: Path, verb: str, call: str
) -> None:
    desk = FakeDesk(state=StackState.STOPPED)
    window = make_window(desk)
    window.commands[verb].trigger()
    asked = window.findChild(QFileDialog)
    assert asked.isVisible()
    asked.fileSelected.emit(str(tmp_path / "mail.toml"))
    asked.close()
    assert [Path(args[0]) for args in desk.called(call)] == [tmp_path / "mail.toml"]
    qtbot.waitUntil(lambda: "mail.toml" in window.toasts.shown[0].text if window.toasts.shown else False)


def test_a_shipped_stack_is_opened_by_its_name(make_window: Make) -> None:
    desk = FakeDesk(state=StackState.STOPPED)
    make_window(desk).commands["stack.open:gevent"].trigger()
    assert desk.called("open_stack") == [("gevent",)]


def test_the_focus_starts_on_no_button(window: Window) -> None:
    assert not isinstance(QApplication.focusWidget(), QAbstractButton)


# -- notices


class TakenPort(DeskError):
    """As the engine's own: it names the next free port."""

    free_port = 6380


def test_a_taken_port_offers_the_next_free_one(make_window: Make, qtbot: QtBot) -> None:
    desk = FakeDesk(state=StackState.STOPPED)
    window = make_window(desk)
    desk.fail_next = TakenPort("Port 6379 is taken by redis-server (pid 812).", "Use 6380.")
    window.header.start.click()
    qtbot.waitUntil(lambda: "Use 6380" in visible_buttons(window.notices))
    press(window.notices, "Use 6380")
    assert desk.called("start") == [(None,), (6380,)]
    qtbot.waitUntil(lambda: not window.notices.shown)


def test_a_broken_file_says_all_of_it_and_is_tried_again(make_window: Make, qtbot: QtBot) -> None:
    desk = FakeDesk(state=StackState.STOPPED)
    window = make_window(desk)
    lines = [f"shop.toml, line {n}, worker w{n}: is wrong. Mend it." for n in (3, 12)]
    desk.fail_next = DeskError("\n".join(lines))
    window.stack_commands.open_stack("shop.toml")
    qtbot.waitUntil(lambda: bool(window.notices.shown))
    (notice,) = window.notices.shown.values()
    assert notice.text == f"{lines[0]} And 1 more problem."
    show, again = notice.choices
    assert [show[0], again[0]] == ["Show all 2", "Try again"]
    show[2]()
    dialog = window.findChild(Details)
    assert dialog is not None
    assert [text for text in dialog.findChild(QPlainTextEdit).toPlainText().split("\n") if text] == lines
    dialog.close()
    again[2]()
    qtbot.waitUntil(lambda: not window.notices.shown)
    assert desk.called("open_stack") == [("shop.toml",)] * 2


def test_leftovers_are_adopted_stopped_or_left(make_window: Make, qtbot: QtBot) -> None:
    desk = FakeDesk(state=StackState.STOPPED)
    left = Leftover("s1", "laptop", 4242, desk.born - 60, (("broker", 4243), ("w1", 4250)), Path("run"))
    desk.leftovers = (
        left,
        Leftover("s2", "mail", 4300, desk.born, (("w9", 4301),), Path("run"), adoptable=False),
    )
    window = make_window(desk)
    assert "broker (pid 4243) and w1 (pid 4250)" in window.notices.shown["leftover:s1"].text
    assert visible_buttons(window.notices) == ["Adopt", "Stop them", "Leave", "Stop them", "Leave"]
    press(window.notices, "Adopt")
    assert desk.called("resolve_leftover") == [("s1", "adopt")]
    qtbot.waitUntil(lambda: list(window.notices.shown) == ["leftover:s2"])


def test_a_crash_loop_shows_the_log_or_starts_again(window: Window, desk: FakeDesk, qtbot: QtBot) -> None:
    sentence = "w2 ended 5 times in 60 s, the last time with exit code 1."
    desk.push("w2", State.CRASH_LOOP, f"{sentence} Its last log lines:\nImportError: no module")
    qtbot.waitUntil(lambda: "loop:w2" in window.notices.shown)
    assert window.notices.shown["loop:w2"].text == sentence
    press(window.notices, "Show its log")
    assert (demo(window).objectName(), demo(window).about) == ("logs", "w2")
    press(window.notices, "Start again")
    assert desk.called("start_service") == [("w2",)]
    desk.push("w2", State.READY)
    qtbot.waitUntil(lambda: not window.notices.shown)


def test_a_notice_that_was_closed_stays_away_until_it_says_something_new(
    window: Window, desk: FakeDesk, qtbot: QtBot
) -> None:
    desk.push("w2", State.CRASH_LOOP, "five times")
    qtbot.waitUntil(lambda: bool(window.notices.shown))
    press(window.notices, "Dismiss")
    assert not window.notices.shown
    desk.push("w1", State.READY)
    desk.push("w2", State.CRASH_LOOP, "and again")
    qtbot.waitUntil(lambda: bool(window.notices.shown))


# -- pages


def test_pages_are_made_when_they_are_first_shown_and_kept(window: Window, qtbot: QtBot) -> None:
    first = demo(window)
    assert window.stage.count() == 2, "the empty one and the first"
    qtbot.keyClick(window, Qt.Key.Key_2, Qt.KeyboardModifier.ControlModifier)
    assert demo(window).objectName() == "two"
    window.commands["page.one"].trigger()
    assert window.page is first


def test_only_the_page_that_is_shown_is_fed(window: Window, desk: FakeDesk, qtbot: QtBot) -> None:
    first = demo(window)
    window.go("two")
    before = len(first.snapshots)
    desk.push("w1", State.SILENT)
    qtbot.waitUntil(lambda: len(demo(window).snapshots) > 1)
    ticks = demo(window).ticks
    qtbot.waitUntil(lambda: demo(window).ticks > ticks)
    assert len(first.snapshots) == before
    window.go("one")
    assert len(first.snapshots) == before + 1


def test_f5_reads_again(window: Window, qtbot: QtBot) -> None:
    qtbot.keyClick(window, Qt.Key.Key_F5)
    assert demo(window).refreshed == 1


def test_the_rail_marks_where_one_is(window: Window) -> None:
    window.go("two")
    marked = [b.accessibleName() for b in window.rail.findChildren(QPushButton) if b.isChecked()]
    assert marked == ["Second"]


def test_a_hidden_window_pulls_nothing(window: Window, qtbot: QtBot) -> None:
    assert window.bridge.pulling
    window.showMinimized()
    qtbot.waitUntil(lambda: not window.bridge.pulling)
    window.showNormal()
    qtbot.waitUntil(lambda: window.bridge.pulling)
    window.hide()
    assert not window.bridge.pulling


def test_every_page_of_the_product_has_an_icon_and_a_place() -> None:
    from desktop.ui import icons

    order = ["overview", "workers", "queues", "tasks", "graphs", "workloads", "lab", "runs", "logs"]
    keys = [info.key for info in PAGES]
    assert keys == [key for key in order if key in keys]
    assert {"overview", "workers", "workloads", "runs", "logs"} <= set(keys)
    assert all(info.icon in icons.names() for info in PAGES)


# -- memory


def test_geometry_page_and_scheme_are_remembered(
    make_window: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "window.ini"
    first = make_window(FakeDesk(), memory=Memory(file))
    first.resize(1111, 777)
    first.go("two")
    first.choose_scheme(Scheme.DARK)
    first.close_now()
    again, restored = Memory(file), []
    monkeypatch.setattr(Window, "restoreGeometry", lambda _self, kept: restored.append(kept) or True)
    second = make_window(FakeDesk(), memory=again)
    assert demo(second).objectName() == "two"
    assert restored == [first.saveGeometry()], (
        "not by its size: the offscreen screen is smaller than the window"
    )
    assert again.get("scheme") == "dark"


def test_a_memory_that_cannot_be_read_does_no_harm(make_window: Make, tmp_path: Path) -> None:
    file = tmp_path / "window.ini"
    file.write_bytes(b"\x00\xff[geometry\nnonsense")
    assert make_window(FakeDesk(), memory=Memory(file)).page is not None


def test_the_window_cannot_be_smaller_than_it_can_be_used(window: Window) -> None:
    window.resize(300, 200)
    assert (window.width(), window.height()) == SMALLEST


# -- closing


def test_closing_with_running_tasks_asks(window: Window, desk: FakeDesk) -> None:
    window.close()
    assert window.isVisible()
    assert "running task" in dialog().accessibleDescription()
    dialog().cancel.click()
    assert window.isVisible()
    window.close()
    press(dialog(), "Close now")
    assert not window.isVisible()


def test_closing_can_wait_for_a_warm_stop(make_window: Make, qtbot: QtBot) -> None:
    desk = FakeDesk(hold=True)
    window = make_window(desk)
    window.close()
    press(dialog(), "Warm stop, then close")
    assert window.isVisible()
    assert desk.called("stop") == [(StopHow.WARM,)]
    desk.settle("stop", "laptop is stopped.")
    qtbot.waitUntil(lambda: not window.isVisible())


def test_closing_a_stopped_stack_does_not_ask(make_window: Make) -> None:
    window = make_window(FakeDesk(state=StackState.STOPPED))
    assert window.close()


# -- accessibility


def test_every_interactive_widget_has_a_name(window: Window, desk: FakeDesk, qtbot: QtBot) -> None:
    desk.push("w2", State.CRASH_LOOP, "five times")
    qtbot.waitUntil(lambda: bool(window.notices.shown))
    window.toasts.say("message", details="more").offer("Do it", lambda: None)
    window.commands["view.palette"].trigger()
    window.commands["help.shortcuts"].trigger()
    nameless = [
        f"{type(w).__name__} in {type(w.parent()).__name__}"
        for w in window.findChildren(QWidget)
        if isinstance(w, INTERACTIVE) and not w.accessibleName()
    ]
    assert nameless == []


def test_notices_without_content_take_no_room(theme: Theme, qtbot: QtBot) -> None:
    notices = Notices()
    qtbot.addWidget(notices)
    assert notices.sizeHint().height() == 0


# -- what it costs

FIRST_PAINT = """
import sys
from tests.support.fake_desk import FakeDesk
from PySide6.QtWidgets import QApplication
from PySide6.QtCore import QTimer
from desktop.ui.app import make_application
from desktop.ui.theme import Theme
from desktop.ui.window import Window
app = make_application()
Theme.current.apply(app, "light")
class Watched(Window):
    def paintEvent(self, event):
        super().paintEvent(event)
        heavy = ("pyqtgraph", "numpy", "redis", "celery", "kombu", "psutil", "desktop.ui.pages.overview")
        print([name for name in heavy if name in sys.modules], flush=True)
        QTimer.singleShot(0, self.close_now)
window = Watched(FakeDesk())
window.closed.connect(app.quit)
window.show()
app.exec()
"""


def test_nothing_heavy_is_imported_before_the_first_paint(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", FIRST_PAINT],
        cwd=root,
        env={**os.environ, "QT_QPA_PLATFORM": "offscreen", "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.splitlines()[:1] == ["[]"], done.stdout + done.stderr
