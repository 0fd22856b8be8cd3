"""What a page is, and what it may ask of the window around it."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

from PySide6.QtWidgets import QWidget

from desktop.bridge import Bridge, Done
from desktop.engine.api import Desk, StackSnapshot
from desktop.ui.actions import Actions
from desktop.ui.memory import Memory
from desktop.ui.widgets.toast import Toasts

if TYPE_CHECKING:
    from desktop.ui.lab_commands import LabCommands
    from desktop.ui.queue_commands import QueueCommands
    from desktop.ui.run_commands import RunCommands
    from desktop.ui.task_commands import TaskCommands
    from desktop.ui.worker_commands import WorkerCommands


class Shell(Protocol):
    """The window, as a page knows it."""

    bridge: Bridge
    commands: Actions
    toasts: Toasts
    worker_commands: WorkerCommands
    queue_commands: QueueCommands
    run_commands: RunCommands
    lab_commands: LabCommands
    task_commands: TaskCommands
    memory: Memory

    @property
    def desk(self) -> Desk:
        """The engine's verbs."""

    def go(self, page: str, about: str = "") -> None:
        """Show a page by its key; `about` is what it should show first (a worker's name)."""

    def do(self, verb: Future[Any], done: Done | None = None, quiet: bool = False) -> None:
        """Run a verb: a toast says what was done (not if `quiet`), or what went wrong."""

    def window_widget(self) -> QWidget:
        """The parent of dialogs."""


class Page(QWidget):
    """A page: made when it is first shown, fed only while it is visible."""

    searches = False  # Ctrl+F searches on this page, not in the logs

    def __init__(self, shell: Shell) -> None:
        super().__init__()
        self.shell = shell
        self.setProperty("kind", "page")

    def show_snapshot(self, snapshot: StackSnapshot) -> None:
        """Show a new moment. Called when the page appears, and at each change while it is visible."""

    def tick(self) -> None:
        """Called ten times a second while visible, after `show_snapshot`: for what scrolls with time."""

    def refresh(self) -> None:
        """F5: read everything again."""

    def start_search(self) -> None:
        """Put the focus where one searches on this page."""

    def show_about(self, about: str) -> None:
        """Bring what `about` names (a worker, a service) to the eye."""


@dataclass(frozen=True, slots=True)
class PageInfo:
    """A page before it is imported: pages cost nothing until they are looked at."""

    key: str
    word: str
    icon: str
    where: str  # "module:Class"

    def make(self, shell: Shell) -> Page:
        """Import the page and make it."""
        module, _, name = self.where.partition(":")
        page: Page = getattr(import_module(module), name)(shell)
        page.setObjectName(self.key)
        page.setAccessibleName(self.word)
        return page


# The rail, from top to bottom; a page more is a line more.
PAGES = (
    PageInfo("overview", "Overview", "overview", "desktop.ui.pages.overview:OverviewPage"),
    PageInfo("workers", "Workers", "workers", "desktop.ui.pages.workers:WorkersPage"),
    PageInfo("queues", "Queues", "queue", "desktop.ui.pages.queues:QueuesPage"),
    PageInfo("tasks", "Tasks", "task", "desktop.ui.pages.tasks:TasksPage"),
    PageInfo("graphs", "Graphs", "pulse", "desktop.ui.pages.graphs:GraphsPage"),
    PageInfo("workloads", "Workloads", "workloads", "desktop.ui.pages.workloads:WorkloadsPage"),
    PageInfo("lab", "Failure lab", "lab", "desktop.ui.pages.lab:LabPage"),
    PageInfo("runs", "Runs", "runs", "desktop.ui.pages.runs:RunsPage"),
    PageInfo("logs", "Logs", "logs", "desktop.ui.pages.logs:LogsPage"),
)
