"""Reports as the real program writes them: of a stack that was just broken, and from the command line."""

from __future__ import annotations

import json
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import pytest

from desktop.engine.api import FaultKind, FaultSpec, Pick, Target, TaskShare, Workload
from desktop.engine.desk import LocalDesk
from desktop.engine.stack.parse import parse_stack
from tests.support.made_report import made_report, task_id
from tests.support.small_run import small_run
from tests.support.up import ROOT
from tests.support.waiting import eventually

STACK = """\
name = "small"

[app]
env = { SHOP_KEY = "hunter2-key" }

[[worker]]
name = "w1"
pool = "prefork"
concurrency = 1
restart = "never"
"""


@pytest.fixture
def desk() -> Iterator[LocalDesk]:
    desk = LocalDesk(parse_stack(STACK))
    yield desk
    desk.close()


def test_a_stack_that_was_just_broken_is_reported_while_it_runs(desk: LocalDesk, tmp_path: Path) -> None:
    desk.start().result(60)
    desk.submit(Workload((TaskShare("tasks.sleep", kwargs={"seconds": 60}),), count=1)).result(10)
    eventually(lambda: desk.snapshot().totals.started == 1, "it runs")
    desk.inject(FaultSpec(FaultKind.KILL_WORKER, Target(Pick.NAME, "w1"))).result(20)
    folder = desk.snapshot().run_folder
    assert folder is not None
    eventually(lambda: desk.account().result(20).lost, "the record knows")
    (page, whole) = desk.report_run(folder, tmp_path, ("html", "json")).result(60)
    (run,) = json.loads(whole.read_text("utf-8"))["runs"]
    assert (run["live"], run["verdict"], len(run["account"]["lost"])) == (True, None, 1)
    assert any("still being recorded" in gap for gap in run["gaps"])
    assert any("killed by SIGKILL" in mark["text"] for mark in run["logs"][0]["exits"])
    assert any("ready" in line["text"] for line in run["logs"][0]["services"]["w1"])
    assert "hunter2" not in whole.read_text("utf-8")
    text = "".join(ET.fromstring(page.read_text("utf-8")).itertext())
    assert run["account"]["lost"][0] in text
    assert "Run 1 was cut off after" in text


def report(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / "main.py"), "report", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_last_run_as_every_format(tmp_path: Path, desk_home: Path) -> None:
    small_run("20260921-151320-laptop")
    done = report("latest", "--to", "html,md,json,junit", "--out", str(tmp_path / "out"))
    assert (done.returncode, done.stderr) == (0, "")
    paths = [Path(line) for line in done.stdout.splitlines()]
    assert [path.name.removeprefix("20260921-151320-laptop") for path in paths] == [
        *(".html", ".md", ".json", ".junit.xml")
    ]
    suite = ET.parse(paths[3]).getroot()
    assert (suite.get("tests"), suite.get("failures")) == ("1", "1")
    assert "# ❌ Tasks lost: laptop" in paths[1].read_text("utf-8")


def test_repeats_of_a_drill_are_one_report(tmp_path: Path, desk_home: Path) -> None:
    folders = [made_report(tmp_path / f"run{seed}", seed=seed, logs=False) for seed in (41, 42)]
    done = report(*map(str, folders), "--to", "md", "--out", str(tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
    text = Path(done.stdout.strip()).read_text("utf-8")
    assert text.startswith("# ❌ FAIL: 2 runs")
    assert text.count(task_id(0)) >= 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere"], "There is no run 'nowhere'."),
        (["{home}", "--to", "html"], "is no run folder"),
        (["{run}", "--to", "pdf"], "'pdf' is no format of a report."),
        ([], "Missing argument"),
    ],
)
def test_bad_input_ends_with_64_and_one_message(
    tmp_path: Path, desk_home: Path, arguments: list[str], said: str
) -> None:
    run = small_run("20260921-151320-laptop")
    done = report(
        *(word.format(home=tmp_path, run=run) for word in arguments), "--out", str(tmp_path / "out")
    )
    assert (done.returncode, done.stdout) == (64, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()
