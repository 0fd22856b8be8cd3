"""What the set-up and `doctor` see of a machine."""

from __future__ import annotations

import shutil
import socket
import sys
from pathlib import Path

import pytest

from desktop import machine


def test_missing_libraries_are_those_that_do_not_load() -> None:
    here = machine.Library("libc.so.6", "libc6", "always")
    gone = machine.Library("libnowhere.so.9", "libnowhere9", "always")
    if sys.platform == "linux":
        assert machine.missing_libraries([here, gone]) == [gone]
        assert "libnowhere" in machine.install_line([gone])


@pytest.mark.parametrize(
    ("environ", "window", "kinds"),
    [
        ({}, False, {"always"}),
        ({"QT_QPA_PLATFORM": "offscreen"}, True, {"always"}),
        ({"QT_QPA_PLATFORM": "vnc:size=1x1"}, True, {"always"}),
        ({"DISPLAY": ":0"}, True, {"always", "x11"}),
        ({"DISPLAY": ":0", "WAYLAND_DISPLAY": "w"}, True, {"always", "x11"}),
        ({"WAYLAND_DISPLAY": "w"}, True, {"always", "wayland"}),
    ],
)
def test_only_the_libraries_of_this_display_are_needed(
    environ: dict[str, str], window: bool, kinds: set[str]
) -> None:
    assert {library.needs for library in machine.needed_libraries(environ, window)} == kinds


@pytest.mark.parametrize(
    ("tools", "line"),
    [
        (["apt-get", "dnf"], "sudo apt-get install libegl1"),
        (["dnf"], "sudo dnf install 'libEGL.so.1()(64bit)'"),
        ([], "your package manager, for the packages that hold libEGL.so.1"),
    ],
)
def test_install_line_is_of_this_system(monkeypatch: pytest.MonkeyPatch, tools: list[str], line: str) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: name if name in tools else None)
    assert machine.install_line(machine.QT_LIBRARIES[:1]) == line


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        ([], True),
        (["--stack", "gevent"], True),
        (["open", "run"], True),
        (["up", "laptop"], False),
        (["--help"], False),
        (["-h"], False),
        (["--version"], False),
        (["doctor", "--json"], False),
    ],
)
def test_only_the_window_asks_for_a_display(arguments: list[str], wanted: bool) -> None:
    assert machine.wants_window(arguments) is wanted


def test_a_display_is_asked_whether_it_answers() -> None:
    assert machine.display_trouble({}, "darwin") == ""
    assert machine.display_trouble({"QT_QPA_PLATFORM": "offscreen"}, "linux") == ""
    assert machine.display_trouble({}, "linux").startswith("There is no display here")
    assert machine.display_trouble({"DISPLAY": ":60999"}, "linux").startswith("The display :60999 does not")
    assert machine.display_trouble({"DISPLAY": "nonsense"}, "linux") != ""


@pytest.mark.skipif(sys.platform != "linux", reason="abstract sockets are Linux's")
def test_an_answering_display_is_no_trouble(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("\0/tmp/.X11-unix/X60998")
        server.listen()
        assert machine.display_trouble({"DISPLAY": ":60998.0"}, "linux") == ""
    (tmp_path / "wayland-7").touch()
    wayland = {"WAYLAND_DISPLAY": "wayland-7", "XDG_RUNTIME_DIR": str(tmp_path)}
    assert machine.display_trouble(wayland, "linux") == ""
