"""What is told of a task in words and in time, without a window."""

from __future__ import annotations

import pytest

from desktop.engine.api import (
    AttemptRow,
    Delivery,
    Mark,
    MarkKind,
    TaskDetail,
    TaskFilter,
    TaskRow,
    TaskState,
)
from desktop.ui.models.task_columns import clock, fine
from desktop.ui.models.task_life import Phase, life_of, story
from desktop.ui.models.task_words import filter_of, filter_words
from desktop.ui.models.windows import stretches
from desktop.ui.pages.tasks_life import round_step, round_words, told
from desktop.ui.pages.tasks_texts import pretty

STRANDED = frozenset({TaskState.STRANDED})
ROW = TaskRow(
    1, "a", "tasks.fetch", TaskState.SUCCESS, "celery", "w1", sent=100.0, attempts=2, ran_twice=True
)
TWICE = TaskDetail(
    ROW,
    "[]",
    "{}",
    attempts=(
        AttemptRow("w2", 1, 41, 102.0, 101.0, 104.0, "CUT"),
        AttemptRow("w1", 1, 42, 116.0, 115.0, 118.0, "SUCCESS", run=2.0),
    ),
    deliveries=(Delivery(101.0, "w2", 1), Delivery(115.0, "w1", 1, redelivered=True)),
)


def phases(detail: TaskDetail, now: float) -> list[tuple[str, str, float, float]]:
    life = life_of(detail, now)
    assert life is not None
    return [(lane.worker, s.phase.value, s.since, s.until) for lane in life.lanes for s in lane.stretches]


def test_a_life_tells_where_the_message_was_at_every_moment() -> None:
    assert phases(TWICE, 200.0) == [
        ("", "waiting", 100.0, 101.0),
        ("", "stranded", 104.0, 115.0),
        ("w2", "reserved", 101.0, 102.0),
        ("w2", "running", 102.0, 104.0),
        ("w1", "reserved", 115.0, 116.0),
        ("w1", "running", 116.0, 118.0),
    ]


def test_a_retry_waits_with_the_worker_until_its_eta() -> None:
    attempts = (
        AttemptRow("w1", 1, 41, 100.5, 100.2, 101.0, "RETRY"),
        AttemptRow("w1", 1, 41, 104.1, 101.1, 104.5, "SUCCESS", retries=1),
    )
    deliveries = (Delivery(100.2, "w1", 1), Delivery(101.1, "w1", 1, retries=1, eta=104.0))
    row = TaskRow(1, "a", "t", TaskState.SUCCESS, "celery", "w1", sent=100.0, attempts=2)
    found = phases(TaskDetail(row, "", "", attempts=attempts, deliveries=deliveries), 200.0)
    assert ("w1", "scheduled", 101.1, 104.0) in found
    assert ("w1", "reserved", 104.0, 104.1) in found
    assert ("", "waiting", 101.0, 101.1) in found
    assert "retried once" in story(TaskDetail(row, "", "", attempts=attempts), 200.0)


def test_what_goes_on_lasts_until_now() -> None:
    row = TaskRow(1, "a", "t", TaskState.ACTIVE, "celery", "w1", sent=100.0, attempts=1)
    running = TaskDetail(row, "", "", attempts=(AttemptRow("w1", 1, 41, 101.0),))
    life = life_of(running, 110.0)
    assert life is not None
    assert life.lanes[-1].stretches[-1].open
    assert life.until == 110.0
    waiting = TaskDetail(TaskRow(2, "b", "t", TaskState.WAITING, "celery", sent=100.0), "", "")
    assert phases(waiting, 107.0) == [("", "waiting", 100.0, 107.0)]


def test_a_stranded_message_reaches_to_when_it_comes_back() -> None:
    row = TaskRow(1, "a", "t", TaskState.STRANDED, "celery", "w2", sent=100.0)
    detail = TaskDetail(row, "", "", deliveries=(Delivery(101.0, "w2", 1),), back_at=160.0)
    life = life_of(detail, 120.0)
    assert life is not None
    assert life.until == 160.0
    assert life.lanes[-1].stretches[-1].phase is Phase.STRANDED
    gone = "Its message was delivered to w2, which is gone."
    assert story(detail, 120.0) == f"{gone} It may be delivered again in 40 s."
    assert story(detail, 170.0).endswith("when a living worker next looks for such messages.")


