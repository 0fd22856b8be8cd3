"""What a report says of a run, and that it lets nothing out and nothing in."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from desktop.engine.api import Account, DeskError, Finding, Underway
from desktop.engine.report import compare
from desktop.engine.report.as_html import html
from desktop.engine.report.as_json import as_json
from desktop.engine.report.as_junit import junit
from desktop.engine.report.as_markdown import code, markdown, plain
from desktop.engine.report.gather import gather
from desktop.engine.report.model import Report
from desktop.engine.report.setup import differences
from desktop.engine.report.words import printable
from desktop.engine.report.write import check_formats, write_reports
from desktop.engine.runs.opening import Place
from desktop.engine.runs.pack import pack
from desktop.engine.runs.underway import Progress
from desktop.engine.stack.secrets import hidden
from tests.support.made_report import HOSTILE, made_report, task_id

XHTML = "{http://www.w3.org/1999/xhtml}"
WRITERS = (html, markdown, as_json, junit)


def read(folder: Path) -> Report:
    record = Place(folder).record(Progress(Underway()))
    try:
        return gather(folder, record, Progress(Underway()))
    finally:
        record.close()


@pytest.fixture(scope="module")
def failed(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """Of a drill that failed, 2 of 400 tasks lost."""
    return read(made_report(tmp_path_factory.mktemp("runs") / "20260921-151320-shop"))


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """Of a drill whose tasks, errors and log lines are written to do harm."""
    return read(made_report(tmp_path_factory.mktemp("runs") / "hostile", hostile=True))


@pytest.fixture(scope="module")
def plain_run(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """Of a run that was no drill."""
    return read(made_report(tmp_path_factory.mktemp("runs") / "20260921-151320-plain", finding=None))


def page_of(report: Report) -> ET.Element:
    return ET.fromstring(html([report]))


def texts(page: ET.Element, tag: str) -> Iterator[str]:
    return (" ".join("".join(one.itertext()).split()) for one in page.iter(XHTML + tag))


# -- what it says


def test_the_page_says_the_verdict_first_then_everything_in_its_order(failed: Report) -> None:
    heads = list(texts(page_of(failed), "h2"))
    assert heads == [
        *("What it teaches", "What to change", "Checks", "Account", "The first task that was lost"),
        *("The first task that ran twice", "Faults", "Graphs", "Log lines round each fault"),
        *("Settings", "Do it again", "What this report cannot know"),
    ]
    words = " ".join(page_of(failed).itertext())
    assert words.index("FAIL") < words.index("2 of 200 tasks were lost.") < words.index("What it teaches")


def test_every_id_of_a_task_that_was_lost_or_ran_twice_is_in_each_format(failed: Report) -> None:
    many = tuple(task_id(number) for number in range(1000, 1200))
    report = replace(failed, account=replace(failed.account, lost=many, ran_twice=(task_id(2),)))
    for write in WRITERS:
        text = write([report])
        assert all(one in text for one in (*many, task_id(2))), write.__name__


def test_the_account_adds_up(failed: Report) -> None:
    told = compare.parts(failed)
    assert sum(part.count for part in told) == failed.account.submitted == 400
    assert {part.key: part.count for part in told} == {
        "ended_once": 396,
        "ended_more": 1,
        "failed": 1,
        "lost": 2,
    }


def test_forecast_and_outcome_stand_side_by_side_and_what_differs_is_marked(failed: Report) -> None:
    first, second, *_ = failed.faults
    assert [line.same for line in compare.foretold(first)] == [True, True, True, True, None]
    rows = {line.what: (line.forecast, line.outcome, line.same) for line in compare.foretold(second)}
    assert rows["lost"] == ("2", "3", False)
    assert rows["failed"] == ("0", "0", True)
    differing = [row for row in page_of(failed).iter(f"{XHTML}tr") if row.get("class") == "differs"]
    assert len(differing) == 3


def test_the_first_task_is_told_in_words_with_the_fault_that_hit_it(failed: Report) -> None:
    lost, twice = failed.stories
    assert (lost.why, lost.task.row.id) == ("lost", task_id(0))
    said = [text for _, text in lost.steps]
    assert said[0] == "It was sent to the queue celery."
    assert "Run 1 was cut off after 1.78 s: its process died while it ran." in said
    assert any(text.startswith("Fault 1: SIGKILL to w1") for text in said)
    assert said[-1].startswith("It was found to be lost")
    assert (twice.task.row.id, [one.state for one in twice.task.attempts]) == (task_id(2), ["CUT", "SUCCESS"])
    assert "w2 received its message again." in [text for _, text in twice.steps]


def test_faults_that_were_done_by_hand_are_judged_for_the_report(plain_run: Report) -> None:
    assert plain_run.judged is None
    assert all(fault.outcome is not None for fault in plain_run.faults if fault.landed)
    assert [one.fault for one in plain_run.recovery] == [1, 2, 4]
    top = compare.headline(plain_run)
    assert (top.word, top.tone) == ("Tasks lost", "bad")
    assert "2 lost, 1 ran twice" in top.why


@pytest.mark.parametrize(
    ("account", "word", "tone"),
    [
        (Account(submitted=3, ended_once=3), "Nothing lost", "good"),
        (Account(submitted=3, ended_once=2, still={"waiting": 1}), "Nothing lost", "warn"),
        (Account(submitted=3, ended_once=2, ended_more=("a",)), "Nothing lost", "warn"),
        (Account(submitted=3, ended_once=3, copies=1), "Nothing lost", "warn"),
        (Account(), "No tasks", "warn"),
    ],
)
def test_a_run_without_a_drill_is_told_by_its_account(
    plain_run: Report, account: Account, word: str, tone: str
) -> None:
    top = compare.headline(replace(plain_run, account=account))
    assert (top.word, top.tone) == (word, tone)


def test_only_settings_that_are_not_celerys_own_are_told() -> None:
    celery = {
        "task_acks_late": False,
        "worker_prefetch_multiplier": 1,
        "accept_content": ["json"],
        "broker_transport_options": {"visibility_timeout": 60, "password": "hunter2"},
        "result_expires": 86400,
        "task_time_limit": None,
    }
    found = {one.name: (one.here, one.default) for one in differences(celery)}
    assert found["worker_prefetch_multiplier"] == ("1", "4")
    assert found["broker_transport_options"] == ('{ visibility_timeout = 60, password = "left out" }', "{}")
    assert "task_acks_late" not in found
    assert "accept_content" not in found
    assert "task_time_limit" not in found


def test_what_cannot_be_known_is_said(failed: Report) -> None:
    report = replace(failed, gaps=("The file w1.001.4242.jsonl is gone.",))
    for write in WRITERS:
        assert "w1.001.4242.jsonl" in re.sub(r"\\", "", write([report])), write.__name__


def test_a_verdict_that_cannot_be_read_is_a_gap_and_the_account_is_told(tmp_path: Path) -> None:
    folder = made_report(tmp_path / "run", logs=False)
    (folder / "drill.json").write_text("{", encoding="utf-8")
    report = read(folder)
    assert report.judged is None
    assert any("drill.json" in gap for gap in report.gaps)
    assert report.account.lost == (task_id(0), task_id(1))


def test_a_message_of_a_task_that_is_over_is_told_of(failed: Report) -> None:
    report = replace(failed, account=replace(failed.account, copies=2))
    for write in (html, markdown, junit):
        assert "2 tasks that ended lie in the broker once more, and will run again." in write([report])


# -- several runs


def test_of_several_runs_the_worst_is_told_in_full_after_a_table_of_all(failed: Report) -> None:
    passed = replace(failed, run="good", judged=replace(failed.judged, finding=Finding.PASS))  # type: ignore[type-var]
    unsure = replace(failed, run="unsure", judged=replace(failed.judged, finding=Finding.UNKNOWN))  # type: ignore[type-var]
    page = ET.fromstring(html([passed, unsure, failed]))
    assert "FAIL 1 of 3 times, UNKNOWN 1 of 3 times, PASS 1 of 3 times." in list(texts(page, "p"))
    assert f"The worst of them in full: {failed.run}, seed 41" in list(texts(page, "h2"))
    suites = ET.fromstring(junit([passed, unsure, failed]))
    assert (suites.get("errors"), suites.get("failures")) == ("1", "3")
    assert [run["run"] for run in json.loads(as_json([passed, unsure, failed]))["runs"]] == [
        failed.run,
        "unsure",
        "good",
    ]


# -- for machines


def test_junit_has_a_case_for_each_check_and_the_ids_of_what_broke_it(failed: Report) -> None:
    (suite,) = ET.fromstring(junit([failed]))
    assert (suite.get("name"), suite.get("tests"), suite.get("failures")) == ("kill-early", "3", "1")
    failure = suite.find("testcase/failure")
    assert failure is not None
    assert failure.get("message") == "wanted at most 0, found 2"
    assert (failure.text or "").split() == [task_id(0), task_id(1)]
    assert {one.get("name"): one.get("value") for one in suite.iter("property")}["seed"] == "41"


def test_a_drill_that_cannot_tell_is_an_error_in_junit(failed: Report) -> None:
    assert failed.judged is not None
    report = replace(failed, judged=replace(failed.judged, finding=Finding.UNKNOWN, reason="A fault missed."))
    error = ET.fromstring(junit([report])).find("testsuite/testcase/error")
    assert error is not None
    assert error.get("message") == "A fault missed."


def test_the_json_has_what_the_page_has(failed: Report) -> None:
    whole = json.loads(as_json([failed]))
    (run,) = whole["runs"]
    assert (whole["format"], run["verdict"], run["drill"]["seed"]) == (1, "FAIL", 41)
    assert run["account"]["lost"] == [task_id(0), task_id(1)]
    assert [fault["landed_at"] is not None for fault in run["faults"]] == [True, True, False, True]
    depth = run["graphs"][0]
    assert depth["title"] == "Queue depth"
    assert all(len(curve["low"]) == len(depth["t"]) for curve in depth["curves"])


# -- nothing comes in


class Loads(HTMLParser):
    """Everything by which a page could fetch or run something, and every tag that was not closed."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.scripts = 0
        self.handlers: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.scripts += tag == "script"
        self.loads += [tag] if tag in ("link", "iframe", "object", "embed", "img", "base", "form") else []
        for name, value in attrs:
            self.handlers += [name] if name.startswith("on") else []
            if name in ("src", "href", "srcset", "action", "data", "xlink:href") and not (
                value or ""
            ).startswith("#"):
                self.loads.append(f"{name}={value}")


