"""The workload that is being put together: tasks with weights and arguments, and its shape."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from desktop.engine.api import TaskInfo, TaskShare, Workload


@dataclass(slots=True)
class DraftTask:
    """One task of the mix, as it is being edited."""

    info: TaskInfo
    values: dict[str, Any] = field(default_factory=dict)
    queue: str | None = None
    weight: int = 1
    countdown: float | None = None
    errors: dict[str, str] = field(default_factory=dict)

    def share(self) -> TaskShare:
        """What is submitted."""
        return TaskShare(self.info.name, (), dict(self.values), self.queue, self.weight, self.countdown)

    def summary(self) -> str:
        """Its arguments on one line."""
        parts = [f"{name}={value!r}" for name, value in self.values.items()]
        if self.queue:
            parts.append(f"→ {self.queue}")
        return ", ".join(parts) or "default arguments"


@dataclass(slots=True)
class Draft:
    """The mix. The same task may stand in it once."""

    tasks: list[DraftTask] = field(default_factory=list)

    def only(self, info: TaskInfo) -> DraftTask:
        """Make a task the only one; its arguments stay if it was there."""
        kept = self.find(info.name) or DraftTask(info)
        self.tasks = [kept]
        return kept

    def add(self, info: TaskInfo) -> DraftTask:
        """Put a task into the mix, if it is not there yet."""
        found = self.find(info.name)
        if found is None:
            found = DraftTask(info)
            self.tasks.append(found)
        return found

    def remove(self, name: str) -> None:
        """Take a task out."""
        self.tasks = [t for t in self.tasks if t.info.name != name]

    def find(self, name: str) -> DraftTask | None:
        """The task of that name in the mix."""
        return next((t for t in self.tasks if t.info.name == name), None)

    def take(self, workload: Workload, catalog: dict[str, TaskInfo]) -> None:
        """Become a preset."""
        self.tasks = [
            DraftTask(catalog[s.task], dict(s.kwargs), s.queue, s.weight, s.countdown)
            for s in workload.mix
            if s.task in catalog
        ]

    def share_of(self, task: DraftTask) -> float:
        """Its part of the mix, 0 to 1."""
        return task.weight / sum(t.weight for t in self.tasks)

    def name(self) -> str:
        """What a workload without a name of its own is called."""
        words = [t.info.name.rpartition(".")[2] for t in self.tasks[:3]]
        more = f" and {len(self.tasks) - 3} more" if len(self.tasks) > 3 else ""
        return ", ".join(words) + more
