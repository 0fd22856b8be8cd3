"""The account of a run against one that is drawn up from the ledger's lines, task after task."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from desktop.engine.api import Account, Balance
from desktop.engine.verdict.account import account_of
from tests.support.told_run import BEGAN, ToldRun, id_of

DEAD = "w2"  # the worker that does not live at the end


@contextmanager
def accounted(run: ToldRun, since: float | None = None, until: float | None = None) -> Iterator[Account]:
    with TemporaryDirectory() as folder:
        record = run.record(Path(folder, "run"))
        try:
            yield account_of(record, since, until)
        finally:
            record.close()


# lives of a task: each tells what happens to one, from the moment t on


def succeeds(run: ToldRun, task: str, t: float) -> None:
    run.ran(task, t, "w1")


def fails(run: ToldRun, task: str, t: float) -> None:
    run.ran(task, t, "w1", state="FAILURE", error="ValueError: no")


def fails_with_its_process(run: ToldRun, task: str, t: float) -> None:
    run.received(task, t, "w1")
    run.started(task, t + 0.1, "w1", pid=77)
    run.ended(task, t + 0.6, "w1", "FAILURE", pid=77, by_main=True, error="WorkerLostError: signal 9")


def retries(run: ToldRun, task: str, t: float) -> None:
    run.ran(task, t, "w1", state="RETRY", error="ConnectionError: reset")
    run.received(task, t + 0.7, "w1", retries=1)
    run.started(task, t + 1.0, "w1", retries=1)
    run.ended(task, t + 1.5, "w1")


def waits_for_its_retry(run: ToldRun, task: str, t: float) -> None:
    run.ran(task, t, "w1", state="RETRY", error="ConnectionError: reset")
    run.waiting.append(task)


def ends_twice(run: ToldRun, task: str, t: float) -> None:
    run.ran(task, t, "w1")
    run.ran(task, t + 5.0, "w3")


def ends_twice_and_badly(run: ToldRun, task: str, t: float) -> None:
    run.ran(task, t, "w1")
    run.ran(task, t + 5.0, "w3", state="FAILURE", error="ValueError: twice")


def retries_and_ends_twice(run: ToldRun, task: str, t: float) -> None:
    retries(run, task, t)
    run.received(task, t + 5.0, "w3", retries=1)
    run.started(task, t + 5.1, "w3", retries=1)
    run.ended(task, t + 5.6, "w3")


def is_cut_and_runs_again(run: ToldRun, task: str, t: float) -> None:
    run.received(task, t, DEAD)
    run.started(task, t + 0.1, DEAD)
    run.ran(task, t + 60.0, "w1")


def is_cut_and_lost(run: ToldRun, task: str, t: float) -> None:
    run.received(task, t, DEAD)
    run.started(task, t + 0.1, DEAD)


def is_cut_and_stranded(run: ToldRun, task: str, t: float) -> None:
    is_cut_and_lost(run, task, t)
    run.unacked[task] = t


def is_held_by_a_dead_worker(run: ToldRun, task: str, t: float) -> None:
    run.received(task, t, DEAD)
    run.unacked[task] = t


def is_held(run: ToldRun, task: str, t: float) -> None:
    run.received(task, t, "w1")
    run.unacked[task] = t


def runs(run: ToldRun, task: str, t: float) -> None:
    run.received(task, t, "w1")
    run.started(task, t + 0.1, "w1")


def runs_once_more(run: ToldRun, task: str, t: float) -> None:
    run.ran(task, t, "w1")
    run.received(task, t + 5.0, "w3")
    run.started(task, t + 5.1, "w3")
    run.unacked[task] = t + 5.0


def waits(run: ToldRun, task: str, t: float) -> None:
    run.waiting.append(task)


def vanishes_on_its_way(run: ToldRun, task: str, t: float) -> None:
    """Taken out of its queue by a worker that died before it said so: BRPOP's window."""


def vanishes_from_a_living_worker(run: ToldRun, task: str, t: float) -> None:
    """The broker came back empty, and prefork forgot what it held."""
    run.received(task, t, "w1")


def lies_in_the_broker_once_more(run: ToldRun, task: str, t: float) -> None:
    run.ran(task, t, DEAD)
    run.unacked[task] = t


def goes_back_and_runs(run: ToldRun, task: str, t: float) -> None:
    run.ran(task, t, "w1", state="REJECTED", requeue=True, error="Reject")
    run.ran(task, t + 5.0, "w1")


def is_rejected(run: ToldRun, task: str, t: float) -> None:
    run.ran(task, t, "w1", state="REJECTED", requeue=False, error="Reject")


def is_ignored(run: ToldRun, task: str, t: float) -> None:
    run.ran(task, t, "w1", state="IGNORED")


def is_revoked(run: ToldRun, task: str, t: float) -> None:
    run.received(task, t, "w1")
    run.revoked(task, t + 0.2, "w1")


