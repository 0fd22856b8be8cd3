"""Process trees: real children that burn, fork, thread, freeze and end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import psutil
import pytest

from desktop.engine.observe.proc import (
    LINUX,
    LinuxTable,
    Memory,
    ProcessTable,
    PsutilTable,
    Stat,
    alive,
    is_frozen,
    start_time,
)
from desktop.engine.observe.processes import TreeSample, TreeSampler
from tests.support.waiting import eventually

# Does what it is told on stdin, one line each, and answers each with a line.
CHILD = r"""
import os, sys, threading, time
block = None
def burn(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end: pass
def idle():
    while True: time.sleep(60)
for line in sys.stdin:
    verb, _, number = line.strip().partition(" ")
    if verb == "burn": burn(float(number))
    elif verb == "allocate": block = os.urandom(int(number))
    elif verb == "threads":
        for _ in range(int(number)): threading.Thread(target=idle, daemon=True).start()
    elif verb in ("fork", "fork-in-thread"):
        def fork():
            if os.fork() == 0: idle()
        if verb == "fork": fork()
        else:
            started = threading.Event()
            def fork_and_stay():
                fork(); started.set(); idle()
            threading.Thread(target=fork_and_stay, daemon=True).start(); started.wait()
    elif verb == "fork-and-burn":
        pid = os.fork()
        if pid == 0:
            burn(float(number)); os._exit(0)
        os.waitpid(pid, 0)
    elif verb == "fork-and-end":
        if os.fork() == 0: os._exit(0)
    elif verb == "cpu": print(sum(os.times()[:4]), flush=True); continue
    print("done", flush=True)
"""


class Child:
    """A process that does as it is told."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", CHILD],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.pid = self.process.pid
        self.tell("ready")
        start = start_time(self.pid)
        assert start is not None
        self.root = (self.pid, start)

    def tell(self, line: str) -> str:
        """Returns when it is done."""
        self.begin(line)
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def begin(self, line: str) -> None:
        """Returns at once."""
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def kill(self) -> None:
        """The whole group, at once."""
        if self.process.returncode is None:
            os.killpg(self.pid, signal.SIGKILL)
        with self.process:
            self.process.wait()


@pytest.fixture
def child() -> Iterator[Child]:
    child = Child()
    yield child
    child.kill()


TABLES = [pytest.param(PsutilTable, id="psutil")]
if LINUX:
    TABLES.insert(0, pytest.param(LinuxTable, id="proc"))


@pytest.fixture(params=TABLES)
def table(request: pytest.FixtureRequest) -> ProcessTable:
    made: ProcessTable = request.param()
    return made


def root_of(table: ProcessTable, child: Child) -> tuple[int, float]:
    stat = table.stat(child.pid)
    assert stat is not None
    return child.pid, stat.start


def sampled(sampler: TreeSampler, root: tuple[int, float]) -> TreeSample:
    return sampler.sample({"w": root})["w"]


class Timed:
    """A sampler of one tree that also tells how many CPU seconds it saw, by its own clock."""

    def __init__(self, table: ProcessTable | None, root: tuple[int, float]) -> None:
        self._asked: list[float] = []
        self._sampler = TreeSampler(table, self._clock)
        self._root = root
        self._at = 0.0
        self.tree = TreeSample(0.0, 0, 0, ())

    def _clock(self) -> float:
        self._asked.append(time.monotonic())
        return self._asked[-1]

    def seconds(self) -> float:
        """CPU seconds since the last call, as the sampler has them."""
        self._asked.clear()
        self.tree = sampled(self._sampler, self._root)
        before, self._at = self._at, self._asked[0]
        return self.tree.cpu * (self._at - before) / 100 if before else 0.0


def test_a_tree_holds_every_descendant_with_its_parent(table: ProcessTable, child: Child) -> None:
    for _ in range(3):
        child.tell("fork")
    tree = sampled(TreeSampler(table), root_of(table, child))

    assert tree.processes[0].pid == child.pid
    children = {p.pid for p in psutil.Process(child.pid).children()}
    assert len(children) == 3
    assert {p.pid for p in tree.processes[1:]} == children
    assert {p.parent for p in tree.processes[1:]} == {child.pid}
    assert tree.threads == sum(p.threads for p in tree.processes) == 4
    assert tree.memory == sum(p.memory for p in tree.processes) > 1_000_000


