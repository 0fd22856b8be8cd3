"""What `doctor` finds, on this machine and on worse ones."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from desktop import machine
from desktop.engine import doctor

ROOT = Path(__file__).resolve().parents[2]


def test_every_finding_of_this_machine_is_told() -> None:
    findings = doctor.examine()
    names = [finding.name for finding in findings]
    assert len(set(names)) == len(names)
    assert {"Python", "PySide6", "Qt libraries", "Display", "Celery", "Broker", "Data folder"} <= set(names)
    for finding in findings:
        assert finding.what
        assert "\n" not in finding.what
        assert not (finding.fine and finding.mend), f"{finding.name} is fine and still to be mended"


def test_this_environment_is_fine_where_the_set_up_made_it_so() -> None:
    by_name = {finding.name: finding for finding in doctor.examine()}
    for name in ("Python", "PySide6", "Celery", "Pools", "Packages", "Broker", "Ports", "Data folder"):
        assert by_name[name].fine, by_name[name]
    assert "Valkey" in by_name["Broker"].what or "Redis" in by_name["Broker"].what


def test_it_leaves_no_trace(desk_home: Path) -> None:
    doctor.examine()
    assert not desk_home.exists()


def test_it_loads_neither_qt_nor_celery() -> None:
    """It must tell what is wrong with them."""
    code = (
        "import sys; from desktop.engine.doctor import examine; examine();"
        "print([m for m in sys.modules if m.split('.')[0] in ('PySide6', 'celery', 'kombu')])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("running", "version", "fine"),
    [
        ((3, 11), "6.11.3", True),
        ((3, 11), "6.12.0", False),
        ((3, 12), "6.12.0", True),
        ((3, 13), "7.0.1", True),
        ((3, 11), None, False),
    ],
)
def test_the_qt_that_aborts_is_found(running: tuple[int, int], version: str | None, fine: bool) -> None:
    finding = doctor.qt(running, version)
    assert finding.fine is fine
    assert bool(finding.mend) is not fine
    if not fine:
        assert "'PySide6-Essentials>=6.11.3,<6.12'" in finding.mend


@pytest.mark.parametrize(
    ("versions", "says"),
    [
        ((None, None, None), "not installed"),
        (("5.7.0", "8.1.0", None), "5.7.0 without packaging"),
        (("5.7.0", None, None), "5.7.0 without redis and packaging"),
        (("5.5.3", "5.2.1", "25.0"), "5.5.3; its rules"),
        (("6.0.0", "8.1.0", "25.0"), "6.0.0; its rules"),
    ],
)
def test_a_celery_that_cannot_work_is_found(versions: tuple[str | None, ...], says: str) -> None:
    finding = doctor.celery(*versions)
    assert not finding.fine
    assert finding.what.startswith(says)
    assert finding.mend.endswith("-m pip install 'celery[redis]>=5.7,<6'")


def test_lacking_packages_are_named_with_the_command() -> None:
    assert doctor.pools("26.9", "0.41").fine
    assert doctor.pools(None, "0.41").mend.endswith("pip install gevent")
    assert doctor.packages({"click": "8.2", "orjson": None}).mend.endswith("pip install orjson")
    assert "click" not in doctor.packages({"click": "8.2", "orjson": None}).what


def test_missing_libraries_count_by_what_the_display_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    lacking = [library for library in machine.QT_LIBRARIES if library.needs != "always"]
    monkeypatch.setattr(doctor, "missing_libraries", lambda: lacking)
    on_x11 = {finding.name: finding for finding in doctor.qt_libraries({"DISPLAY": ":0"})}
    assert on_x11["Qt libraries"].fine
    assert not on_x11["Qt on X11"].fine
    assert "libxcb-cursor.so.0" in on_x11["Qt on X11"].what
    assert on_x11["Qt on X11"].mend
    assert on_x11["Qt on Wayland"].fine
    assert "not needed here" in on_x11["Qt on Wayland"].what
    assert all(finding.fine for finding in doctor.qt_libraries({"QT_QPA_PLATFORM": "offscreen"}))


def test_no_display_is_told_and_is_fine() -> None:
    assert doctor.display({"QT_QPA_PLATFORM": "offscreen"}).what.startswith("Qt is told to use offscreen")
    if sys.platform == "linux":
        finding = doctor.display({})
        assert finding.fine
        assert "There is no display here" in finding.what


def test_no_broker_at_all_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "find_servers", tuple)
    finding = doctor.broker()
    assert not finding.fine
    assert finding.mend.split()[-1] in ("redis-server", "valkey")


def test_few_descriptors_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    import resource

    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, 256))
    assert doctor.descriptors() == doctor.Finding("Open files", False, "at most 256", "ulimit -n 4096")
    monkeypatch.setattr(resource, "getrlimit", lambda _: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert doctor.descriptors().fine


def test_a_refused_pidfd_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(pid: int, flags: int = 0) -> int:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "pidfd_open", refused, raising=False)
    finding = doctor.exits()
    assert finding.fine
    assert "thread" in finding.what


def test_a_folder_that_cannot_be_written_is_found(tmp_path: Path) -> None:
    blocked = tmp_path / "a file"
    blocked.touch()
    finding = doctor.data_folder(blocked / "data")
    assert not finding.fine
    assert str(blocked) in finding.mend


def test_a_full_disk_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import shutil

    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(2**30, 2**30, 2**20))
    finding = doctor.data_folder(tmp_path / "not yet" / "there")
    assert not finding.fine
    assert "only 1 MB" in finding.what
