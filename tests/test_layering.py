"""Who may know whom. The layers are in docs and CONTRIBUTING; here they are kept."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
QT = ("PySide6", "shiboken6", "pyqtgraph", "PyQt6", "qtpy")
TOP_LEVEL = {
    *("desktop", "tasks", "resources", "tests", "docs", "main.py", "pyproject.toml", "requirements.txt"),
    *("Makefile", "README.md", "CONTRIBUTING.md", "LICENSE"),
}
MADE_HERE = {"build", "dist", "__pycache__"}  # and ignored by git
# What the window may see of the engine: the interface, the words of a stack file, its own folders.
SEEN_BY_THE_WINDOW = {"desktop.engine.api", "desktop.engine.stack.model", "desktop.engine.paths"}
# The libraries of Celery itself, and of the pools: where they are not there, neither is the pool.
SEEN_BY_THE_PROBE = {"celery", "kombu", "billiard", "vine", "gevent", "eventlet", "greenlet"}
PATHS_OF_A_MACHINE = re.compile(r"(?<![\w.])/(?:work|root|home/\w+|Users/\w+|opt|mnt)/[\w.]", re.ASCII)
HOSTS_OF_PACKAGES = re.compile(
    "|".join(["pypi" + r"\.org", "python" + "hosted", "index" + "-url", "find" + "-links"])
)


def sources(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imports(path: Path, with_types: bool = True) -> Iterator[tuple[int, str]]:
    """(line, full name) of each import, also inside functions; `from a import b` is `a.b`."""
    tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
    for_types = set() if with_types else _only_for_types(tree)
    for node in ast.walk(tree):
        if node in for_types:
            continue
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = module_of(path).split(".")
                parts = parts if path.name == "__init__.py" else parts[:-1]
                base = ".".join([*parts[: len(parts) - node.level + 1], *([base] if base else [])])
            for alias in node.names:
                yield node.lineno, f"{base}.{alias.name}"


def _only_for_types(tree: ast.AST) -> set[ast.AST]:
    blocks = [n for n in ast.walk(tree) if isinstance(n, ast.If) and "TYPE_CHECKING" in ast.unparse(n.test)]
    return {node for block in blocks for statement in block.body for node in ast.walk(statement)}


def under(name: str, *tops: str) -> bool:
    return any(name == top or name.startswith(top + ".") for top in tops)


def breaches(paths: list[Path], *forbidden: str) -> list[str]:
    return [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for path in paths
        for line, name in imports(path)
        if under(name, *forbidden)
    ]


def test_the_reader_of_imports_sees_every_kind(tmp_path: Path) -> None:
    """The net must have no hole: a file that breaks the rules in each way that Python offers."""
    bad = tmp_path / "bad.py"
    bad.write_text(
        "import a.b as x\nfrom c import d, e\ndef f():\n    import g\n"
        "if TYPE_CHECKING:\n    from h import i\n",
        encoding="utf-8",
    )
    assert [name for _, name in imports(bad)] == ["a.b", "c.d", "c.e", "g", "h.i"]
    assert [name for _, name in imports(bad, with_types=False)] == ["a.b", "c.d", "c.e", "g"]


def test_engine_knows_no_qt_and_nothing_above_it() -> None:
    above = ("desktop.ui", "desktop.bridge", "desktop.cli", "desktop.commands")
    assert breaches(sources("desktop/engine"), *QT, *above) == []


def test_engine_loads_no_qt_in_truth() -> None:
    """What it imports may import Qt in its turn: load all of it and look."""
    modules = [
        module_of(p) for p in sources("desktop/engine") if "probe" not in p.parts and p.stem != "__main__"
    ]
    code = f"""
import importlib, sys
for name in {modules}:
    importlib.import_module(name)
print([name for name in sys.modules if name.split(".")[0] in {QT}])
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


def test_only_the_window_imports_widgets() -> None:
    rest = [p for p in sources("desktop", "tasks") if not p.is_relative_to(ROOT / "desktop/ui")]
    rest.append(ROOT / "main.py")
    found = [
        b
        for b in breaches(rest, *QT)
        if not re.match(r"desktop/bridge\b.* imports (PySide6\.QtCore|shiboken6)\b", b)
    ]
    assert found == []


def test_window_knows_the_engine_by_its_interface_only() -> None:
    found = breaches(sources("desktop/ui"), "desktop.engine")
    assert [b for b in found if not under(b.rpartition(" ")[2], *SEEN_BY_THE_WINDOW)] == []


def test_tasks_know_nothing_of_the_panel_nor_the_panel_of_them() -> None:
    assert breaches(sources("tasks"), "desktop", *QT) == []
    assert breaches([*sources("desktop"), ROOT / "main.py"], "tasks") == []


def test_probe_runs_in_any_interpreter_with_celery() -> None:
    files = sources("desktop/engine/probe")
    assert files
    allowed = {*sys.stdlib_module_names, *SEEN_BY_THE_PROBE, *(path.stem for path in files)}
    found = [
        f"{path.name}:{line} imports {name}"
        for path in files
        for line, name in imports(path, with_types=False)
        if name.split(".")[0] not in allowed
    ]
    assert found == []


@pytest.mark.parametrize("path", sources("desktop/engine/probe"), ids=lambda p: p.name)
def test_probe_parses_on_python_3_9(path: Path) -> None:
    ast.parse(path.read_text(encoding="utf-8"), str(path), feature_version=(3, 9))


def test_set_up_needs_nothing_but_the_standard_library() -> None:
    files = [ROOT / "desktop" / name for name in ("bootstrap.py", "install.py", "machine.py")]
    ours = {f"desktop.{path.stem}" for path in files}
    found = [
        (path.name, name)
        for path in files
        for _, name in imports(path)
        if name.split(".")[0] not in sys.stdlib_module_names and not under(name, *ours)
    ]
    assert found == []


def test_top_level_is_what_was_agreed() -> None:
    there = {p.name for p in ROOT.iterdir() if not p.name.startswith(".") and p.suffix != ".egg-info"}
    assert there - TOP_LEVEL - MADE_HERE == set()


def committed() -> list[Path]:
    """Every file of the repository that is text; the work tree's where there is no git."""
    if shutil.which("git") and (ROOT / ".git").exists():
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
        paths = [ROOT / name.decode() for name in listed.split(b"\0") if name]
    else:
        tops = [ROOT / name for name in TOP_LEVEL]
        paths = [p for top in tops for p in ([top] if top.is_file() else top.rglob("*"))]
    return [p for p in paths if p.is_file() and "__pycache__" not in p.parts and b"\0" not in p.read_bytes()]


@pytest.mark.parametrize("what", [PATHS_OF_A_MACHINE, HOSTS_OF_PACKAGES], ids=["path", "registry"])
def test_nothing_committed_belongs_to_one_machine(what: re.Pattern[str]) -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}: {match.group()}"
        for path in committed()
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1)
        if (match := what.search(line)) and path != Path(__file__).resolve()
    ]
    assert found == []


def test_the_two_patterns_find_what_they_should() -> None:
    assert PATHS_OF_A_MACHINE.search("see " + "/home" + "/ada/x")
    assert PATHS_OF_A_MACHINE.search("cd '/" + "work/main'")
    assert not PATHS_OF_A_MACHINE.search("https://docs.example/home/ada and ./opt/x and /opt")
    assert HOSTS_OF_PACKAGES.search("https://files.python" + "hosted.org/x")