def test_children_of_a_thread_are_found_whatever_the_number_of_threads(
    table: ProcessTable, child: Child
) -> None:
    sampler = TreeSampler(table)
    root = root_of(table, child)
    child.tell("fork-in-thread")
    assert len(sampled(sampler, root).processes) == 2

    child.tell("threads 30")
    child.tell("fork-in-thread")
    tree = sampled(sampler, root)
    assert len(tree.processes) == 3
    assert tree.processes[0].threads == 1 + 2 + 30


def test_cpu_is_what_was_burnt(table: ProcessTable, child: Child) -> None:
    timed = Timed(table, root_of(table, child))
    timed.seconds()
    before = float(child.tell("cpu"))
    child.tell("burn 0.4")
    seen = timed.seconds()

    assert seen == pytest.approx(float(child.tell("cpu")) - before, abs=0.05)
    assert timed.tree.processes[0].cpu == timed.tree.cpu


@pytest.mark.skipif(not LINUX, reason="other systems do not tell the time of ended children")
def test_cpu_of_a_child_that_came_and_went_between_samples_is_not_lost(
    table: ProcessTable, child: Child
) -> None:
    timed = Timed(table, root_of(table, child))
    timed.seconds()
    before = float(child.tell("cpu"))
    child.tell("fork-and-burn 0.4")
    seen = timed.seconds()

    assert seen == pytest.approx(float(child.tell("cpu")) - before, abs=0.05)
    assert timed.tree.processes[0].cpu < timed.tree.cpu / 2, "the root itself only waited"


@pytest.mark.skipif(not LINUX, reason="other systems do not tell the time of ended children")
def test_cpu_of_a_child_seen_while_it_lived_is_not_told_twice(child: Child) -> None:
    timed = Timed(None, child.root)
    timed.seconds()
    before = float(child.tell("cpu"))
    child.begin("fork-and-burn 0.6")
    told = [0.0]

    def come_and_gone() -> bool:
        told[0] += timed.seconds()
        return told[0] > 0.3 and len(timed.tree.processes) == 1

    eventually(come_and_gone, "the grandchild burns and ends", every=0.05)
    assert child.process.stdout is not None
    child.process.stdout.readline()

    assert told[0] == pytest.approx(float(child.tell("cpu")) - before, rel=0.25)


def test_a_process_seen_first_is_charged_for_a_short_life_only(child: Child) -> None:
    child.tell("burn 0.3")
    first = sampled(TreeSampler(), child.root)
    assert 0.0 < first.cpu <= 100.0 * (os.cpu_count() or 1)

    ourselves = (os.getpid(), start_time(os.getpid()) or 0.0)
    if time.time() - psutil.Process().create_time() > 10.0:
        assert sampled(TreeSampler(), ourselves).processes[0].cpu == 0.0


def test_frozen_is_seen_and_undone(table: ProcessTable, child: Child) -> None:
    sampler = TreeSampler(table)
    root = root_of(table, child)
    assert not is_frozen(child.pid)
    os.kill(child.pid, signal.SIGSTOP)
    eventually(lambda: is_frozen(child.pid), "the child is frozen")
    assert sampled(sampler, root).processes[0].frozen
    assert alive(child.pid, child.root[1]), "frozen is not dead"
    os.kill(child.pid, signal.SIGCONT)
    eventually(lambda: not is_frozen(child.pid), "the child runs again")
    assert not sampled(sampler, root).processes[0].frozen


def test_memory_follows_within_a_sample(child: Child) -> None:
    sampler = TreeSampler()
    before = sampled(sampler, child.root)
    child.tell("allocate 30000000")
    after = sampled(sampler, child.root)
    assert after.memory - before.memory == pytest.approx(30e6, rel=0.1)
    if LINUX:
        assert after.memory_kind == "PSS"


