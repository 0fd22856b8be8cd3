"""Log files that are written, cut short, rotated and replaced while they are followed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from desktop.engine.observe.follow import MAX_LINE
from desktop.engine.observe.loglines import parse
from desktop.engine.observe.logs import LogBook, last_lines, prune, rotate
from tests.support.valkey import ValkeyServer
from tests.support.waiting import eventually


@pytest.fixture
def book() -> Iterator[LogBook]:
    book = LogBook()
    yield book
    book.close()


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "w1.001.log"


def append(path: Path, text: str | bytes) -> None:
    with path.open("ab") as file:
        file.write(text if isinstance(text, bytes) else text.encode())


def texts(book: LogBook) -> list[str]:
    book.poll()
    return [line.text for line in book.lines(limit=100_000)]


def stamp(t: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(t)) + ",250"


# -- lines


def test_celerys_format() -> None:
    t = time.mktime((2026, 11, 22, 10, 0, 0, 0, 0, -1))
    line = parse("[2026-11-22 10:00:00,123: INFO/MainProcess] Connected to redis://127.0.0.1//")
    assert line == (pytest.approx(t + 0.123), "INFO", "Connected to redis://127.0.0.1//")
    line = parse("[2026-11-22 10:00:01,000: ERROR/ForkPoolWorker-1] tasks.add[4f]: raised [x] y")
    assert line == (pytest.approx(t + 1), "ERROR", "ForkPoolWorker-1: tasks.add[4f]: raised [x] y")
    assert parse("[2026-11-22 10:00:00,123: WARNING/MainProcess] ").text == ""


@pytest.mark.parametrize(("sign", "level"), [(".", "DEBUG"), ("-", "DEBUG"), ("*", "INFO"), ("#", "WARNING")])
def test_valkeys_format(sign: str, level: str) -> None:
    t = time.mktime((2026, 11, 22, 10, 0, 0, 0, 0, -1))
    line = parse(f"4242:M 22 Nov 2026 10:00:00.123 {sign} Ready to accept connections tcp")
    assert line == (pytest.approx(t + 0.123), level, "Ready to accept connections tcp")


@pytest.mark.parametrize(
    "text",
    [
        "Traceback (most recent call last):",
        "",
        "[tasks]",
        "[2026-99-22 10:00:00,123: INFO/MainProcess] no such month",
        "[2026-11-22 10:00:00: INFO/MainProcess] no milliseconds",
        "1:M 42 Foo 2026 10:00:00.123 * no such day",
        "7 tasks",
    ],
)
def test_what_is_of_no_format_is_kept_as_it_is(text: str) -> None:
    assert parse(text) == (None, "", text)


def test_a_traceback_stands_beside_its_line(book: LogBook, log: Path) -> None:
    t = float(int(time.time()) - 40)
    append(log, " -------------- celery@w1\n\n")
    append(log, f"[{stamp(t)}: ERROR/MainProcess] it failed\nTraceback:\n  boom\n")
    append(log, f"[{stamp(t + 1)}: INFO/MainProcess] on\n")
    os.utime(log, (t + 1.25, t + 1.25))
    book.follow("w1", log)
    assert book.poll() == 6
    lines = book.lines()
    assert [(x.level, x.text) for x in lines] == [
        ("", " -------------- celery@w1"),
        ("", ""),
        ("ERROR", "it failed"),
        ("", "Traceback:"),
        ("", "  boom"),
        ("INFO", "on"),
    ]
    assert [x.t for x in lines] == [t + 0.25] * 5 + [t + 1.25]
    assert [x.seq for x in lines] == list(range(6))
    assert {x.service for x in lines} == {"w1"}


def test_a_line_without_any_time_has_that_of_its_reading(book: LogBook, log: Path) -> None:
    append(log, "Segmentation fault\n")
    book.follow("w1", log)
    before = time.time()
    book.poll()
    assert before <= book.lines()[0].t <= time.time()


def test_a_worker_in_another_time_zone_is_told_in_ours(book: LogBook, log: Path) -> None:
    code = (
        "import logging, os, time; os.environ['TZ'] = 'XYZ-5:45'; time.tzset(); "
        "logging.basicConfig(format='[%(asctime)s: %(levelname)s/%(processName)s] %(message)s'); "
        "logging.warning('one'); logging.error('two')"
    )
    with log.open("ab") as file:
        subprocess.run([sys.executable, "-c", code], stderr=file, check=True)
    book.follow("w1", log)
    book.poll()
    assert [x.text for x in book.lines()] == ["one", "two"]
    for line in book.lines():
        assert abs(line.t - log.stat().st_mtime) < 60.0


def test_lines_of_several_services_make_one_story(book: LogBook, tmp_path: Path) -> None:
    t = float(int(time.time()) - 40)
    for name, seconds in (("a", (0, 4, 1)), ("b", (2, 3))):
        path = tmp_path / f"{name}.001.log"
        for second in seconds:
            append(path, f"[{stamp(t + second)}: INFO/MainProcess] {name}{second}\n")
        book.follow(name, path)
    assert texts(book) == ["a0", "b2", "b3", "a4", "a1"], "by time, but never against a file's own order"


def test_colours_controls_and_broken_utf8_are_no_trouble(book: LogBook, log: Path) -> None:
    append(log, b"\x1b[1;32mgreen\x1b[0m \x1b]0;title\x07after\r\n")
    append(log, b"caf\xc3\xa9 \xff\xfe \x00\x00nul\ttab\n")
    book.follow("w1", log)
    assert texts(book) == ["green after", "café �� nul\ttab"]


# -- files


def test_a_file_that_comes_later_and_grows(book: LogBook, log: Path) -> None:
    book.follow("w1", log)
    assert texts(book) == []
    append(log, "one\ntw")
    assert texts(book) == ["one"]
    append(log, "o\nthr")
    assert texts(book) == ["one", "two"]
    book.unfollow("w1")
    assert [x.text for x in book.lines()] == ["one", "two", "thr"], "the last word of a dead process"
    assert book.poll() == 0


def test_a_character_split_between_two_writes(book: LogBook, log: Path) -> None:
    book.follow("w1", log)
    append(log, "ä".encode()[:1])
    book.poll()
    append(log, "ä".encode()[1:] + b"\n")
    assert texts(book) == ["ä"]


def test_a_line_of_a_megabyte_is_capped(book: LogBook, log: Path) -> None:
    append(log, "x" * 3_000_000 + "\nnext\n")
    book.follow("w1", log)
    found = eventually(lambda: [t for t in texts(book) if t == "next"] and texts(book), "the line after")
    assert found[0].startswith("x" * MAX_LINE + " … (2,983,616 bytes more)")
    assert len(found[0]) < MAX_LINE + 100
    assert found[1] == "next"


def test_a_truncated_file_is_read_anew(book: LogBook, log: Path) -> None:
    append(log, "one\ntwo\n")
    book.follow("w1", log)
    assert texts(book) == ["one", "two"]
    os.truncate(log, 0)
    append(log, "three\n")
    assert texts(book) == ["one", "two", "three"]


def test_a_file_truncated_and_grown_beyond_its_old_size_is_noticed(book: LogBook, log: Path) -> None:
    append(log, "one\ntwo\n")
    book.follow("w1", log)
    assert texts(book) == ["one", "two"]
    os.truncate(log, 0)
    append(log, "three\nfour\nfive\n")
    assert texts(book) == ["one", "two", "three", "four", "five"]


def test_a_replaced_file_is_read_to_its_end_and_then_the_new_one(book: LogBook, log: Path) -> None:
    append(log, "one\n")
    book.follow("w1", log)
    assert texts(book) == ["one"]
    append(log, "two\nlast")
    log.rename(log.with_name("elsewhere"))
    append(log, "three\n")
    texts(book)
    assert texts(book) == ["one", "two", "last", "three"]


def test_a_new_file_of_a_service_comes_after_what_was_left_of_the_old(book: LogBook, log: Path) -> None:
    book.follow("w1", log)
    append(log, "first start\nKilled")
    second = log.with_name("w1.002.log")
    append(second, "second start\n")
    book.follow("w1", second)
    assert texts(book) == ["first start", "Killed", "second start"]
    book.follow("w1", second)
    assert texts(book) == ["first start", "Killed", "second start"], "once is enough"


def test_a_log_far_behind_skips_and_says_so(book: LogBook, log: Path) -> None:
    line = "y" * 99 + "\n"
    append(log, line * 200_000 + "the end\n")
    book.follow("w1", log)
    eventually(lambda: "the end" in texts(book)[-1:], "the end of the file")
    said = [x.text for x in book.lines(limit=100_000) if "left out" in x.text]
    assert len(said) == 1
    assert re.fullmatch(r"\[1\d\.\d MB of the log file are left out here\]", said[0])


def test_the_window_is_bounded_and_numbers_go_on(log: Path) -> None:
    book = LogBook(window=100)
    book.follow("w1", log)
    for block in range(5):
        append(log, "".join(f"{block * 90 + n}\n" for n in range(90)))
        book.poll()
    lines = book.lines(limit=1000)
    assert 100 <= len(lines) <= 113
    assert [int(x.text) for x in lines] == [x.seq for x in lines]
    assert lines[-1].seq == 449
    assert [x.seq for x in book.lines(limit=3)] == [447, 448, 449]
    assert [x.seq for x in book.lines(after=447)] == [448, 449]
    assert [x.seq for x in book.lines(after=400, limit=2)] == [448, 449]
    assert not book.lines(after=449)
    assert not book.lines(limit=0)
    book.close()


def test_no_descriptor_stays_open(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    book = LogBook()
    for n in range(20):
        path = tmp_path / f"w1.{n:03}.log"
        append(path, "x\n")
        book.follow("w1", path)
        book.poll()
        path.unlink()
        book.poll()
    book.close()
    assert (len(os.listdir("/proc/self/fd")) if before else 0) == before
    assert len(book.lines()) == 20


# -- rotation


def test_a_small_file_is_left_alone(log: Path) -> None:
    append(log, "x" * 100)
    assert not rotate(log, limit=100)
    assert not rotate(log.with_name("nothing"), limit=0)
    assert [p.name for p in log.parent.iterdir() if p.is_file()] == [log.name]


def test_rotation_keeps_the_newest_copies(log: Path) -> None:
    for n in range(6):
        append(log, f"{n}" * 50)
        assert rotate(log, limit=40, keep=3)
        assert log.stat().st_size == 0
    kept = {p.name: p.read_text()[0] for p in log.parent.glob("w1.001.log.*")}
    assert kept == {"w1.001.log.1": "5", "w1.001.log.2": "4", "w1.001.log.3": "3"}


@pytest.mark.parametrize("rotations", [1, 2, 3])
def test_no_line_is_lost_or_repeated_over_rotations(book: LogBook, log: Path, rotations: int) -> None:
    book.follow("w1", log)
    append(log, "0\n1\npart")
    book.poll()
    append(log, "ial\n3\n")
    expected = ["0", "1", "partial", "3"]
    for n in range(rotations):
        assert rotate(log, limit=1)
        append(log, f"after {n}\n")
        expected.append(f"after {n}")
    assert texts(book) == expected


def test_a_line_cut_by_the_rotation_is_one_line(book: LogBook, log: Path) -> None:
    book.follow("w1", log)
    append(log, "one\nhal")
    book.poll()
    append(log, "f-")
    rotate(log, limit=1)
    append(log, "line\n")
    assert texts(book) == ["one", "half-line"]


def test_a_copy_of_something_else_is_not_taken_for_ours(book: LogBook, log: Path) -> None:
    append(log.with_name("w1.001.log.1"), "stranger\n" * 10)
    append(log, "one\ntwo\n")
    book.follow("w1", log)
    book.poll()
    os.truncate(log, 0)
    append(log, "three\n")
    assert texts(book) == ["one", "two", "three"]


def test_a_process_that_writes_all_the_time_is_rotated_and_followed(book: LogBook, log: Path) -> None:
    code = (
        "import os, time\n"
        "for n in range(60_000):\n"
        "    os.write(1, b'%07d ..............................................\\n' % n)\n"
        "    if n % 10 == 0: time.sleep(0.0002)\n"
    )
    book = LogBook(window=100_000)
    book.follow("w1", log)
    with log.open("ab") as out:
        writer = subprocess.Popen([sys.executable, "-c", code], stdout=out)
    turns = 0
    try:
        while writer.poll() is None:
            turns += rotate(log, limit=200_000, keep=50)
            book.poll()
    finally:
        writer.kill()
        writer.wait()
    book.close()
    numbers = [int(line.text[:7]) for line in book.lines(limit=100_000)]
    assert turns >= 3
    assert numbers == sorted(set(numbers)), "none twice, none out of order"
    assert len(numbers) >= 60_000 - 200 * turns, "no more than the lines of an instant are lost"
    assert numbers[-1] == 59_999


def test_prune_keeps_the_last_starts_of_each_service(tmp_path: Path) -> None:
    for name in ("w1", "w10", "load.gen"):
        for start in range(1, 13):
            append(tmp_path / f"{name}.{start:03}.log", "x")
    append(tmp_path / "w1.002.log.1", "x")
    append(tmp_path / "w1.012.log.1", "x")
    append(tmp_path / "notes.txt", "x")
    spare = tmp_path / "w1.001.log"

    deleted = prune(tmp_path, keep=10, spare={spare})

    names = {p.name for p in deleted}
    assert names == {
        "w1.002.log",
        "w1.002.log.1",
        "w10.001.log",
        "w10.002.log",
        "load.gen.001.log",
        "load.gen.002.log",
    }
    assert not any(p.exists() for p in deleted)
    assert spare.exists()
    assert (tmp_path / "w1.012.log.1").exists()
    assert prune(tmp_path, keep=10, spare={spare}) == []
    assert prune(tmp_path / "nothing") == []


def test_last_lines(log: Path) -> None:
    assert last_lines(log) == []
    append(log, "".join(f"{n}\n" for n in range(100)) + "\x1b[31mKilled")
    assert last_lines(log, 3) == ["98", "99", "Killed"]
    assert len(last_lines(log)) == 20


# -- real services


def test_a_real_server_is_read(book: LogBook, valkey: ValkeyServer) -> None:
    book.follow("broker", valkey.log_file)
    book.poll()
    ready = [x for x in book.lines() if "Ready to accept connections" in x.text]
    assert ready
    assert ready[0].level == "INFO"
    assert abs(ready[0].t - valkey.log_file.stat().st_mtime) < 60.0


def test_a_real_worker_is_read(book: LogBook, valkey: ValkeyServer, log: Path, tmp_path: Path) -> None:
    (tmp_path / "wapp.py").write_text(
        "from celery import Celery\n"
        f"app = Celery('wapp', broker={valkey.url!r})\n"
        "@app.task\n"
        "def fail(): raise ValueError('as told')\n"
    )
    command = [sys.executable, "-m", "celery", "-A", "wapp", "worker", "-l", "INFO", "-P", "solo"]
    book.follow("w1", log)
    with log.open("ab") as out:
        worker = subprocess.Popen(command, cwd=tmp_path, stdout=out, stderr=out, start_new_session=True)
    try:
        eventually(lambda: [t for t in texts(book) if t.endswith(" ready.")], "the worker is ready")
        subprocess.run([sys.executable, "-c", "import wapp; wapp.fail.delay()"], cwd=tmp_path, check=True)
        eventually(lambda: [t for t in texts(book) if t == "ValueError: as told"], "the traceback")
    finally:
        worker.kill()
        worker.wait()
    lines = book.lines()
    error = next(x for x in lines if x.level == "ERROR")
    assert re.match(r"Task wapp\.fail\[.*\] raised unexpected: ValueError\('as told'\)", error.text)
    after = [x for x in lines if x.seq > error.seq]
    assert (after[0].level, after[0].text) == ("", "Traceback (most recent call last):")
    assert "\x1b" not in "".join(x.text for x in lines)
