"""Run folders: listed, noted, found by name; the cap, its plan, and what a prune never touches."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from desktop.engine import paths
from desktop.engine.api import Cap, DeskError, RunInfo
from desktop.engine.runs import cap as caps
from desktop.engine.runs.catalog import all_runs, info_of
from desktop.engine.runs.folders import (
    Note,
    delete_folder,
    find_run,
    note_of,
    run_folders,
    write_note,
)
from desktop.engine.supervise import session as sessions
from tests.support.small_run import BEGAN, small_run

DAY = 86400.0


# -- the list


def test_the_list_tells_of_each_run_without_opening_it(desk_home: Path) -> None:
    old = small_run("20260921-151320-laptop", tasks=300, failed=2, lost=1, twice=3)
    new = small_run("20260922-151320-mail", stack="mail", began=BEGAN + DAY, clean=False)
    write_note(old, Note("the  first\nof all", kept=True))
    runs = all_runs()
    assert [run.folder for run in runs] == [new, old], "the newest first"
    told = runs[1]
    assert (told.stack, told.began, told.ended) == ("laptop", BEGAN, BEGAN + 60)
    assert (told.tasks, told.failed, told.lost, told.ran_twice) == (300, 2, 1, 3)
    assert (told.note, told.kept, told.clean, told.live) == ("the first of all", True, True, False)
    assert told.versions == {"celery": "5.7.0"}
    assert told.size == sum(path.stat().st_size for path in old.rglob("*") if path.is_file())
    assert not runs[0].clean


def test_counts_that_are_none_are_no_obstacle(desk_home: Path) -> None:
    folder = small_run(tasks=10, failed=1)
    for harm, said in (("'[]'", ""), ('\'{"states": {"FAILURE": []}}\'', "cannot be read")):
        with contextlib.closing(sqlite3.connect(folder / "run.db")) as connection, connection:
            connection.execute(f"UPDATE meta SET value = {harm} WHERE key = 'counts'")
        told = info_of(folder)
        assert told.tasks == 0
        assert said in told.problem


def test_a_run_without_a_database_is_listed_with_what_is_known(desk_home: Path) -> None:
    folder = small_run("20260921-151320-laptop", stack="laptop", database=False)
    (run,) = all_runs()
    assert (run.stack, run.tasks, run.complete, run.problem) == ("laptop", 0, False, "")
    assert time.strftime("%Y%m%d-%H%M%S", time.localtime(run.began)) == folder.name[:15]
    (folder / "stack.toml").write_text("name = ", encoding="utf-8")
    assert all_runs()[0].stack == "laptop", "then by the name of its folder"


def test_a_run_whose_ledger_is_ahead_is_not_complete(desk_home: Path) -> None:
    folder = small_run(clean=False)
    assert info_of(folder).complete
    with (folder / "ledger" / "w1.001.4242.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"k": "rea')
        file.flush()
        assert info_of(folder).complete, "half a line is what a killed process leaves"
        file.write('dy", "t": 1}\n')
    assert not info_of(folder).complete


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        ("UPDATE meta SET value = '{' WHERE key = 'stack'", "cannot be read"),
        ("PRAGMA user_version = 99", "newer Celery Desk (format 99"),
        ("PRAGMA application_id = 7", "no record of a run"),
    ],
)
def test_what_cannot_be_read_says_why_and_hides_nobody(desk_home: Path, harm: str, said: str) -> None:
    folder = small_run()
    other = small_run("20260922-151320-mail", began=BEGAN + DAY)
    with contextlib.closing(sqlite3.connect(folder / "run.db")) as connection, connection:
        connection.execute(harm)
    fine, broken = all_runs()
    assert fine.folder == other
    assert fine.problem == ""
    assert said in broken.problem
    assert broken.size > 0


def test_only_run_folders_are_runs(desk_home: Path) -> None:
    folder = small_run()
    (paths.runs_folder() / "holiday").mkdir()
    (paths.runs_folder() / "notes.txt").write_text("x", encoding="utf-8")
    assert run_folders() == [folder]


def test_a_run_is_found_by_path_by_name_and_as_the_latest(desk_home: Path, tmp_path: Path) -> None:
    old, new = small_run("20260921-151320-laptop"), small_run("20260922-151320-mail")
    assert find_run("latest") == new
    assert find_run(old.name) == old
    assert find_run(str(old)) == old
    with pytest.raises(DeskError, match=r"no run '20260921-151320-lapdop'.*Did you mean.*laptop"):
        find_run("20260921-151320-lapdop")
    with pytest.raises(DeskError, match="No run was named"):
        find_run("")


def test_a_note_is_one_line_and_a_broken_one_is_none(desk_home: Path) -> None:
    folder = small_run()
    assert note_of(folder) == Note()
    write_note(folder, Note('say "hi" \\ \n then', kept=True))
    assert note_of(folder) == Note('say "hi" \\ then', kept=True)
    (folder / "run.toml").write_text("note = 3\nkept = 'yes'", encoding="utf-8")
    assert note_of(folder) == Note()


# -- the cap


def run_of(at: float, size: int, **more: object) -> RunInfo:
    """A run that began `at` days ago."""
    began = BEGAN - at * DAY
    return RunInfo(Path(f"r{at:g}"), "s", began, began + 60, size=size, **more)  # type: ignore[arg-type]


def names(plan: caps.PrunePlan) -> list[tuple[str, str]]:
    return [(run.folder.name, reason) for run, reason in plan.runs]


def test_the_plan_goes_from_the_oldest_and_gives_reasons() -> None:
    runs = [run_of(1, 40), run_of(5, 40), run_of(20, 40), run_of(100, 40)]
    plan = caps.plan(Cap(bytes=100, days=90, runs=None), runs, now=BEGAN)
    assert names(plan) == [("r100", "older than 90 days"), ("r20", "all runs take more than 100 bytes")]
    assert (plan.freed, plan.left) == (80, 80)
    plan = caps.plan(Cap(bytes=None, days=None, runs=3), runs, now=BEGAN)
    assert names(plan) == [("r100", "more than 3 runs")]
    assert caps.plan(Cap(None, None, None), runs, now=BEGAN).runs == ()


def test_what_lives_is_kept_or_is_open_counts_and_stays() -> None:
    runs = [run_of(1, 50, live=True), run_of(5, 50, kept=True), run_of(20, 50), run_of(100, 50)]
    plan = caps.plan(Cap(bytes=0, days=1, runs=0), runs, spared=[Path("r20")], now=BEGAN)
    assert [name for name, _ in names(plan)] == ["r100"]
    assert plan.left == 150


def test_the_cap_is_remembered_and_nothing_wrong_is(desk_home: Path) -> None:
    assert caps.read_cap() == Cap()
    caps.write_cap(Cap(bytes=10**9, days=1.5, runs=None))
    assert caps.read_cap() == Cap(10**9, 1.5, None)
    with pytest.raises(DeskError, match="number of runs of -1 is no limit"):
        caps.write_cap(Cap(runs=-1))
    assert caps.read_cap() == Cap(10**9, 1.5, None)
    (paths.config_folder() / "runs.toml").write_text("bytes = 'all'", encoding="utf-8")
    assert caps.read_cap() == Cap()


@pytest.fixture
def panel(desk_home: Path) -> Iterator[sessions.Session]:
    """A panel that lives, as far as its session tells."""
    session = sessions.Session()
    session.open()
    yield session
    session.close()


def test_a_prune_deletes_the_plan_and_never_what_is_needed_by_now(panel: sessions.Session) -> None:
    folders = [small_run(f"2026092{n}-151320-s", began=BEGAN + n * DAY) for n in range(6)]
    plan = caps.plan(Cap(None, None, 1), all_runs())
    assert [run.folder for run, _ in plan.runs] == folders[:5]
    # Since the plan was shown, one has come alive, one is kept, one is open, one is gone, and one is new.
    panel.write(sessions.Record(panel.id, os.getpid(), "s", "", "", str(folders[0]), BEGAN))
    write_note(folders[1], Note(kept=True))
    delete_folder(folders[2])
    fresh = small_run("20260101-000000-s", began=BEGAN - 300 * DAY)
    said = caps.prune(plan, spared=[folders[3]])
    assert "1 old run was deleted" in said
    assert "3 runs are kept or in use by now" in said
    assert set(run_folders()) == {folders[0], folders[1], folders[3], folders[5], fresh}
    assert next(run for run in all_runs() if run.folder == folders[0]).live


def test_a_run_whose_recorder_still_writes_is_alive(desk_home: Path) -> None:
    folder = small_run()
    with (folder / "recorder.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert info_of(folder).live is False, "who asks about one says it"
        (run,) = all_runs()
        assert run.live
        assert "Nothing was deleted" in caps.prune(caps.PrunePlan(Cap(), ((run, "x"),), 0, 0))
    assert not all_runs()[0].live


def test_only_run_folders_are_ever_deleted(desk_home: Path, tmp_path: Path) -> None:
    folder = small_run()
    elsewhere = tmp_path / "precious"
    elsewhere.mkdir()
    (elsewhere / "run.db").write_bytes(b"x")
    link = paths.runs_folder() / "20260101-000000-link"
    link.symlink_to(elsewhere)
    for wrong in (elsewhere, link, paths.runs_folder(), folder / "logs", folder / ".."):
        with pytest.raises(DeskError, match="is no run folder of Celery Desk"):
            delete_folder(wrong)
    assert (elsewhere / "run.db").exists()
    assert (folder / "logs").exists()
    plan = caps.PrunePlan(Cap(), ((replace(info_of(folder), folder=elsewhere), "x"),), 0, 0)
    with pytest.raises(DeskError, match="Nothing was deleted"):
        caps.prune(plan)


def test_a_deletion_that_was_broken_off_is_finished(desk_home: Path) -> None:
    folder = small_run()
    folder.rename(folder.with_name(f".deleted-{folder.name}"))
    assert all_runs() == ()
    assert list(paths.runs_folder().iterdir()) == []
