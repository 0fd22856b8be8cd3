"""The lock: plain lines, complete, and right for every Python and system."""

from __future__ import annotations

import re
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from desktop import install
from tests.support.lock import lines

ROOT = Path(__file__).resolve().parents[1]
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
SYSTEMS = ("linux", "darwin", "win32")


def applying(lines: list[str], python: str, system: str) -> dict[str, str]:
    """Name and version of the lines that count on that Python and system; fails on two of one name."""
    platform_system = {"linux": "Linux", "darwin": "Darwin", "win32": "Windows"}[system]
    environment = {
        "python_version": python,
        "python_full_version": python + ".0",
        "sys_platform": system,
        "platform_system": platform_system,
        "os_name": "nt" if system == "win32" else "posix",
        "extra": "",
    }
    found: dict[str, str] = {}
    for requirement in map(Requirement, lines):
        if requirement.marker is None or requirement.marker.evaluate(environment):
            name = canonicalize_name(requirement.name)
            assert name not in found, f"{name} twice on Python {python}, {system}"
            found[name] = str(requirement.specifier).removeprefix("==")
    return found


def test_lock_is_plain_lines() -> None:
    for line in install.locked(dev=True):
        assert re.fullmatch(r"[a-z0-9.-]+==[0-9][0-9a-z.]*( ; [^@]+)?", line), line
    assert len(install.locked(dev=False)) < len(install.locked(dev=True))


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("python", PYTHONS)
def test_lock_gives_what_the_project_asks_for(python: str, system: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    sections = {False: project["dependencies"], True: project["optional-dependencies"]["dev"]}
    for dev, asked in sections.items():
        have = applying(install.locked(dev), python, system)
        for requirement in map(Requirement, asked):
            marker = f" ; {requirement.marker}" if requirement.marker else ""
            needed = applying([f"{requirement.name}==0{marker}"], python, system)
            for name in needed:
                assert requirement.specifier.contains(have[name]), (
                    f"{name} {have[name]} on {python}, {system}"
                )


def test_lock_is_complete() -> None:
    """Whatever a locked package needs here is locked too, so two machines get the same."""
    python = f"{sys.version_info[0]}.{sys.version_info[1]}"
    have = applying(install.locked(dev=True), python, sys.platform)
    for name in have:
        extras = {"celery": ["", "redis"], "kombu": ["", "redis"]}.get(name, [""])
        try:
            needs = [Requirement(text) for text in requires(name) or []]
        except PackageNotFoundError:
            continue  # setuptools has no place in some environments
        for need in needs:
            wanted = need.marker is None or any(need.marker.evaluate({"extra": extra}) for extra in extras)
            assert not wanted or canonicalize_name(need.name) in have, f"{name} needs {need}"


@pytest.mark.parametrize(
    ("python", "below"), [("3.11", True), ("3.12", False), ("3.13", False), ("3.14", False)]
)
def test_lock_never_pairs_a_python_with_the_qt_that_aborts_it(python: str, below: bool) -> None:
    have = applying(install.locked(dev=False), python, "linux")
    version = tuple(int(part) for part in have["pyside6-essentials"].split("."))
    assert (version < (6, 12)) is below
    assert have["pyside6-essentials"] == have["shiboken6"]


@pytest.mark.parametrize(
    ("versions", "made"),
    [
        ({(3, 11): "1", (3, 12): "1"}, ["x==1"]),
        (
            {(3, 11): "1", (3, 12): "2", (3, 13): "2"},
            ['x==1 ; python_version < "3.12"', 'x==2 ; python_version >= "3.12"'],
        ),
        (
            {(3, 11): "1", (3, 12): "2", (3, 13): "3"},
            [
                'x==1 ; python_version < "3.12"',
                'x==2 ; python_version >= "3.12" and python_version < "3.13"',
                'x==3 ; python_version >= "3.13"',
            ],
        ),
    ],
)
def test_make_lock_covers_every_python_once(versions: dict[tuple[int, int], str], made: list[str]) -> None:
    assert lines("x", versions) == made
