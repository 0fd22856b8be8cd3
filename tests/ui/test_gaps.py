"""What the record does not know is said above the page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from pytestqt.qtbot import QtBot

from desktop.engine.api import StackState
from desktop.ui.page import PAGES
from desktop.ui.window import Window
from tests.support.fake_desk import FakeDesk


def test_what_the_record_does_not_know_is_said_above(
    make_window: Callable[..., Window], qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped = FakeDesk(state=StackState.STOPPED)
    window = make_window(stopped, pages=PAGES, page="overview")
    assert "attach-gaps" not in window.notices.shown
    plain = stopped.snapshot
    gaps = (
        "The stack file of this run is not understood here.",
        "Nothing is recorded now: the disk is full.",
    )
    monkeypatch.setattr(stopped, "snapshot", lambda: replace(plain(), gaps=gaps[1:]))
    qtbot.waitUntil(lambda: "attach-gaps" in window.notices.shown)
    assert window.notices.shown["attach-gaps"].text == gaps[1]
    monkeypatch.setattr(stopped, "snapshot", lambda: replace(plain(), gaps=gaps))
    qtbot.waitUntil(lambda: window.notices.shown["attach-gaps"].text == f"{gaps[0]} And 1 more note.")
    monkeypatch.setattr(stopped, "snapshot", plain)
    qtbot.waitUntil(lambda: "attach-gaps" not in window.notices.shown)