def is_purged(run: ToldRun, task: str, t: float) -> None:
    run.purged(task, t=t)


LIVES: tuple[Callable[[ToldRun, str, float], None], ...] = (
    *(succeeds, fails, fails_with_its_process, retries, waits_for_its_retry, ends_twice),
    *(ends_twice_and_badly, retries_and_ends_twice, is_cut_and_runs_again, is_cut_and_lost),
    *(is_cut_and_stranded, is_held_by_a_dead_worker, is_held, runs, runs_once_more, waits),
    *(vanishes_on_its_way, vanishes_from_a_living_worker, lies_in_the_broker_once_more),
    *(goes_back_and_runs, is_rejected, is_ignored, is_revoked, is_purged),
)
_DIES_AT = 300.0


def told(lives: list[tuple[int, float]]) -> ToldRun:
    """A run of tasks with these lives, each sent and going on at its own time."""
    run = ToldRun()
    for number, (life, t) in enumerate(lives):
        run.sent(f"task {number}", t=t)
        LIVES[life](run, f"task {number}", t + 1.0)
    run.died(DEAD, _DIES_AT)
    return run


# the oracle: line by line, and what lay in the broker


class Naive:
    """What the lines say of one task."""

    def __init__(self) -> None:
        self.starts: list[tuple[float, str, int]] = []  # (when, worker, retries)
        self.ends: list[tuple[float, str, str, bool]] = []  # (when, worker, state, back in its queue)
        self.receipts: list[tuple[float, str]] = []
        self.told = ""

    def state(self, waiting: bool, unacked: bool) -> str:
        alive = [worker for _, worker, _ in self.starts].count
        for worker in {worker for _, worker, _ in self.starts if worker != DEAD}:
            if alive(worker) > sum(1 for end in self.ends if end[1] == worker):
                return "active"
        if self.told:
            return self.told
        started = [worker for _, worker, _ in self.starts]
        unstarted = [w for _, w in self.receipts if [v for _, v in self.receipts].count(w) > started.count(w)]
        if unstarted and unacked:
            return "stranded" if DEAD in unstarted else "reserved"
        final = [end for end in self.ends if end[2] != "RETRY" and not end[3]]
        if final:
            return max(final)[2]
        return "waiting" if waiting else "stranded" if unacked else "LOST"

    @property
    def final(self) -> int:
        return sum(1 for _, _, state, back in self.ends if state != "RETRY" and not back)

    @property
    def twice(self) -> bool:
        tries = [tries for _, _, tries in self.starts]
        return len(tries) > len(set(tries))


def naive(run: ToldRun, since: float | None = None, until: float | None = None) -> Account:
    """The account, drawn up the slow way."""
    tasks: dict[str, Naive] = defaultdict(Naive)
    sent, errors = {}, {}
    for source, data, *_ in run.lines:
        for one in data.get("ids", [data.get("id")]):
            task = tasks[one]
            match data["k"]:
                case "sent":
                    sent[one] = data["t"]
                case "received":
                    task.receipts.append((data["t"], source.service))
                case "started":
                    task.starts.append((data["t"], source.service, data["retries"]))
                case "ended":
                    back = bool(data.get("requeue"))
                    task.ends.append((data["t"], source.service, data["state"], back))
                    errors[one] = data["error"]
                case "revoked":
                    task.told = "REVOKED"
                case "purged":
                    task.told = "PURGED"
    for one in [one for one, t in sent.items() if (since or 0) > t or (until or 9e9) <= t]:
        del tasks[one]
    waiting, unacked = set(map(id_of, run.waiting)), set(map(id_of, run.unacked))
    state = {one: task.state(one in waiting, one in unacked) for one, task in tasks.items()}
    more = [one for one, task in tasks.items() if state[one] != "LOST" and task.final > 1]
    count = Counter(where for one, where in state.items() if one not in more)
    over = {"SUCCESS", "FAILURE", "LOST", "REVOKED", "REJECTED", "IGNORED", "PURGED"}
    return Account(
        submitted=len(tasks),
        ended_once=count["SUCCESS"],
        ended_more=tuple(more),
        failed=tuple(
            (one, errors[one]) for one, where in state.items() if where == "FAILURE" and one not in more
        ),
        lost=tuple(one for one, where in state.items() if where == "LOST"),
        otherwise={
            where: count[where] for where in ("REVOKED", "REJECTED", "IGNORED", "PURGED") if count[where]
        },
        still={where: number for where, number in count.items() if where not in over},
        ran_twice=tuple(one for one, task in tasks.items() if task.twice),
        retried=sum(any(end[2] == "RETRY" for end in task.ends) for task in tasks.values()),
        attempts=sum(len(task.starts) for task in tasks.values()),
    )


