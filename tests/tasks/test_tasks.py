"""The sample tasks, called directly: honest results, checked arguments, documented for the form."""

from __future__ import annotations

import hashlib
import importlib
import inspect
import os
import subprocess
import sys
import typing
from pathlib import Path
from typing import Any

import pytest

from tasks import behaviour, cpu, io, sample_data
from tasks.app import NoBroker, app

app.finalize()
TASKS: dict[str, Any] = {
    name: task
    for module in ("tasks.cpu", "tasks.io", "tasks.behaviour")
    if importlib.import_module(module)
    for name, task in sorted(app.tasks.items())  # Celery's own order differs from process to process
    if name.startswith("tasks.")
}
NAMES = {"primes", "csv_total", "hash", "http", "mixed", "sleep", "noop", "flaky", "leak", "crash"}


def test_every_task_is_there_under_the_name_that_people_type() -> None:
    assert set(TASKS) == {f"tasks.{name}" for name in NAMES}


@pytest.mark.parametrize("task", TASKS.values(), ids=list(TASKS))
def test_every_argument_is_typed_documented_and_has_a_default(task: Any) -> None:
    doc = inspect.getdoc(task.run) or ""
    assert doc
    hints = typing.get_type_hints(task.run)
    for name, parameter in inspect.signature(task.run).parameters.items():
        if name == "self":
            continue
        assert parameter.default is not inspect.Parameter.empty
        assert hints[name] in (int, float) or typing.get_origin(hints[name]) is typing.Literal
        assert f"    {name}: " in doc.partition("Args:")[2]


@pytest.mark.parametrize(
    ("task", "arguments"),
    [
        (cpu.primes, {"limit": 1}),
        (cpu.primes, {"limit": "many"}),
        (cpu.primes, {"limit": True}),
        (cpu.csv_total, {"rows": 0}),
        (cpu.csv_total, {"by": "colour"}),
        (cpu.hash_data, {"megabytes": 0}),
        (cpu.hash_data, {"algorithm": "md5"}),
        (io.http_calls, {"calls": 0}),
        (io.http_calls, {"wait": 61}),
        (io.mixed, {"limit": 0}),
        (io.sleep, {"seconds": -1}),
        (io.sleep, {"seconds": float("nan")}),
        (behaviour.leak, {"megabytes": 0}),
        (behaviour.leak, {"cap": 0}),
        (behaviour.crash, {"how": "gently"}),
        (behaviour.crash, {"after": -0.1}),
    ],
)
def test_wrong_arguments_are_refused_in_a_sentence(task: Any, arguments: dict[str, Any]) -> None:
    (name,) = arguments
    with pytest.raises(ValueError, match=rf"^{name} must .*\.$"):
        task(**arguments)


@pytest.mark.parametrize(("limit", "count"), [(2, 0), (3, 1), (4, 2), (10, 4), (100, 25), (10_000, 1229)])
def test_primes(limit: int, count: int) -> None:
    assert cpu.primes(limit) == count


def test_hash() -> None:
    assert cpu.hash_data(3, "sha512") == hashlib.sha512(bytes(3 * 1024 * 1024)).hexdigest()


def test_sleep_tells_how_long_it_took() -> None:
    assert io.sleep(0.02) >= 0.02


def test_csv_total_by_region_and_by_product_are_the_same_money() -> None:
    by_region, by_product = cpu.csv_total(5_000), cpu.csv_total(5_000, by="product")
    assert set(by_region) == set(sample_data.REGIONS)
    assert set(by_product) == set(sample_data.PRODUCTS)
    assert sum(by_region.values()) == pytest.approx(sum(by_product.values()))
    assert cpu.csv_total(1)[next(iter(cpu.csv_total(1)))] > 0


def test_many_processes_may_ask_for_the_sample_data_at_once(desk_home: Path) -> None:
    code = "from tasks.cpu import csv_total; print(csv_total(200_000))"
    asked = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(4)
    ]
    answers = [process.communicate()[0] for process in asked]
    assert answers[0].startswith("{'east': ")
    assert len(set(answers)) == 1
    assert [path.name for path in (desk_home / "cache" / "samples").iterdir()] == [sample_data.FILE_NAME]


def test_sample_data_that_cannot_be_written_is_told_in_a_sentence(desk_home: Path) -> None:
    desk_home.write_text("a file where the folder should be")
    with pytest.raises(RuntimeError, match=r"could not be written to .* Make room"):
        cpu.csv_total()


def test_http_without_a_server_says_what_to_add(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(io.SLOW_HTTP, raising=False)
    with pytest.raises(io.SlowServerMissing, match=r"Add a section \[web\] to the stack file"):
        io.http_calls()


@pytest.mark.parametrize("address", ["127.0.0.1:80", "https://127.0.0.1:80", "http://127.0.0.1"])
def test_http_with_an_address_that_is_none(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv(io.SLOW_HTTP, address)
    with pytest.raises(io.SlowServerMissing, match="must look like"):
        io.http_calls()


def test_leak_holds_touched_memory_up_to_its_cap() -> None:
    code = (
        "import psutil; from tasks.behaviour import leak; leak(1, hold=0)\n"
        "def rss(): return psutil.Process().memory_info().rss\n"
        "before = rss(); print(leak(40, 70, 0), leak(40, 70, 0), leak(40, 70, 0), rss() - before)"
    )
    first, second, third, grown = map(int, subprocess.check_output([sys.executable, "-c", code]).split())
    assert (first, second, third) == (41, 70, 70)
    assert grown >= 68 * 1024 * 1024


@pytest.mark.parametrize(("how", "code"), [("exit", 7), ("segv", -11), ("kill", -9)])
def test_crash_ends_the_process_that_runs_it(how: str, code: int) -> None:
    call = f"from tasks.behaviour import crash; crash({how!r}, 0)"
    assert subprocess.run([sys.executable, "-c", call], check=False).returncode == code


def test_flaky_tells_the_attempt_that_succeeded_and_knows_its_bounds() -> None:
    assert behaviour.flaky(failures=0) == 1  # type: ignore[call-arg]
    with pytest.raises(ValueError, match="failures must"):
        behaviour.flaky(failures=12)  # type: ignore[call-arg]


def test_sending_without_a_broker_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CELERY_BROKER_URL", raising=False)
    with pytest.raises(NoBroker, match="Set CELERY_BROKER_URL"):
        TASKS["tasks.noop"].delay()


def test_results_are_kept_only_where_there_is_a_backend() -> None:
    code = "from tasks.app import app; print(app.conf.task_ignore_result)"
    told = [
        subprocess.check_output(
            [sys.executable, "-c", code], env={**_environment(), **extra}, text=True
        ).strip()
        for extra in ({}, {"CELERY_RESULT_BACKEND": "redis://127.0.0.1:1/0"})
    ]
    assert told == ["True", "False"]


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("CELERY_RESULT")}


def test_the_sample_app_imports_nothing_of_the_panel() -> None:
    code = (
        "import sys, tasks.app, tasks.cpu, tasks.io, tasks.behaviour, tasks.slow_http\n"
        "print([name for name in sys.modules if name.split('.')[0] in ('desktop', 'PySide6')])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "[]\n"
