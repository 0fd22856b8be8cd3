"""Who may import whom, and where style may be set."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

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