def test_a_task_that_waits_for_its_retry_waits_on() -> None:
    row = TaskRow(1, "a", "t", TaskState.WAITING, "celery", "w1", sent=100.0, attempts=1)
    retry = AttemptRow("w1", 1, 41, 100.5, 100.2, 101.0, "RETRY")
    detail = TaskDetail(row, "", "", attempts=(retry,), deliveries=(Delivery(100.2, "w1", 1),))
    assert ("", "waiting", 101.0, 130.0) in phases(detail, 130.0)


def test_a_task_of_which_nothing_is_known_has_no_life() -> None:
    assert life_of(TaskDetail(TaskRow(1, "a", "", TaskState.UNKNOWN), "", ""), 100.0) is None


def test_a_life_takes_the_marks_of_its_workers_only() -> None:
    marks = [
        Mark(104.0, MarkKind.KILLED, "w2", "w2 was killed by SIGKILL"),
        Mark(105.0, MarkKind.KILLED, "w9", "w9 was killed by SIGKILL"),
        Mark(900.0, MarkKind.KILLED, "w2", "w2 was killed by SIGKILL"),
    ]
    life = life_of(TWICE, 200.0, marks)
    assert life is not None
    assert life.marks == (marks[0],)
    said = told(life)
    assert said.index("w2 was killed") < said.index("Running on w1 for 2.00 s")
    assert "Stranded with a worker that is gone for 11.0 s" in said


def test_a_story_tells_what_is_out_of_the_ordinary() -> None:
    said = story(TWICE, 200.0)
    assert "2.00 s into this task" in said
    assert "11 s later its message came back, and w1 ran it from the start." in said
    plain = TaskDetail(TaskRow(1, "a", "t", TaskState.SUCCESS, attempts=1), "", "")
    assert story(plain, 200.0) == ""


def test_short_json_stays_as_it_came() -> None:
    assert pretty("[1, 2]") == "[1, 2]"
    assert pretty("no json " * 20) == "no json " * 20
    assert pretty('{"a": [' + ", ".join(["1234567890"] * 12) + "]}").startswith('{\n  "a": [')


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (
            "state:stranded queue:mail",
            TaskFilter(frozenset({TaskState.STRANDED}), queues=frozenset({"mail"})),
        ),
        ("worker:w1 worker:w2 twice", TaskFilter(workers=frozenset({"w1", "w2"}), ran_twice=True)),
        ("load:3", TaskFilter(load=3)),
        ("name:tasks.fetch text:x", TaskFilter(names=frozenset({"tasks.fetch"}), text="x")),
        ("state:nonsense", None),
        ("0b3e1f3a-5a0e-4b0c-9a2f-77cd0a1e0001", None),
        ("", None),
    ],
)
def test_other_pages_ask_in_words(text: str, wanted: TaskFilter | None) -> None:
    assert filter_of(text) == wanted


def test_a_filter_in_words_is_short() -> None:
    many = TaskFilter(names=frozenset("abcdef"), load=2)
    assert filter_words(many) == "of a, b or 4 more, of workload 2"
    assert filter_words(TaskFilter()) == ""


@pytest.mark.parametrize(
    ("seconds", "wanted"),
    [
        (None, "–"),
        (0.0, "0.0 ms"),
        (0.00031, "0.3 ms"),
        (0.1844, "184 ms"),
        (0.9996, "1.00 s"),
        (1.2351, "1.24 s"),
        (12.44, "12.4 s"),
        (59.97, "1 min"),
        (252.0, "4 min 12 s"),
    ],
)
def test_durations_have_three_figures(seconds: float | None, wanted: str) -> None:
    assert fine(seconds) == wanted


def test_a_moment_that_is_not_known_is_a_dash() -> None:
    assert clock(None) == "–"
    assert clock(1_790_000_000.25).endswith(".250")


def test_numbers_are_read_in_few_stretches() -> None:
    assert stretches([]) == []
    assert stretches([1, 2, 3, 30, 90]) == [(1, 30), (90, 90)]
    assert stretches(list(range(0, 1000, 10)))[0] == (0, 190)


@pytest.mark.parametrize("whole", [0.0004, 0.3, 1.0, 13.6, 59.0, 240.0, 5_000.0, 90_000.0, 3e6])
def test_the_axis_of_a_life_has_round_steps_and_few(whole: float) -> None:
    step = round_step(whole)
    assert whole / step <= 5.000001
    assert "." not in round_words(step) or step < 0.001 or step > 86_400
