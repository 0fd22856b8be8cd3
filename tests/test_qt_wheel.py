"""The Qt wheel must not lose references to None and True: PySide6 6.12 does below Python 3.12.

There the interpreter aborts (`none_dealloc: deallocating None`) after some thousand calls. Short
tests do not show it, so it is counted here.
"""

from __future__ import annotations

import sys
from importlib.metadata import version

import pytest
from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QApplication, QWidget

CALLS = 500
NOISE = 50  # references that come and go by themselves

mortal = pytest.mark.skipif(sys.version_info >= (3, 12), reason="None and True are immortal from 3.12 on")


class Bell(QObject):
    rung = Signal(int)


@mortal
@pytest.mark.usefixtures("qapp")
def test_none_keeps_its_references() -> None:
    widget = QWidget()
    before = sys.getrefcount(None)
    for _ in range(CALLS):
        widget.update()
    lost = before - sys.getrefcount(None)
    widget.deleteLater()
    assert lost < NOISE, f"{lost} references to None lost in {CALLS} calls of QWidget.update()"


@mortal
@pytest.mark.usefixtures("qapp")
def test_true_keeps_its_references() -> None:
    bell = Bell()
    before = sys.getrefcount(True)
    for number in range(100):  # few enough that a bad wheel fails here instead of aborting
        bell.rung.emit(number)
    lost = before - sys.getrefcount(True)
    assert lost < NOISE, f"{lost} references to True lost in 100 emits"


def test_the_wheel_fits_this_python(qapp: QApplication) -> None:
    """The lock's rule, as installed: a hand-made environment may have another."""
    installed = tuple(int(part) for part in version("PySide6-Essentials").split(".")[:2])
    assert (installed >= (6, 12)) == (sys.version_info >= (3, 12))
