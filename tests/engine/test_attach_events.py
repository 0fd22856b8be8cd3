"""Celery's events as lines of the ledger: each end of a task, restarts, counters, clocks."""

from __future__ import annotations

from typing import Any

import pytest

from desktop.engine.attach.gaps import COUNTED, Gaps
from desktop.engine.attach.nodes import Counter, Short
from desktop.engine.attach.pipe import Opened
from desktop.engine.attach.translate import Translator
from tests.engine.attach_support import event, heartbeat, kinds, life, received

T = 1_795_000_000.0


def taken(*events: dict[str, Any], by: Translator | None = None, now: float = T) -> list[dict[str, Any]]:
    """The lines of these events, but for the worker's figures."""
    translator = by or Translator()
    translator.take(events, now)
    assert translator.bad == 0
    return [dict(line.data) for line in translator.lines() if line.data["k"] != "pool"]


def test_a_task_from_its_sending_to_its_end() -> None:
    sent = event("task-sent", T, node="gen7@there", pid=7, uuid="a", name="tasks.add", queue="mail")
    lines = taken(sent, heartbeat(T), *life("a", T))
    assert [line["k"] for line in lines] == ["sent", "open", "ready", "received", "started", "ended"]
    assert lines[0]["ids"] == ["a"]
    assert lines[0]["queue"] == "mail"
    assert (lines[1]["node"], lines[1]["celery"], lines[1]["start"]) == ("w1@there", "5.7.0", 1)
    assert (lines[3]["args"], lines[3]["kwargs"], lines[3]["root"]) == ("(1, 2)", "{}", "a")
    assert (lines[4]["name"], lines[4]["retries"]) == ("tasks.add", 0)
    assert (lines[5]["state"], lines[5]["run"], lines[5]["result"]) == ("SUCCESS", 0.01, "3")


def test_a_failure_has_its_error_and_its_traceback_and_ran_so_long() -> None:
    failed = event(
        "task-failed", T + 1.5, uuid="a", exception="ValueError('no')", traceback="Traceback: x" * 999
    )
    *_, ended = taken(received("a", T), event("task-started", T + 1, uuid="a"), failed)
    assert (ended["state"], ended["error"], ended["run"]) == ("FAILURE", "ValueError('no')", 0.5)
    assert len(ended["traceback"]) < 6100
    assert "characters left out" in ended["traceback"]


def test_a_retry_is_received_before_the_first_run_is_told_to_have_ended() -> None:
    again = received("a", T + 0.2, retries=1, parent_id="a", eta="2026-11-22T18:22:20.500000+00:00")
    retried = event("task-retried", T + 0.3, uuid="a", exception="OSError('busy')", traceback="…")
    second = event("task-started", T + 1, uuid="a")
    lines = taken(received("a", T), event("task-started", T + 0.1, uuid="a"), again, retried, second)
    assert [line.get("retries") for line in lines[2:]] == [0, 0, 1, None, 1]
    assert lines[5]["state"] == "RETRY"
    assert lines[4]["eta"] == pytest.approx(1_795_371_740.5)
    assert lines[4]["parent"] is None


def test_a_rejection_is_one_end_although_celery_tells_two() -> None:
    failed = event(
        "task-failed", T + 1, uuid="a", exception="reject requeue=False: not mine", traceback="why"
    )
    rejected = event("task-rejected", T + 1, uuid="a", requeue=False)
    lines = taken(received("a", T), event("task-started", T, uuid="a"), failed, rejected)
    ends = [line for line in lines if line["k"] == "ended"]
    assert [(end["state"], end["requeue"], end["traceback"]) for end in ends] == [("REJECTED", False, "why")]
    early = taken(received("a", T), event("task-started", T, uuid="a"), failed)
    assert early[-1]["state"] == "REJECTED", "acknowledged early, nothing more is told"
    older = taken(received("a", T), event("task-started", T, uuid="a"), rejected)
    assert older[-1]["state"] == "REJECTED", "Celery before 5.7"


def test_a_time_limit_that_puts_the_message_back_is_one_end() -> None:
    failed = event("task-failed", T + 1, uuid="a", exception="TimeLimitExceeded(1)", traceback=None)
    back = event("task-rejected", T + 1, uuid="a", requeue=True)
    lines = taken(received("a", T), event("task-started", T, uuid="a"), failed, back)
    assert [line["state"] for line in lines if line["k"] == "ended"] == ["FAILURE"]


