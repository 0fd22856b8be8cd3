"""The set-up: its sentences, and the real script in a project of its own."""

from __future__ import annotations

import ast
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from desktop import bootstrap, install, machine
from tests.support.project import SCRIPTS, Project
from tests.support.waiting import eventually

ROOT = Path(__file__).resolve().parents[1]


# -- old Pythons


@pytest.mark.parametrize("script", SCRIPTS)
def test_the_set_up_parses_on_python_3_6(script: str) -> None:
    source = (ROOT / "desktop" / script).read_text(encoding="utf-8")
    ast.parse(source, script, feature_version=(3, 6))


def old_pythons() -> list[str]:
    """Interpreters of this machine that are too old, one of each version, if it has any."""
    homes = (Path.home() / ".pyenv/versions").glob("3.*/bin")
    folders = [*os.environ.get("PATH", "").split(os.pathsep), *map(str, homes)]
    found: dict[int, str] = {}
    for minor in range(6, 11):
        for python in filter(None, (shutil.which(f"python3.{minor}", path=folder) for folder in folders)):
            if minor not in found and bootstrap.version_of(python):  # a shim may have none behind it
                found[minor] = python
    return list(found.values())


def test_an_old_python_is_told_in_one_sentence() -> None:
    pythons = old_pythons()
    if not pythons:
        pytest.skip("no Python older than 3.11 here")
    for python in pythons:
        done = subprocess.run(
            [python, "-E", "-s", "-m", "desktop.bootstrap", "--given", "setup"],
            cwd=ROOT, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 1
        assert re.fullmatch(r"Python 3\.11 or later is needed: \S+ is 3\.\d+\.\d+\.", done.stderr.strip())


def test_a_later_python_on_path_is_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`python3` is too old: a `python3.12` beside it will do, a broken shim before it will not."""
    shim = tmp_path / "python3.13"
    shim.write_text("#!/bin/sh\nexit 127\n", encoding="utf-8")
    shim.chmod(0o755)
    good = tmp_path / "python3.12"
    good.symlink_to(sys.executable)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "version_info", (3, 9, 2, "final", 0))
    python, version = bootstrap.choose_python(given=False)
    assert (python, version[:2] >= (3, 11)) == (str(good), True)
    with pytest.raises(install.SetupError, match=r"Python 3\.11 or later is needed: .* is 3\.9\.2\.$"):
        bootstrap.choose_python(given=True)


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        (
            "WARNING: Retrying … NewConnectionError('…')\nERROR: No matching distribution found for x",
            "No package index",
        ),
        ("OSError: [Errno 28] No space left on device", "The disk is full"),
        ("ERROR: No matching distribution found for numpy==9", "pip's package index has no numpy==9 for"),
        ("error: something odd\nmore", "pip failed: error: something odd"),
        ("", "pip failed: it gave no reason"),
    ],
)
def test_pips_failure_is_one_sentence(said: str, sentence: str) -> None:
    told = install.explain(said)
    assert told.startswith(sentence)
    assert told.endswith("(All that pip said: .venv/setup.log)")
    assert "\n" not in told


# -- the real script, in a project of its own that needs no package index


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / "project with a space")


@pytest.fixture
def no_libraries_needed() -> None:
    if machine.missing_libraries():
        pytest.skip("Qt's libraries are not all here: the script would install them")


@pytest.mark.usefixtures("no_libraries_needed")
def test_set_up_once_then_run_at_once_then_follow_the_lock(project: Project) -> None:
    code, said = project.do("setup")
    assert code == 0, said
    assert "setting up .venv with Python" in said
    assert "installing 1 packages" in said
    script = project.folder / ".venv/bin/celery-desk"
    assert subprocess.check_output([script, "--x"], text=True) == "main 1.0 --x\n"

    # Complete: nothing is installed, the program is simply run, its arguments as they are.
    stamp = (project.folder / ".venv/celery-desk.json").stat().st_mtime_ns
    assert project.do("run", "up", "a b") == (0, "main 1.0 up a b\n")
    assert (project.folder / ".venv/celery-desk.json").stat().st_mtime_ns == stamp

    # Another lock: the same environment is brought up to date.
    project.lock("2.0")
    code, said = project.do("run", "--help")
    assert (code, said.splitlines()[0]) == (0, "Celery Desk: bringing .venv up to date")
    assert said.splitlines()[-1] == "main 2.0 --help"


@pytest.mark.usefixtures("no_libraries_needed")
def test_what_develops_comes_with_the_verbs_that_need_it(project: Project) -> None:
    assert project.do("setup")[0] == 0
    find = "import importlib.util; print(importlib.util.find_spec('crane') is not None)"
    assert project.python(find) == "False"
    # The tools are not there in this project: the verb itself fails, after the set-up.
    code, said = project.do("test")
    assert (code, "No module named pytest" in said) == (1, True), said
    assert project.python(find) == "True"
    # And they stay when a verb follows that does not need them.
    assert project.do("run", "doctor") == (0, "main 1.0 doctor\n")
    assert project.python(find) == "True"


@pytest.mark.usefixtures("no_libraries_needed")
def test_an_interrupted_set_up_is_done_again(project: Project) -> None:
    venv = project.folder / ".venv"
    with subprocess.Popen(
        project.command("setup"), cwd=project.folder, env=project.environment(),
        stdout=subprocess.DEVNULL, start_new_session=True,
    ) as process:  # fmt: skip
        eventually(lambda: (venv / "pyvenv.cfg").exists(), "a half-made .venv")
        os.killpg(process.pid, signal.SIGKILL)
    assert not (venv / "celery-desk.json").exists()
    code, said = project.do("setup")
    assert (code, ".venv is incomplete" in said) == (0, True), said
    assert project.do("run", "doctor") == (0, "main 1.0 doctor\n")


@pytest.mark.usefixtures("no_libraries_needed")
def test_a_moved_checkout_is_set_up_again(project: Project) -> None:
    """The scripts of an environment know their own path."""
    assert project.do("setup")[0] == 0
    project.folder = project.folder.rename(project.folder.with_name("moved"))
    code, said = project.do("setup")
    assert (code, ".venv is incomplete" in said) == (0, True), said
    assert subprocess.check_output([project.folder / ".venv/bin/celery-desk"], text=True) == "main 1.0\n"


def test_without_a_display_the_window_is_refused_in_one_sentence(project: Project) -> None:
    if sys.platform != "linux":
        pytest.skip("a display is a matter of the environment on Linux only")
    code, said = project.do("run")
    assert (code, said.strip().count("\n")) == (1, 0)
    assert said.strip().startswith("There is no display here (neither DISPLAY nor WAYLAND_DISPLAY is set)")
    assert not (project.folder / ".venv").exists(), "nothing was to be set up for it"


def test_without_an_index_one_sentence_says_so(project: Project) -> None:
    project.lock("3.0")
    with socket.socket() as refused:  # bound but not listening: every connection is refused
        refused.bind(("127.0.0.1", 0))
        index = f"http://127.0.0.1:{refused.getsockname()[1]}/"
        code, said = project.do(
            "setup", PIP_NO_INDEX="0", PIP_INDEX_URL=index, PIP_RETRIES="1", PIP_FIND_LINKS=""
        )
    assert code == 1
    assert said.splitlines()[-1].startswith("No package index answered, so the packages could not be fetched")
    assert "Traceback" not in said


def test_a_version_that_the_index_lacks_is_named(project: Project) -> None:
    project.lock("3.0")
    code, said = project.do("setup")
    assert code == 1
    assert said.splitlines()[-1].startswith(
        "pip's package index has no brick==3.0 for this Python and system."
    )


# -- which environment fits


@pytest.fixture
def stamped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, object]]:
    """A `.venv` that was made from given things."""
    monkeypatch.setattr(bootstrap, "STAMP", tmp_path / "stamp.json")
    monkeypatch.setattr(bootstrap, "venv_python", lambda: Path(sys.executable))

    def stamp(python: str, dev: bool) -> dict[str, object]:
        bootstrap.write_stamp([int(part) for part in python.split(".")], dev)
        return bootstrap.read_stamp()

    return stamp


def test_a_good_environment_is_kept_unless_another_python_is_asked_for(
    stamped: Callable[..., dict[str, object]],
) -> None:
    mine = ".".join(map(str, sys.version_info[:3]))
    assert bootstrap._fits(stamped("3.99.1", dev=True), given=False, dev=True)
    assert not bootstrap._fits(stamped("3.99.1", dev=True), given=True, dev=True)
    assert bootstrap._fits(stamped(mine, dev=True), given=True, dev=False)
    assert not bootstrap._fits(stamped(mine, dev=False), given=True, dev=True)


def test_a_stamp_that_cannot_be_read_is_none(tmp_path: Path, stamped: Callable[..., object]) -> None:
    assert stamped("3.11.0", dev=False)
    for broken in ("", "[]", '{"root": 1}', "{"):
        (tmp_path / "stamp.json").write_text(broken, encoding="utf-8")
        assert bootstrap.read_stamp() == {}


def test_makefile_tells_a_chosen_python_from_the_default() -> None:
    if not shutil.which("make"):
        pytest.skip("no make here")

    def shown(*arguments: str, **changes: str) -> str:
        kept = {k: v for k, v in os.environ.items() if k not in ("PYTHON", "MAKEFLAGS", "MAKELEVEL")}
        return subprocess.check_output(["make", "-n", *arguments], cwd=ROOT, env=kept | changes, text=True)

    assert "python3 -E -s -m desktop.bootstrap  setup" in shown()
    assert "--given run up x" in shown("run", "PYTHON=python3.12", "ARGS=up x")
    assert " python3.12 -E -s -m desktop.bootstrap --given test" in shown("test", PYTHON="python3.12")
    done = subprocess.run(
        ["make", "PYTHON=no-such-python"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert "Python 3.11 or later is needed: there is no no-such-python here." in done.stderr


# -- what the set-up may install of the system


class BareMachine:
    """A machine that lacks a library, and an `apt-get` of the test's own that notes what it is asked."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked = folder / "asked"
        self.lacking = [machine.QT_LIBRARIES[0], machine.QT_LIBRARIES[6]]
        tools = folder / "tools"
        tools.mkdir()
        apt = tools / "apt-get"
        apt.write_text(f'#!/bin/sh\necho "$DEBIAN_FRONTEND $*" >> "{self.asked}"\n', encoding="utf-8")
        apt.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tools}{os.pathsep}{os.environ['PATH']}")
        monkeypatch.setattr(bootstrap, "missing_libraries", self.missing)

    def missing(self, libraries: Sequence[machine.Library] = machine.QT_LIBRARIES) -> list[machine.Library]:
        installed = self.asked.exists() and " install " in self.asked.read_text(encoding="utf-8")
        return [] if installed else [library for library in self.lacking if library in libraries]


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BareMachine:
    monkeypatch.delenv("QT_QPA_PLATFORM")
    return BareMachine(tmp_path, monkeypatch)


