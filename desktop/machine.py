"""What a machine must have before anything of ours is installed: Qt's libraries, a display, root.

Shared by the set-up and by `doctor`. Standard library only, and it parses on Python 3.6: see
`desktop.bootstrap`.
"""

import contextlib
import ctypes
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import List, Mapping, NamedTuple, Optional, Sequence


class Library(NamedTuple):
    """A shared library that Qt's wheels expect of the system, and the Debian package that holds it."""

    soname: str
    package: str
    needs: str  # "always", or only to show a window: "x11", "wayland"


QT_LIBRARIES = (
    Library("libEGL.so.1", "libegl1", "always"),
    Library("libGL.so.1", "libgl1", "always"),
    Library("libdbus-1.so.3", "libdbus-1-3", "always"),
    Library("libfontconfig.so.1", "libfontconfig1", "always"),
    Library("libglib-2.0.so.0", "libglib2.0-0", "always"),
    Library("libxkbcommon.so.0", "libxkbcommon0", "always"),
    Library("libxcb-cursor.so.0", "libxcb-cursor0", "x11"),
    Library("libxkbcommon-x11.so.0", "libxkbcommon-x11-0", "x11"),
    Library("libxcb-icccm.so.4", "libxcb-icccm4", "x11"),
    Library("libxcb-keysyms.so.1", "libxcb-keysyms1", "x11"),
    Library("libxcb-shape.so.0", "libxcb-shape0", "x11"),
    Library("libwayland-cursor.so.0", "libwayland-cursor0", "wayland"),
)


def missing_libraries(libraries: Sequence[Library] = QT_LIBRARIES) -> List[Library]:
    """Those that the dynamic linker does not find. Qt would abort the process for want of one."""
    if not sys.platform.startswith("linux"):
        return []
    missing = []
    for library in libraries:
        try:
            ctypes.CDLL(library.soname)
        except OSError:
            missing.append(library)
    return missing


def needed_libraries(environ: Mapping[str, str], window: bool = True) -> List[Library]:
    """Those without which Qt aborts: fewer without a window, and by the kind of display."""
    kinds = {"always"}
    if window and environ.get("QT_QPA_PLATFORM", "xcb").split(":")[0] not in ("offscreen", "minimal", "vnc"):
        only_wayland = environ.get("WAYLAND_DISPLAY") and not environ.get("DISPLAY")
        kinds.add("wayland" if only_wayland else "x11")
    return [library for library in QT_LIBRARIES if library.needs in kinds]


def install_line(missing: Sequence[Library]) -> str:
    """The one line that a person types to get them."""
    if shutil.which("apt-get"):
        return "sudo apt-get install " + " ".join(library.package for library in missing)
    if shutil.which("dnf"):
        return "sudo dnf install " + " ".join(f"'{library.soname}()(64bit)'" for library in missing)
    return "your package manager, for the packages that hold " + ", ".join(x.soname for x in missing)


def display_trouble(environ: Mapping[str, str], platform: str = sys.platform) -> str:
    """Why no window can be shown here, as one sentence; empty when one can."""
    if not platform.startswith("linux") or environ.get("QT_QPA_PLATFORM"):
        return ""
    wayland, x11 = environ.get("WAYLAND_DISPLAY", ""), environ.get("DISPLAY", "")
    if not wayland and not x11:
        return "There is no display here (neither DISPLAY nor WAYLAND_DISPLAY is set), so no window can open."
    if wayland and (Path(environ.get("XDG_RUNTIME_DIR", "/")) / wayland).exists():
        return ""
    if x11 and _x11_answers(x11):
        return ""
    return f"The display {x11 or wayland} does not answer, so no window can open."


def _x11_answers(display: str) -> bool:
    host, _, number = display.rpartition(":")
    number = number.split(".")[0]
    if not number.isdigit():
        return False
    with contextlib.suppress(OSError):
        if host and host != "unix" and not host.startswith("/"):
            with socket.create_connection((host, 6000 + int(number)), timeout=2):
                return True
        for address in (f"/tmp/.X11-unix/X{number}", f"\0/tmp/.X11-unix/X{number}"):
            with socket.socket(socket.AF_UNIX) as connection, contextlib.suppress(OSError):
                connection.connect(address)
                return True
    return False


def wants_window(arguments: Sequence[str]) -> bool:
    """Whether the program opens its window with these arguments: no command, or `open`."""
    if not arguments:
        return True
    asks = {"-h", "--help", "--version"}.intersection(arguments)
    return arguments[0] == "open" or (arguments[0].startswith("-") and not asks)


def as_root() -> Optional[List[str]]:
    """What to put before a command so that it runs as root; None where a person would be asked."""
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        return []
    if shutil.which("sudo") and succeeds(["sudo", "-n", "true"]):
        return ["sudo", "-n"]
    return None


def succeeds(command: Sequence[str]) -> bool:
    """Run it silently; True when its exit code is 0."""
    nothing = subprocess.DEVNULL
    return subprocess.run(command, stdin=nothing, stdout=nothing, stderr=nothing, check=False).returncode == 0