def test_revoked_before_it_ran_and_while_it_ran() -> None:
    before = event("task-revoked", T + 1, uuid="a", terminated=False, signum=None, expired=True)
    while_running = event("task-revoked", T + 2, uuid="b", terminated=True, signum=15, expired=False)
    lines = taken(
        received("a", T), before, received("b", T), event("task-started", T, uuid="b"), while_running
    )
    revoked, ended = lines[3], lines[-1]
    assert (revoked["k"], revoked["expired"], revoked["name"]) == ("revoked", True, "tasks.add")
    assert (ended["k"], ended["state"], ended["run"]) == ("ended", "REVOKED", 2.0)


def test_a_worker_that_cuts_off_its_own_task() -> None:
    cancelled = event("task-cancelled", T + 1, uuid="a")
    lines = taken(received("a", T), event("task-started", T, uuid="a"), cancelled)
    assert (lines[-1]["state"], lines[-1]["error"]) == ("RETRY", "cancelled by its worker")


def test_long_arguments_are_left_out_and_said_so() -> None:
    line = taken(received("a", T, args="x" * 3000))[-1]
    assert (line["args"], line["kwargs"], line["args_cut"]) == (None, "{}", True)


def test_events_without_what_every_event_has_are_counted_and_harm_nothing() -> None:
    translator = Translator()
    broken: list[dict[str, Any]] = [
        {"type": "task-received"},
        {},
        event("task-started", T),
        event("task-received", T, uuid=[], name=3),
        event("task-succeeded", "yesterday", uuid="a"),  # type: ignore[arg-type]
    ]
    translator.take([*broken, event("my-own-kind", T), *life("a", T)], T)
    assert translator.bad == len(broken)
    assert kinds(translator.lines()) == ["open", "ready", "received", "started", "ended"]


# -- workers


def starts(translator: Translator) -> int:
    return translator.nodes["w1@there"].source.start


def test_a_worker_that_lost_the_broker_is_the_same_worker() -> None:
    translator = Translator()
    lines = taken(
        heartbeat(T, processed=5, kind="online"),
        heartbeat(T + 1, processed=6, kind="offline"),
        heartbeat(T + 2, processed=6, kind="online"),
        by=translator,
    )
    assert [line["k"] for line in lines] == ["open", "ready", "closing", "ready"]
    assert starts(translator) == 1


@pytest.mark.parametrize("kind", ["online", "heartbeat"])
def test_a_count_that_begins_anew_is_another_process_of_the_same_number(kind: str) -> None:
    translator = Translator()
    taken(heartbeat(T, processed=5), received("a", T), event("task-started", T, uuid="a"), by=translator)
    lines = taken(heartbeat(T + 9, processed=1, kind=kind), by=translator, now=T + 9)
    assert [line["k"] for line in lines] == ["gone", "open", "ready"]
    assert lines[0]["gave_back"] is False
    assert starts(translator) == 2
    assert not translator.nodes["w1@there"].running


def test_an_idle_worker_that_said_goodbye_and_comes_again_is_another() -> None:
    translator = Translator()
    taken(heartbeat(T), heartbeat(T + 1, kind="offline"), by=translator)
    lines = taken(heartbeat(T + 2, kind="online"), by=translator, now=T + 2)
    assert [(line["k"], line.get("gave_back")) for line in lines] == [
        ("gone", True),
        ("open", None),
        ("ready", None),
    ]


def test_two_workers_of_one_name_are_told() -> None:
    translator = Translator()
    taken(heartbeat(T, pid=11), heartbeat(T + 1, pid=22), by=translator)
    assert not translator.doubled, "a restart, as far as one can tell"
    taken(heartbeat(T + 2, pid=11), heartbeat(T + 3, pid=22), by=translator)
    assert translator.doubled == {"w1@there"}
    lines = taken(*life("a", T + 4, pid=11), by=translator)
    assert [line["k"] for line in lines] == ["received", "started", "ended"]


def test_a_clock_that_is_not_ours_is_shifted() -> None:
    translator = Translator()
    for beat in range(3):
        translator.take([heartbeat(T + 3600 + 2 * beat)], T + 2 * beat + 0.01 * beat)
    *_, ended = taken(*life("a", T + 3610), by=translator)
    assert ended["t"] == pytest.approx(T + 10.02)
    prompt = Translator()
    for beat in range(3):
        prompt.take([heartbeat(T + 2 * beat)], T + 2 * beat + 0.3)
    assert prompt.nodes["w1@there"].shift == 0.0


# -- counters