def test_the_page_of_hostile_texts_is_well_formed_and_loads_and_runs_nothing_of_theirs(
    hostile: Report,
) -> None:
    text = html([hostile])
    page = ET.fromstring(text)
    found = Loads()
    found.feed(text)
    assert (found.loads, found.handlers, found.scripts) == ([], [], 1)
    assert "url(" not in text
    assert "@import" not in text
    assert '<script>alert(1)</script> ]]> & "quoted"' in "".join(page.itertext())
    assert not re.search("[\x00-\x08\x0b-\x1f\u202e]", text)


def test_the_names_of_hostile_texts_are_no_markup_elsewhere(hostile: Report) -> None:
    suite = ET.fromstring(junit([hostile]))
    assert suite.get("failures") == "1"
    assert json.loads(as_json([hostile]))["runs"][0]["account"]["failed"][task_id(3)]
    text = markdown([hostile])
    outside = re.sub(r"(?s)^(`{3,}).*?^\1$", "", text, flags=re.MULTILINE)
    outside = re.sub(r"(`+) ?[^\n]*?[^`]\1(?!`)", "", outside)
    assert "<script>" not in outside
    assert "@octocat" not in outside


@pytest.mark.parametrize("text", ["a`b", "``", "x | y", "`", "a\nb", "<b>", "w1@host"])
def test_markdown_keeps_a_text_on_its_line_and_in_its_cell(text: str) -> None:
    for shown in (code(text), plain(text)):
        assert "\n" not in shown
        assert not re.search(r"(?<!\\)\|", shown)
    assert "<b>" not in plain(text)