def parts(account: Account) -> dict[str, object]:
    """What is compared: ids in no order."""
    return {
        "counts": (account.submitted, account.ended_once, account.unknown, account.retried, account.attempts),
        "ended_more": set(account.ended_more),
        "failed": dict(account.failed),
        "lost": set(account.lost),
        "otherwise": dict(account.otherwise),
        "still": dict(account.still),
        "ran_twice": set(account.ran_twice),
    }


def in_one_place(account: Account) -> int:
    """How many tasks the account has, all places together."""
    named = len(account.ended_more) + len(account.failed) + len(account.lost)
    elsewhere = sum(account.otherwise.values()) + sum(account.still.values()) + account.unknown
    return account.ended_once + named + elsewhere


some_lives = st.lists(st.tuples(st.integers(0, len(LIVES) - 1), st.floats(0.0, 200.0)), max_size=80)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(some_lives)
def test_every_life_is_accounted_for_as_its_lines_say(lives: list[tuple[int, float]]) -> None:
    run = told(lives)
    with accounted(run) as found:
        assert parts(found) == parts(naive(run))
        assert in_one_place(found) == found.submitted == len(lives)


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(some_lives, st.floats(0.0, 200.0))
def test_a_living_stack_is_accounted_from_a_moment_on(lives: list[tuple[int, float]], t: float) -> None:
    run = told(lives)
    with accounted(run, since=BEGAN + t) as after, accounted(run, until=BEGAN + t) as before:
        assert parts(after) == parts(naive(run, since=BEGAN + t))
        assert after.submitted + before.submitted == len(lives)
        assert after.attempts + before.attempts == naive(run).attempts


def test_each_life_is_where_its_name_says() -> None:
    lives = [(number, 3.0 * number) for number in range(len(LIVES))]
    with accounted(told(lives)) as found:
        names = {id_of(f"task {number}"): life.__name__ for number, life in enumerate(LIVES)}
        assert {names[one] for one in found.lost} == {
            "is_cut_and_lost",
            "vanishes_on_its_way",
            "vanishes_from_a_living_worker",
        }
        assert {names[one] for one in found.ended_more} == {
            "ends_twice",
            "ends_twice_and_badly",
            "retries_and_ends_twice",
        }
        assert {names[one] for one, _ in found.failed} == {"fails", "fails_with_its_process"}
        assert {names[one] for one in found.ran_twice} >= {"is_cut_and_runs_again", "runs_once_more"}
        assert found.still == {"waiting": 2, "reserved": 1, "active": 2, "stranded": 2}
        assert found.otherwise == {"REVOKED": 1, "REJECTED": 1, "IGNORED": 1, "PURGED": 1}


def test_what_the_record_was_told_to_have_missed_is_a_gap() -> None:
    run = told([(0, 1.0)])
    run.gaps = ("w1 could not write 3 lines from 10:00:00 to 10:00:04.",)
    with accounted(run) as found:
        assert found.gaps == run.gaps


def test_a_ledger_file_that_vanished_is_a_gap(tmp_path: Path) -> None:
    from desktop.engine.record.recording import Recording
    from tests.support.made_run import MadeRun, write_ledger

    write_ledger(tmp_path / "ledger", MadeRun(300))
    recording = Recording(
        {"source": "ledger", "folder": str(tmp_path), "facts": {"stack": "x", "began": BEGAN}}
    )
    recording.close(clean=True)
    from desktop.engine.record.reading.reader import RunReader

    record = RunReader.open(tmp_path)
    try:
        assert account_of(record).gaps == ()
        (tmp_path / "ledger" / "w1.001.4101.jsonl").unlink()
        with (tmp_path / "ledger" / "w1.001.4100.jsonl").open("a", encoding="utf-8") as file:
            file.write('{"k":"ready","t":1.0}\n')
        gone, unread = account_of(record).gaps
        assert "w1.001.4101.jsonl vanished" in gone
        assert "w1.001.4100.jsonl was not read to its end" in unread
    finally:
        record.close()


def test_a_task_of_which_nobody_knows_whether_it_was_sent_is_a_gap() -> None:
    run = told([(0, 1.0)])
    run.tell("doubt", 2.0, run.lines[0].source, ids=[id_of("perhaps"), id_of("task 0")], name="x", queue="q")
    with accounted(run) as found:
        (gap,) = found.gaps
        assert id_of("perhaps") in gap
        assert id_of("task 0") not in gap


def test_what_is_missing_from_a_queue_that_is_too_long_is_a_gap() -> None:
    run = told([(0, 1.0)])
    run.balance = Balance(submitted=30_000, waiting=29_997, ended=1, copies=1)
    with accounted(run) as found:
        (gap,) = found.gaps
        assert gap.startswith("The broker holds 3 messages fewer")
        assert found.copies == 1
    run.balance = Balance(submitted=30_000, waiting=30_000, ended=1, copies=1)
    with accounted(run) as found:
        assert found.gaps == ()
