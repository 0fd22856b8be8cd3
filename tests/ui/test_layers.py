"""Who may import whom, and where style may be set."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest

from desktop.engine.api import Desk
from tests.support.fake_desk import FakeDesk

ROOT = Path(__file__).parents[2] / "desktop"
UI = sorted((ROOT / "ui").rglob("*.py"))
# What the window knows of the engine. `paths` says where its own few files belong.
PUBLIC = {"desktop.engine.api", "desktop.engine.stack.model", "desktop.engine.paths", "desktop.engine"}


def imports(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def under(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


@pytest.mark.parametrize("file", UI, ids=lambda f: f.name)
def test_the_window_knows_only_the_engines_interface(file: Path) -> None:
    engine = {name for name in imports(file) if under(name, "desktop.engine")}
    assert engine <= PUBLIC
    assert not [name for name in imports(file) if under(name, "tasks") or under(name, "celery")]


@pytest.mark.parametrize("file", UI, ids=lambda f: f.name)
def test_style_is_set_in_one_place(file: Path) -> None:
    if file.name != "theme.py":
        assert "setStyleSheet" not in file.read_text("utf-8")


@pytest.mark.parametrize("file", UI, ids=lambda f: f.name)
def test_files_stay_short(file: Path) -> None:
    assert len(file.read_text("utf-8").splitlines()) <= 350


def test_the_bridge_is_without_widgets() -> None:
    qt = {name for name in imports(ROOT / "bridge.py") if under(name, "PySide6")}
    assert qt == {"PySide6.QtCore"}
    assert not [name for name in imports(ROOT / "bridge.py") if under(name, "desktop.ui")]


def test_the_fake_engine_has_every_verb_of_the_interface_as_it_is() -> None:
    verbs = [name for name in vars(Desk) if not name.startswith("_")]
    assert len(verbs) > 20
    for name in verbs:
        wanted = inspect.signature(getattr(Desk, name))
        assert inspect.signature(getattr(FakeDesk, name)) == wanted, name