def test_what_cannot_be_seen_is_made_visible() -> None:
    assert printable("a\x00b\x1b[31m\u202ec\x7f") == "a␀b␛[31m\ufffdc␡"
    assert printable("a\r\nb\tc") == "a\nb\tc"


def test_a_huge_traceback_and_a_long_list_stay_within_bounds(hostile: Report) -> None:
    text = "x" * 100_000
    failed = tuple((task_id(5000 + number), f"Error {number % 3}") for number in range(5_000))
    report = replace(hostile, account=replace(hostile.account, failed=((task_id(3), text), *failed)))
    assert len(markdown([report])) < 65_536
    page = html([report])
    assert page.count("Error 0") == 1
    assert "The first 1,000 of 1,667 ids" in page


# -- nothing gets out


def test_no_password_leaves_the_machine_in_any_format(
    hostile: Report, failed: Report, plain_run: Report
) -> None:
    assert "hunter2" in HOSTILE
    for report in (hostile, failed, plain_run):
        for write in WRITERS:
            assert "hunter2" not in write([report]), (report.run, write.__name__)


def test_what_was_left_out_stays_so_however_often_it_is_looked_at() -> None:
    for text in ("--password=a b", "redis://u:secret@h/0 --api-key='x y'", '["--token=a", 1]'):
        once = hidden(text)
        assert once != text
        assert hidden(once) == once


# -- files


def test_a_zip_is_reported_as_its_folder_is(tmp_path: Path, desk_home: Path) -> None:
    folder = made_report(tmp_path / "20260921-151320-shop")
    pack(folder, tmp_path / "run.zip", Progress(Underway()))
    out = tmp_path / "out"
    (path,) = write_reports([tmp_path / "run.zip"], out, ["json"], Progress(Underway()))
    run = json.loads(path.read_text("utf-8"))["runs"][0]
    assert (run["run"], run["verdict"], len(run["faults"])) == (path.stem, "FAIL", 4)
    assert [one.name for one in out.iterdir()] == [path.name]


@pytest.mark.parametrize("words", [["htm"], [], ["html", "pdf"]])
def test_a_format_that_there_is_not_is_told_with_those_there_are(words: list[str]) -> None:
    with pytest.raises(DeskError, match="html, md, json, junit"):
        check_formats(words)


def test_what_cannot_be_written_is_told(tmp_path: Path, desk_home: Path) -> None:
    folder = made_report(tmp_path / "run", logs=False)
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DeskError, match="could not be written"):
        write_reports([folder], tmp_path / "file", ["md"], Progress(Underway()))