@pytest.mark.skipif(not LINUX, reason="PSS")
def test_memory_that_is_shared_is_counted_once(child: Child) -> None:
    child.tell("allocate 30000000")
    alone = sampled(TreeSampler(), child.root).memory
    for _ in range(4):
        child.tell("fork")
    together = sampled(TreeSampler(), child.root).memory
    assert 30e6 < alone < together < alone + 30e6, "five processes share one block"


def test_a_root_that_ended_or_is_another_process_is_left_out(table: ProcessTable, child: Child) -> None:
    sampler = TreeSampler(table)
    pid, start = root_of(table, child)
    assert sampler.sample({"w": (pid, start - 1)}) == {}, "same pid, another process"
    assert "w" in sampler.sample({"w": (pid, start)})
    child.process.kill()
    eventually(lambda: not alive(pid), "the child ends")
    assert sampler.sample({"w": (pid, start)}) == {}, "a zombie is not a running service"
    child.process.wait()
    assert sampler.sample({"w": (pid, start)}) == {}


def test_a_pool_process_that_is_a_zombie_is_not_listed(table: ProcessTable, child: Child) -> None:
    root = root_of(table, child)
    child.tell("fork-and-end")
    zombie = psutil.Process(child.pid).children()[0]
    eventually(lambda: zombie.status() == psutil.STATUS_ZOMBIE, "the grandchild is a zombie")
    tree = sampled(TreeSampler(table), root)
    assert [p.pid for p in tree.processes] == [child.pid]


def test_small_facts_of_a_process(child: Child) -> None:
    pid, start = child.root
    assert alive(pid, start)
    assert alive(pid)
    assert not alive(pid, start + 1)
    child.kill()
    assert start_time(pid) is None
    assert not alive(pid)
    assert not is_frozen(pid)


@pytest.mark.skipif(not LINUX, reason="/proc")
def test_start_time_is_field_22(child: Child) -> None:
    with open(f"/proc/{child.pid}/stat") as file:
        assert start_time(child.pid) == int(file.read().rpartition(")")[2].split()[19])


@pytest.mark.skipif(not LINUX, reason="/proc")
def test_a_name_with_parentheses_and_spaces_is_read() -> None:
    code = "import ctypes, sys; ctypes.CDLL(None).prctl(15, b'a) S 1 (b'); print(flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        stat = LinuxTable().stat(process.pid)
        process.kill()
    assert stat is not None
    assert stat.parent == os.getpid()
    assert stat.threads == 1


@pytest.mark.skipif(not LINUX, reason="compares the two ways")
def test_both_ways_tell_the_same(child: Child) -> None:
    child.tell("burn 0.1")
    for _ in range(2):
        child.tell("fork")
    fast, portable = LinuxTable(), PsutilTable()
    one, other = fast.stat(child.pid), portable.stat(child.pid)
    assert one is not None
    assert other is not None
    assert one.parent == other.parent
    assert one.cpu == pytest.approx(other.cpu, abs=0.03)
    assert one.rss == pytest.approx(other.rss, rel=0.1), "the kernel keeps this figure loosely in stat"
    assert one.threads == other.threads
    assert sorted(fast.children(one)) == sorted(portable.children(other))
    counted, also = fast.memory(one), portable.memory(other)
    assert counted is not None
    assert also is not None
    assert counted.kind == also.kind == "PSS"
    assert counted.size == pytest.approx(also.size, rel=0.05)
    assert fast.age(one) == pytest.approx(portable.age(other), abs=5.0)


