"""What the recorder reads of a stack that is only watched: its events, and what our own workloads wrote."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from desktop.engine.attach.nodes import Running
from desktop.engine.attach.options import AttachOptions
from desktop.engine.attach.stream import EventStream
from desktop.engine.ledger.account import Account
from desktop.engine.ledger.lines import Line, source_of
from desktop.engine.ledger.tail import Tail

_SUFFIX = ".events"  # of what is remembered of a worker among the positions of files
_MARGIN = 1.0  # seconds by which two clocks may differ


class AttachedSource:
    """A source of lines for the recorder (`record.source.Source`)."""

    def __init__(self, begin: Mapping[str, Any], positions: Mapping[str, int], chunk: int) -> None:
        files = {name: at for name, at in positions.items() if not name.endswith(_SUFFIX)}
        self._tail = Tail(Path(begin["folder"]) / "ledger", files, chunk)
        self._saved = {name for name in positions if name.endswith(_SUFFIX)}
        self.stream = EventStream(AttachOptions.from_message(begin))
        for name in sorted(self._saved):
            source = source_of(name.removesuffix(_SUFFIX) + ".jsonl")
            if source is not None:
                self.stream.remember(source)

    @property
    def behind(self) -> bool:
        """The last poll left something unread."""
        return self._tail.behind or self.stream.behind

    def poll(self) -> list[Line]:
        """What was written or told since the last call."""
        return self._tail.poll() + self.stream.poll()

    def positions(self) -> Mapping[str, int]:
        """How far our own files were read, and which workers were heard: events are not told twice."""
        heard = (f"{s.service}.{s.start:03d}.{s.pid}{_SUFFIX}" for s in self.stream.sources())
        new = {name: 1 for name in heard if name not in self._saved}
        self._saved.update(new)
        return {**self._tail.positions(), **new}

    def close(self) -> None:
        """Let go of the broker and of the files."""
        self._tail.close()
        self.stream.close()

    def told(self) -> dict[str, Any]:
        """What the panel shows of it beside the tasks."""
        return self.stream.told()

    def sentences(self) -> tuple[str, ...]:
        """What is not known, and why."""
        return sentences(self.told())

    def adopt(self, account: Account) -> None:
        """What ran by the account of an earlier recorder: its ends may have been missed since."""
        for service, worker in account.workers.items():
            running = {
                task.id: Running(task.name, 0, task.since) for task in account.running(service, worker.start)
            }
            self.stream.expect(service, worker.pid, running)

    def unseen(self, delivered_at: float) -> bool:
        """Whether a living worker may have been given a message then of which no event told.

        Before we came, in a gap, and as long as some worker tells of no task.
        """
        stream = self.stream
        if delivered_at < stream.since + _MARGIN or stream.some_are_mute():
            return True
        return any(_within(delivered_at, gap.since, gap.until) for gap in stream.gaps.all)


def _within(t: float, since: float, until: float | None) -> bool:
    return since - _MARGIN <= t and (until is None or t <= until + _MARGIN)


def sentences(told: Mapping[str, Any]) -> tuple[str, ...]:
    """What the record of an attached stack does not know, and why: for people, the gravest first."""
    said = [gap["text"] for gap in reversed(told["gaps"])]
    mute = [*(node["name"] for node in told["nodes"] if node["mute"] and not node["gone"]), *told["hidden"]]
    if mute:
        verb = "sends" if len(mute) == 1 else "send"
        said.insert(0, f"{_listed(mute)} {verb} no events of tasks: what they run is not in the record.")
    said += [f"Two workers call themselves {name}: their figures are mixed." for name in told["doubled"]]
    said += [
        f"The clock of {node['name']} differs from ours by {abs(node['shift']):.1f} s: its times are shifted."
        for node in told["nodes"]
        if node["shift"]
    ]
    if told["unknown"]:
        count = told["unknown"]
        one = "The end of 1 task was missed: it is UNKNOWN."
        said.append(one if count == 1 else f"The ends of {count:,} tasks were missed: they are UNKNOWN.")
    return tuple(said)


def _listed(names: Iterable[str]) -> str:
    *most, last = sorted(names)
    return f"{', '.join(most)} and {last}" if most else last