def counted(*steps: tuple[str, float] | tuple[str, float, int]) -> list[Short]:
    counter, found = Counter(seen=1), []
    for step in steps:
        if step[0] == "start":
            counter.started(step[1])
        else:
            short = counter.heartbeat(step[1], step[2])  # type: ignore[misc]
            found += [short] if short is not None else []
    return found


def test_nothing_is_missed_when_every_start_was_seen() -> None:
    assert not counted(
        ("beat", 0, 100), ("start", 1), ("beat", 2, 101), ("start", 3), ("start", 3.5), ("beat", 4, 103),
        ("beat", 6, 103), ("beat", 8, 103),
    )  # fmt: skip


def test_starts_before_the_first_heartbeat_are_in_its_count() -> None:
    assert not counted(("start", -1), ("beat", 0, 1), ("start", -0.5), ("beat", 2, 1), ("beat", 4, 1))


def test_a_batch_that_is_behind_its_heartbeat_is_no_loss() -> None:
    assert not counted(
        ("beat", 0, 0), ("beat", 2, 2), ("start", 1), ("start", 1.5), ("beat", 4, 2), ("beat", 6, 2)
    )


def test_a_thread_between_counting_and_telling_is_no_loss() -> None:
    assert not counted(("beat", 0, 0), ("beat", 2, 1), ("start", 2.001), ("beat", 4, 1), ("beat", 6, 1))


def test_what_was_counted_and_never_told_is_missed_once() -> None:
    beats = [("beat", 2.0 * n, 10) for n in range(2, 8)]
    found = counted(("beat", 0, 0), ("start", 1), ("start", 1.1), ("beat", 2, 10), *beats)
    assert [(short.tasks, short.since, short.until) for short in found] == [(8, 0, 2)]


def test_further_losses_are_told_as_they_come() -> None:
    found = counted(
        ("beat", 0, 0), ("beat", 2, 3), ("beat", 4, 3), ("beat", 6, 7), ("beat", 8, 7), ("beat", 10, 7)
    )  # fmt: skip
    assert [short.tasks for short in found] == [3, 4]


def test_a_worker_that_tells_of_no_task_is_mute_until_it_tells() -> None:
    translator = Translator()
    translator.take([heartbeat(T + 2 * n, processed=7 * n) for n in range(4)], T)
    assert translator.nodes["w1@there"].mute
    assert not translator.shorts
    translator.take([*life("a", T + 9), *[heartbeat(T + 8 + 2 * n, processed=30) for n in range(4)]], T)
    assert not translator.nodes["w1@there"].mute
    assert not translator.shorts, "what it ran before it told of tasks is no gap"


# -- gaps


def test_a_gap_of_one_worker_grows_and_is_one() -> None:
    translator, gaps = Translator(), Gaps()
    translator.take([heartbeat(T)], T)
    node = translator.nodes["w1@there"]
    gaps.short(node, Short(3, T, T + 2))
    gaps.short(node, Short(1, T + 2, T + 4))
    (gap,) = gaps.all
    assert (gap.missed, gap.node, gap.until) == (4, "w1@there", T + 4)
    assert gap.sentence().endswith(f"4 tasks of w1@there started unseen; {COUNTED}.")


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        (Opened(T, 3, "run1"), Opened(T + 5, 4, "run1"), "read too slowly"),
        (Opened(T, 3, "run1"), Opened(T + 5, 0, "run2"), "was restarted"),
        (Opened(T, 3, "run1"), Opened(T + 5, 3, "run1"), "connection to the broker broke"),
        (Opened(T, None, ""), Opened(T + 5, None, ""), "connection to the broker broke"),
    ],
)
def test_why_the_connection_ended(before: Opened, after: Opened, why: str) -> None:
    gaps = Gaps()
    assert gaps.opened(before) is False
    gaps.broke(T + 1, T + 0.5)
    assert gaps.all[0].sentence().startswith("Since ")
    assert gaps.opened(after) is True
    assert why in gaps.all[0].sentence()
    assert "is being counted" in gaps.all[0].sentence()
    gaps.settle(T + 60)
    assert "no start was missed" in gaps.all[0].sentence()


def test_what_counters_miss_in_a_break_belongs_to_the_break() -> None:
    translator, gaps = Translator(), Gaps()
    translator.take([heartbeat(T)], T)
    gaps.opened(Opened(T, 0, "a"))
    gaps.broke(T + 10, T + 10)
    gaps.opened(Opened(T + 11, 1, "a"))
    gaps.short(translator.nodes["w1@there"], Short(1234, T + 9.5, T + 12))
    (gap,) = gaps.all
    assert "at least 1,234 tasks started unseen (1,234 of w1@there)" in gap.sentence()
