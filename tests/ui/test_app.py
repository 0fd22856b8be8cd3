"""The application: one window a user, signals, errors that are told."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from desktop.engine.api import StackState
from desktop.ui import app as app_module
from desktop.ui.crash import CrashNet, log_file, log_to_file
from desktop.ui.memory import Memory
from desktop.ui.single import Listener, hand_over
from desktop.ui.theme import Scheme, Theme
from desktop.ui.window import Window
from tests.support.fake_desk import FakeDesk
from tests.ui.conftest import DEMO

ROOT = Path(__file__).parents[2]


SECOND = """
import sys
from pathlib import Path
from desktop.ui.single import hand_over
print(hand_over(*(Path(word) if word else None for word in sys.argv[1:])))
"""


def second_start(stack: Path | None, run: Path | None) -> subprocess.Popen[str]:
    """A second start as far as it asks the first. In a process: Qt holds the GIL while it waits."""
    words = [sys.executable, "-c", SECOND, *(str(path or "") for path in (stack, run))]
    return subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True)


@pytest.fixture
def listener(qapp: QApplication) -> Iterator[Listener]:
    made = Listener()
    assert made.listen()
    yield made
    made.close()
    made.deleteLater()


def test_the_first_start_finds_nobody() -> None:
    assert not hand_over(None)


@pytest.mark.parametrize("stack", [None, Path("/somewhere/mail.toml")])
@pytest.mark.parametrize("run", [None, Path("/somewhere/run.zip")])
def test_a_second_start_hands_its_stack_or_run_to_the_first(
    listener: Listener, qtbot: QtBot, stack: Path | None, run: Path | None
) -> None:
    with qtbot.waitSignal(listener.asked, timeout=30_000) as asked:
        second = second_start(stack, run)
    qtbot.waitUntil(lambda: second.poll() is not None, timeout=30_000)
    assert second.communicate()[0].strip() == "True"
    assert asked.args == [stack, run]


def test_another_home_has_a_window_of_its_own(
    listener: Listener, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CELERY_DESK_HOME", str(tmp_path / "other"))
    assert not hand_over(None)


def test_what_a_crashed_panel_left_is_no_obstacle(listener: Listener) -> None:
    other = Listener()
    assert other.listen()
    other.close()
    other.deleteLater()


@pytest.fixture
def opened() -> list[Window]:
    return []


@pytest.fixture
def while_open(
    qapp: QApplication, monkeypatch: pytest.MonkeyPatch, opened: list[Window]
) -> Callable[[Callable[[Window], None]], None]:
    """Registers what is to happen when `run_window` has opened its window."""

    def register(act: Callable[[Window], None]) -> None:
        def soon(window: Window) -> None:
            opened.append(window)
            QTimer.singleShot(0, window, lambda: act(window))

        class Watched(Window):
            def __init__(self, *args: object) -> None:
                super().__init__(*args)  # type: ignore[arg-type]
                self.page_shown.connect(lambda _key: soon(self) if not opened else None)

        monkeypatch.setattr(app_module, "Window", Watched)

    return register


def test_it_runs_until_the_window_is_closed_on_the_page_that_was_asked_for(
    while_open: Callable[..., None],
) -> None:
    pages: list[str] = []

    def act(window: Window) -> None:
        assert window.page is not None
        pages.append(window.page.objectName())
        window.close()

    while_open(act)
    assert app_module.run_window(FakeDesk(state=StackState.STOPPED), "two", pages=DEMO) == 0
    assert pages == ["two"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_closes_the_window_and_the_handlers_are_put_back(
    while_open: Callable[..., None], number: signal.Signals
) -> None:
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT), sys.excepthook
    # From another thread, so that only the wakeup descriptor can bring it to the loop.
    while_open(lambda window: threading.Thread(target=os.kill, args=(os.getpid(), number)).start())
    desk = FakeDesk()  # running: a click on the cross would ask
    assert app_module.run_window(desk, pages=DEMO) == 0
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT), sys.excepthook) == before


def test_a_second_run_says_so_and_ends_well_without_making_an_engine(
    listener: Listener, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []

    def engine() -> FakeDesk:
        made.append("engine")
        return FakeDesk()

    monkeypatch.setattr(app_module, "hand_over", lambda _stack, _run: True)
    assert app_module.run_window(engine) == 0
    assert capsys.readouterr().out.strip() == app_module.ALREADY_OPEN
    assert made == []


def test_without_a_display_it_says_so_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    assert app_module.run_window(FakeDesk()) == 1
    assert "no display" in capsys.readouterr().err


def test_the_remembered_scheme_is_used(while_open: Callable[..., None], theme: Theme) -> None:
    memory = Memory.of_user()
    memory.put("scheme", "dark")
    del memory
    seen: list[Scheme] = []

    def act(window: Window) -> None:
        seen.append(theme.scheme)
        window.close_now()

    while_open(act)
    app_module.run_window(FakeDesk(), pages=DEMO)
    assert seen == [Scheme.DARK]


# -- errors


@pytest.fixture
def net(window: Window) -> Iterator[CrashNet]:
    made = CrashNet(window.toasts)
    made.install()
    yield made
    made.remove()


def test_an_error_in_the_panel_is_told_once_and_logged(
    net: CrashNet, window: Window, qtbot: QtBot, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        try:
            raise ValueError("seven")
        except ValueError as error:
            sys.excepthook(ValueError, error, None)
    qtbot.waitUntil(lambda: bool(window.toasts.shown))
    toast = window.toasts.shown[0]
    assert "ValueError: seven" in toast.accessibleName()
    assert str(log_file()) in toast.accessibleName()
    assert caplog.text.count("ValueError: seven") == 3
    assert len(window.toasts.shown) == 1


def test_an_error_in_a_thread_is_told_too(net: CrashNet, window: Window, qtbot: QtBot) -> None:
    def fail() -> None:
        raise RuntimeError("in a thread")

    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    qtbot.waitUntil(lambda: bool(window.toasts.shown))
    assert "in a thread" in window.toasts.shown[0].details


def test_the_log_is_written_into_the_panels_own_folder() -> None:
    handler = log_to_file()
    logging.getLogger("desktop.bridge").warning("held up")
    logging.getLogger("desktop").removeHandler(handler)
    handler.close()
    assert "held up" in log_file().read_text("utf-8")
