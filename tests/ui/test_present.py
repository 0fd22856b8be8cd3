"""The engine's present moment, also while no snapshot comes."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
from pytestqt.qtbot import QtBot

from desktop.bridge import Bridge
from desktop.ui.present import Present
from tests.support.dressed_desk import STILL, Dressed


def test_it_goes_on_while_nothing_but_the_time_is_new(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SimpleNamespace(now=50.0)
    monkeypatch.setattr("desktop.ui.present.time", SimpleNamespace(monotonic=lambda: clock.now))
    bridge = Bridge(Dressed())
    present = Present(bridge)
    assert present.now() == STILL
    clock.now += 7.5
    assert present.now() == STILL + 7.5
    bridge.snapshot = replace(bridge.snapshot, t=STILL + 9.0)
    assert present.now() == STILL + 9.0, "a new snapshot knows better"
    clock.now += 1.0
    assert present.now() == STILL + 10.0
    bridge.close()
