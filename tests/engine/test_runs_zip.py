"""A run as one zip and back; and all the zips that are refused with a clear word."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
import threading
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from desktop.engine.api import DeskError, Underway
from desktop.engine.record.writing.store import Store
from desktop.engine.runs import unpack as unpacking
from desktop.engine.runs.catalog import info_of
from desktop.engine.runs.folders import Note, write_note
from desktop.engine.runs.pack import pack
from desktop.engine.runs.underway import Progress, StoppedError, begin
from desktop.engine.runs.unpack import check_zip, unpack
from tests.support.small_run import BEGAN, small_run
from tests.support.waiting import eventually

RUN = "20260921-151320-laptop"


def quiet() -> Progress:
    """Nobody looks how far it is."""
    return Progress(Underway[str]())


@pytest.fixture
def packed(desk_home: Path, tmp_path: Path) -> Path:
    """A run in a zip."""
    folder = small_run(tasks=500)
    write_note(folder, Note("for you", kept=True))
    pack(folder, tmp_path / "run.zip", quiet())
    return tmp_path / "run.zip"


def test_a_run_comes_back_as_it_was(packed: Path, tmp_path: Path) -> None:
    folder = unpack(packed, tmp_path / "opened", quiet())
    told = info_of(folder)
    assert folder.name == "run"
    assert (told.tasks, told.failed, told.lost, told.ran_twice) == (500, 2, 1, 1)
    assert (told.stack, told.began, told.note, told.clean) == ("laptop", BEGAN, "for you", True)
    log = folder / "logs" / "w1.001.log"
    assert "ready." in log.read_text(encoding="utf-8")
    assert log.stat().st_mtime == BEGAN + 60, "by it the zone of its lines is told"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_faults_and_a_drills_verdict_go_with_the_run(desk_home: Path, tmp_path: Path) -> None:
    folder = small_run()
    texts = {"faults.jsonl": '{"id":1}\n', "drill.json": "{}\n", "drill.toml": 'name = "kill"\n'}
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    pack(folder, tmp_path / "run.zip", quiet())
    back = unpack(tmp_path / "run.zip", tmp_path / "opened", quiet())
    assert {name: (back / name).read_text(encoding="utf-8") for name in texts} == texts


def test_only_the_record_is_packed(packed: Path) -> None:
    with zipfile.ZipFile(packed) as archive:
        names = {name.partition("/")[2] for name in archive.namelist()}
    assert names == {"run.db", "stack.toml", "run.toml", "logs/w1.001.log", "ledger/w1.001.4242.jsonl"}


def test_a_living_database_is_packed_whole_while_it_is_written(desk_home: Path, tmp_path: Path) -> None:
    folder = small_run(tasks=3, clean=False)
    store = Store.resume(folder)
    stop, beats = threading.Event(), [0]

    def write() -> None:
        while not stop.is_set():
            store.sample(BEGAN + 100 + beats[0], {"cpu:w1": 1.0})
            store.put("beats", beats[0])
            store.commit({})
            beats[0] += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        eventually(lambda: told_beats(folder) >= 5, "it is being written")
        pack(folder, tmp_path / "live.zip", quiet())
    finally:
        stop.set()
        writer.join()
        store.close(True)
    copy = unpack(tmp_path / "live.zip", tmp_path / "opened", quiet())
    with contextlib.closing(sqlite3.connect(copy / "run.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert told_beats(copy) >= 5
    assert info_of(copy).tasks == 3
    assert not list(tmp_path.glob(".*")), "nothing is left beside the zip"


def told_beats(folder: Path) -> int:
    """How many beats its database has heard of."""
    with contextlib.closing(sqlite3.connect(folder / "run.db")) as connection:
        row = connection.execute("SELECT value FROM meta WHERE key = 'beats'").fetchone()
    return int(row[0]) if row else 0


def test_a_pack_that_is_cancelled_leaves_nothing(desk_home: Path, tmp_path: Path) -> None:
    folder = small_run()
    (folder / "logs" / "w2.001.log").write_bytes(os.urandom(3 << 20))
    (tmp_path / "out").mkdir()
    target = tmp_path / "out" / "run.zip"
    target.write_bytes(b"before")
    future = Underway[str]()

    class CancelsHalfway(Progress):
        def tell(self, share: float) -> None:
            if future.doing == "Packing" and share > 0.3:
                future.cancel()
            super().tell(share)

    with pytest.raises(StoppedError):
        pack(folder, target, CancelsHalfway(future))
    assert target.read_bytes() == b"before"
    assert [path.name for path in target.parent.iterdir()] == ["run.zip"]
    assert 0.3 < future.share < 1


def test_work_is_cancelled_at_any_moment_and_its_errors_arrive() -> None:
    started = threading.Event()

    def forever(progress: Progress) -> str:
        progress.doing("Waiting")
        while True:
            started.set()
            progress.tell(0.5)
            time.sleep(0.001)

    future = begin(forever, "test")
    assert started.wait(10)
    assert (future.doing, future.share) == ("Waiting", 0.5)
    assert future.cancel()
    eventually(lambda: not [t for t in threading.enumerate() if t.name == "test"], "its thread ends")

    def fails(progress: Progress) -> str:
        raise DeskError("No.")

    with pytest.raises(DeskError, match="No"):
        begin(fails, "test").result(10)
    assert begin(lambda progress: "done", "test").result(10) == "done"


def test_places_that_cannot_be_written_are_told(desk_home: Path, tmp_path: Path) -> None:
    folder = small_run()
    with pytest.raises(DeskError, match="is a folder"):
        pack(folder, tmp_path, quiet())
    with pytest.raises(DeskError, match=r"run\.zip could not be written"):
        pack(folder, tmp_path / "nowhere" / "run.zip", quiet())
    with pytest.raises(DeskError, match="no run folder"):
        pack(tmp_path, tmp_path / "x.zip", quiet())


# -- what is refused

Change = Callable[[zipfile.ZipFile], None]


def changed(packed: Path, change: Change) -> Path:
    """The same zip with something added."""
    with zipfile.ZipFile(packed, "a") as archive:
        change(archive)
    return packed


def link(archive: zipfile.ZipFile) -> None:
    info = zipfile.ZipInfo("run/logs/w9.001.log")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    archive.writestr(info, "/etc/passwd")


def twice(archive: zipfile.ZipFile) -> None:
    with pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr(archive.namelist()[0], b"another")


def crowd(archive: zipfile.ZipFile) -> None:
    for number in range(20_001):
        archive.writestr(f"run/logs/{number}", b"")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda a: a.writestr("../evil.txt", b"x"), "would lie elsewhere"),
        (lambda a: a.writestr("run/../../evil.txt", b"x"), "would lie elsewhere"),
        (lambda a: a.writestr("/tmp/evil.txt", b"x"), "would lie elsewhere"),
        (lambda a: a.writestr("run\\..\\evil.txt", b"x"), "would lie elsewhere"),
        (lambda a: a.writestr("C:/evil.txt", b"x"), "would lie elsewhere"),
        (link, "a link or a device"),
        (twice, "two files of one name"),
        (crowd, "holds 20,00"),
    ],
    ids=["up", "within-up", "absolute", "backslash", "drive", "link", "twice", "crowd"],
)
def test_what_is_no_run_of_ours_is_refused(packed: Path, tmp_path: Path, change: Change, said: str) -> None:
    changed(packed, change)
    with pytest.raises(DeskError, match=said):
        unpack(packed, tmp_path / "opened", quiet())
    assert not (tmp_path / "evil.txt").exists()
    assert list((tmp_path / "opened").glob("*")) == []


def test_a_bomb_is_not_unpacked(packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacking, "_HARMLESS", 1 << 20)
    zeros = bytes(32 << 20)
    changed(packed, lambda a: a.writestr(f"{RUN}/logs/w9.001.log", zeros, zipfile.ZIP_DEFLATED, 9))
    with pytest.raises(DeskError, match=r"Its [\d.]+ KiB would become 32.\d MiB"):
        unpack(packed, tmp_path / "opened", quiet())


def test_a_disk_that_is_too_full_is_told(
    packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unpacking, "_ROOM", 1 << 60)
    with pytest.raises(DeskError, match=r"run\.zip needs .* unpacked, and only .* are free"):
        unpack(packed, tmp_path / "opened", quiet())


def test_other_things_in_a_zip_are_left_in_it(packed: Path, tmp_path: Path) -> None:
    changed(packed, lambda a: a.writestr(f"{RUN}/broker/dump.rdb", b"x"))
    changed(packed, lambda a: a.writestr("__MACOSX/x", b"x"))
    folder = unpack(packed, tmp_path / "opened", quiet())
    assert {path.name for path in folder.iterdir()} == {"run.db", "stack.toml", "run.toml", "logs", "ledger"}


def test_what_is_no_zip_or_has_no_run_is_told(packed: Path, tmp_path: Path) -> None:
    text = tmp_path / "readme.zip"
    text.write_text("hello", encoding="utf-8")
    with pytest.raises(DeskError, match=r"readme\.zip is no zip file, or a damaged one"):
        check_zip(text)
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        archive.writestr("beach.jpg", b"x")
    with pytest.raises(DeskError, match="There is no run in it"):
        check_zip(tmp_path / "photos.zip")
    half = tmp_path / "half.zip"
    half.write_bytes(packed.read_bytes()[: packed.stat().st_size // 2])
    with pytest.raises(DeskError, match="damaged"):
        check_zip(half)


def test_a_damaged_file_within_leaves_nothing(packed: Path, tmp_path: Path) -> None:
    raw = bytearray(packed.read_bytes())
    with zipfile.ZipFile(packed) as archive:
        info = next(info for info in archive.infolist() if info.filename.endswith("run.db"))
        at = info.header_offset + 200 + info.compress_size // 2
    raw[at : at + 64] = bytes(64)
    packed.write_bytes(raw)
    with pytest.raises(DeskError, match="damaged"):
        unpack(packed, tmp_path / "opened", quiet())
    assert list((tmp_path / "opened").iterdir()) == []


def with_database(tmp_path: Path, harm: str) -> Path:
    """A packed run whose database was changed by somebody."""
    folder = small_run()
    with contextlib.closing(sqlite3.connect(folder / "run.db")) as connection, connection:
        connection.execute(harm)
    pack(folder, tmp_path / "run.zip", quiet())
    return tmp_path / "run.zip"


def test_a_newer_format_is_refused_before_anything_is_unpacked(desk_home: Path, tmp_path: Path) -> None:
    newer = with_database(tmp_path, "PRAGMA user_version = 9")
    with pytest.raises(DeskError, match=r"newer Celery Desk .format 9; this one reads up to 1.*Update"):
        check_zip(newer)


@pytest.mark.parametrize(
    "harm",
    [
        "CREATE VIEW extra AS SELECT 1",
        "CREATE TRIGGER bad AFTER INSERT ON meta BEGIN DELETE FROM task; END",
    ],
)
def test_programs_of_others_in_the_database_are_refused(desk_home: Path, tmp_path: Path, harm: str) -> None:
    with pytest.raises(DeskError, match="views that are not ours"):
        unpack(with_database(tmp_path, harm), tmp_path / "opened", quiet())


def test_a_file_that_is_no_database_is_refused(desk_home: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "run.zip", "w") as archive:
        archive.writestr("r/run.db", b"I am no database" * 20)
    with pytest.raises(DeskError, match=r"The database in run\.zip is none"):
        check_zip(tmp_path / "run.zip")