def test_missing_libraries_are_installed_where_that_may_be_done(
    bare: BareMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bootstrap, "as_root", list)
    bootstrap.ensure_libraries(window=True)
    update, asked = bare.asked.read_text(encoding="utf-8").splitlines()
    assert update.endswith("update")
    assert asked.startswith("noninteractive ")
    assert asked.endswith("install -y --no-install-recommends libegl1 libxcb-cursor0")


def test_else_the_one_line_is_told(bare: BareMachine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "as_root", lambda: None)
    with pytest.raises(install.SetupError) as refused:
        bootstrap.ensure_libraries(window=True)
    assert str(refused.value) == (
        "Qt needs libEGL.so.1, libxcb-cursor.so.0, which this system lacks. "
        "Type: sudo apt-get install libegl1 libxcb-cursor0"
    )
    assert not bare.asked.exists()
    bare.lacking.pop(0)
    bootstrap.ensure_libraries(window=False)  # what only a window needs does not stop the tests


@pytest.mark.parametrize("may", [True, False])
def test_a_python_without_venv_is_told_or_mended(
    bare: BareMachine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, may: bool
) -> None:
    """Debian ships python3 without ensurepip."""
    python = tmp_path / "python3"
    python.write_text(f'#!/bin/sh\ngrep -q " install " "{bare.asked}" && exit 0\nexit 1\n', encoding="utf-8")
    python.chmod(0o755)
    monkeypatch.setattr(bootstrap, "as_root", list if may else lambda: None)
    monkeypatch.setattr(bootstrap, "VENV", tmp_path / ".venv")
    if may:
        bootstrap._make_venv(str(python), (3, 12, 1))
        asked = bare.asked.read_text(encoding="utf-8")
        assert asked.splitlines()[-1].endswith("install -y --no-install-recommends python3.12-venv")
    else:
        with pytest.raises(install.SetupError, match=r"Type: sudo apt-get install python3\.12-venv$"):
            bootstrap._make_venv(str(python), (3, 12, 1))