class Script:
    """A process table that tells what a test wrote down: accounts to the last second."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.stats: dict[int, Stat] = {}
        self.unlisted: set[int] = set()
        self.counted = 0

    def put(self, pid: int, parent: int, cpu: float, ended: float = 0.0, born: float = 0.0) -> None:
        self.stats[pid] = Stat(pid, parent, "S", born, cpu, ended, 1, 4096, 0)

    def begin(self) -> None: ...

    def stat(self, pid: int) -> Stat | None:
        return self.stats.get(pid)

    def children(self, stat: Stat) -> list[int]:
        return [s.pid for s in self.stats.values() if s.parent == stat.pid and s.pid not in self.unlisted]

    def memory(self, stat: Stat) -> Memory:
        self.counted += 1
        return Memory(stat.rss, "PSS")

    def age(self, stat: Stat) -> float:
        return self.now - stat.start


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture
def tree(script: Script) -> Callable[[], TreeSample]:
    """Samples the tree below pid 1, a second later each time."""
    sampler = TreeSampler(script, clock=lambda: script.now)

    def sample() -> TreeSample:
        script.now += 1.0
        return sampler.sample({"w": (1, 0.0)})["w"]

    return sample


def test_old_processes_seen_first_cost_nothing(script: Script, tree: Callable[[], TreeSample]) -> None:
    script.put(1, 0, cpu=500.0, ended=300.0)
    script.put(2, 1, cpu=400.0)
    assert tree().cpu == 0.0
    script.put(3, 1, cpu=700.0, born=100.0)
    assert tree().cpu == 0.0, "a process that joins late brings its past along"


def test_a_new_child_counts_from_its_birth(script: Script, tree: Callable[[], TreeSample]) -> None:
    script.put(1, 0, cpu=500.0)
    tree()
    script.put(2, 1, cpu=0.25, born=script.now + 0.5)
    assert tree().cpu == pytest.approx(25.0)


def test_an_ended_child_adds_only_what_was_not_told(script: Script, tree: Callable[[], TreeSample]) -> None:
    script.put(1, 0, cpu=10.0)
    script.put(2, 1, cpu=5.0)
    tree()
    script.put(2, 1, cpu=5.5)
    assert tree().cpu == pytest.approx(50.0)
    del script.stats[2]
    script.put(1, 0, cpu=10.0, ended=5.75)
    assert tree().cpu == pytest.approx(25.0)


def test_a_whole_branch_that_ended_is_accounted_to_who_waited(
    script: Script, tree: Callable[[], TreeSample]
) -> None:
    script.put(1, 0, cpu=0.0)
    script.put(2, 1, cpu=3.0)
    script.put(3, 2, cpu=4.0)
    tree()
    del script.stats[2], script.stats[3]
    script.put(1, 0, cpu=0.0, ended=7.5)
    assert tree().cpu == pytest.approx(50.0)


def test_a_child_nobody_waited_for_is_no_negative_cpu(script: Script, tree: Callable[[], TreeSample]) -> None:
    script.put(1, 0, cpu=0.0)
    script.put(2, 1, cpu=3.0)
    tree()
    del script.stats[2]
    script.put(1, 0, cpu=0.5)
    assert tree().cpu == pytest.approx(50.0)


def test_a_child_that_the_kernel_forgot_to_list_is_still_there(
    script: Script, tree: Callable[[], TreeSample]
) -> None:
    script.put(1, 0, cpu=0.0)
    script.put(2, 1, cpu=3.0)
    script.put(3, 2, cpu=0.0)
    tree()
    script.unlisted = {2}
    assert [p.pid for p in tree().processes] == [1, 2, 3]


def test_a_reused_pid_starts_anew(script: Script, tree: Callable[[], TreeSample]) -> None:
    script.put(1, 0, cpu=0.0)
    script.put(2, 1, cpu=300.0)
    tree()
    script.put(1, 0, cpu=0.0, ended=300.0)
    script.put(2, 1, cpu=0.5, born=script.now + 0.1)
    assert tree().cpu == pytest.approx(50.0)


def test_memory_of_an_idle_tree_is_counted_every_five_seconds(
    script: Script, tree: Callable[[], TreeSample]
) -> None:
    script.put(1, 0, cpu=0.0)
    for _ in range(11):
        tree()
    assert script.counted == 3
    script.stats[1] = script.stats[1]._replace(rss=50_000_000, faults=9_000)
    assert tree().memory == 50_000_000
    assert script.counted == 4
