"""A run from its stack to a colleague: recorded, packed without its password, opened by the real program."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from desktop.engine.runs.opening import unpacked_folder
from tests.support.small_run import small_run
from tests.support.up import ROOT, Up
from tests.support.waiting import eventually

LONG = 60


def desk(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    """`python main.py …` to its end."""
    return subprocess.run(
        [sys.executable, str(ROOT / "main.py"), *arguments],
        capture_output=True,
        text=True,
        timeout=LONG,
        check=False,
        **options,  # type: ignore[call-overload]
    )


KEY = "the-key-of-the-shop"  # of the user's own app, in its environment


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    """One small worker."""
    file = tmp_path / "small.toml"
    file.write_text(
        f'name = "small"\n[app]\nenv = {{ SHOP_KEY = "{KEY}" }}\n'
        '[[worker]]\nname = "w1"\npool = "threads"\nconcurrency = 2\n',
        "utf-8",
    )
    return file


@pytest.fixture
def opened(nothing_left: None) -> Iterator[list[subprocess.Popen[str]]]:
    programs: list[subprocess.Popen[str]] = []
    yield programs
    for program in programs:
        program.kill()
        program.communicate()


def test_a_run_is_recorded_packed_and_opened_by_somebody_else(
    stack: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    opened: list[subprocess.Popen[str]],
) -> None:
    small_run("20200101-000000-old", began=1_577_836_800.0)
    up = Up(stack)
    try:
        up.wait_all_ready("w1")
        password = urlsplit(up.head["broker_url"]).password
        assert password
        load = desk("load", "small", "--task", "tasks.noop", "--count", "30")
        assert load.returncode == 0, load.stderr
        assert newest()["live"]
        eventually(lambda: newest()["tasks"] == 30, "all are recorded")
        refused = desk("open", "latest")
        assert (refused.returncode, refused.stdout) == (64, "")
        assert "is being recorded now" in refused.stderr
        packed_alive = desk("runs", "pack", "latest", str(tmp_path / "living.zip"))
        assert packed_alive.returncode == 0, packed_alive.stderr
    finally:
        up.end()
    over = [line for line in up.errors.splitlines() if "over your cap" in line]
    assert len(over) == 1
    assert over[0].startswith("1 old run (")
    packed = desk("runs", "pack", "latest", str(tmp_path / "small.zip"))
    assert packed.returncode == 0, packed.stderr
    assert packed.stdout.startswith("small.zip was written (")
    for name in ("living.zip", "small.zip"):
        assert holds(tmp_path / name, b"tasks.noop")
        assert not holds(tmp_path / name, password.encode())
        assert not holds(tmp_path / name, KEY.encode())

    # Somebody else, who has never recorded anything.
    monkeypatch.setenv("CELERY_DESK_HOME", str(tmp_path / "colleague"))
    monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen")
    program = subprocess.Popen(
        [sys.executable, "-m", "tests.support.seen_window", "open", str(tmp_path / "small.zip")],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    opened.append(program)
    assert program.stdout is not None
    seen = json.loads(program.stdout.readline())
    assert (seen["page"], seen["pill"], seen["rows"]) == ("tasks", "Recorded run, read only", 30)
    assert any("tasks.noop" in cell for cell in seen["first"][0])
    assert len(list(unpacked_folder().iterdir())) == 1
    program.send_signal(signal.SIGTERM)
    program.communicate(timeout=LONG)
    assert program.returncode == 0
    assert list(unpacked_folder().iterdir()) == []


def newest() -> dict[str, Any]:
    """The run that began last, as the command line lists it."""
    told: dict[str, Any] = json.loads(desk("runs", "--json").stdout.splitlines()[0])
    return told


def holds(path: Path, wanted: bytes) -> bool:
    """Whether a zip has these bytes anywhere: in its files, their names, or as it lies on the disk."""
    if wanted in path.read_bytes():
        return True
    with zipfile.ZipFile(path) as archive:
        return any(wanted in archive.read(info) for info in archive.infolist())


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda folder: folder / "nothing", "There is no run"),
        (lambda folder: folder, "is no run folder"),
        (lambda folder: written(folder / "x.zip", b"hello"), "is no zip file, or a damaged one"),
        (lambda folder: Path("  "), "No run was named"),
    ],
    ids=["missing", "folder", "damaged", "empty"],
)
def test_what_is_no_run_is_one_sentence_and_64(tmp_path: Path, make: object, said: str) -> None:
    assert callable(make)
    done = desk("open", str(make(tmp_path)))
    assert (done.returncode, done.stdout) == (64, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.count("\n") == 1


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def test_runs_are_listed_noted_and_pruned_without_a_window(desk_home: Path, tmp_path: Path) -> None:
    one = small_run("20260921-151320-laptop", tasks=1_500)
    two = small_run("20260922-151320-mail", stack="mail", clean=False)
    listed = desk("runs")
    rows = [line.split() for line in listed.stdout.splitlines()]
    assert rows[0][:3] == ["RUN", "STACK", "STATE"]
    assert [row[0] for row in rows[1:3]] == [two.name, one.name]
    assert "1,500" in rows[2]
    assert "panel died" in listed.stdout
    told = [json.loads(line) for line in desk("runs", "--json").stdout.splitlines()]
    assert [(run["run"], run["tasks"]) for run in told] == [(two.name, 20), (one.name, 1500)]

    assert desk("runs", "note", two.name, "for Ada", "--keep").stdout == f"{two.name} [kept]: for Ada\n"
    shown = desk("runs", "prune", "--runs", "0", "--dry-run")
    assert one.name in shown.stdout
    assert two.name not in shown.stdout
    assert shown.stdout.endswith("Nothing was deleted.\n")
    asked = desk("runs", "prune", "--runs", "0", stdin=subprocess.DEVNULL)
    assert "Nothing was deleted" in asked.stdout
    assert "--yes" in asked.stderr
    assert one.exists()
    gone = desk("runs", "prune", "--runs", "0", "--yes")
    assert "1 old run was deleted" in gone.stdout
    assert not one.exists()
    assert two.exists()

    assert desk("runs", "cap", "--days", "7", "--runs", "none").stdout.startswith(
        "Cap on old runs: 5 GiB, 7 days."
    )
    wrong = desk("runs", "cap", "--bytes", "lots")
    assert (wrong.returncode, wrong.stdout) == (64, "")
    kept = desk("runs", "delete", two.name, stdin=subprocess.DEVNULL)
    assert kept.returncode == 64
    assert desk("runs", "delete", two.name, "--yes").returncode == 0
    assert desk("runs").stdout.startswith("No run was recorded yet.")
