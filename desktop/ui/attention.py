"""What needs a person's decision: which notices hold now, what they say, and what can be done about each."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from PySide6.QtCore import QObject

from desktop.engine.api import DeskError, Leftover, PrunePlan, ServiceSnapshot, StackSnapshot, State
from desktop.ui.attach_notices import attach_notices, gaps_notice
from desktop.ui.notices import Notice, Notices
from desktop.ui.page import Shell
from desktop.ui.run_commands import RunCommands
from desktop.ui.stack_commands import StackCommands
from desktop.ui.words import count, headline, listed, memory

PORT, FILE, CAP = "port-taken", "stack-file", "over-cap"  # keys of what stays until something comes of it


class Attention(QObject):
    """Keeps the notices in step with the stack, and with the verbs that failed."""

    def __init__(self, shell: Shell, stack: StackCommands, runs: RunCommands, parent: QObject) -> None:
        super().__init__(parent)
        self._shell, self._stack, self._runs = shell, stack, runs
        self.notices = Notices()
        stack.start_failed.connect(self._start_failed)
        stack.open_failed.connect(self._open_failed)
        stack.opened.connect(partial(self.notices.drop, FILE))
        runs.over_cap.connect(self._over_cap)

    def show_snapshot(self, snapshot: StackSnapshot) -> None:
        """Show what holds at this moment."""
        left = [leftover_notice(one, self._resolve) for one in snapshot.leftovers]
        services = [w.service for w in snapshot.workers]
        services += [s for s in (snapshot.broker and snapshot.broker.service, snapshot.web) if s]
        loops = [self._loop(s) for s in services if s.state is State.CRASH_LOOP]
        ask = self._shell.commands["attach.events"].trigger
        attached = attach_notices(snapshot, ask, self._show_gaps)
        record = snapshot.gaps if not snapshot.attached else ()
        gaps = (gaps_notice(record, self._show_gaps),) if record else ()
        self.notices.sync((*left, *loops, *attached, *gaps))
        if snapshot.started_at is not None:
            self.notices.drop(PORT)

    def _loop(self, service: ServiceSnapshot) -> Notice:
        show_log = partial(self._shell.go, "logs", service.name)
        return loop_notice(service, show_log, partial(self._start, service.name))

    def _start(self, service: str) -> None:
        self._shell.do(self._shell.desk.start_service(service))

    def _resolve(self, session: str, how: str) -> None:
        self._shell.do(self._shell.desk.resolve_leftover(session, how))

    def _start_failed(self, error: DeskError) -> None:
        if error.free_port is None:
            self._shell.toasts.error(error)
        else:
            self.notices.put(port_notice(error, self._stack.start))

    def _open_failed(self, error: DeskError, again: Callable[[], None]) -> None:
        self.notices.put(file_notice(error, self._show_details, again))

    def _over_cap(self, plan: PrunePlan) -> None:
        if plan.runs:
            self.notices.put(cap_notice(plan, self._runs.open_cap))
        else:
            self.notices.drop(CAP)

    def _show_gaps(self, text: str) -> None:
        from desktop.ui.widgets.details import show_details

        show_details(self._shell.window_widget(), "What the record does not know", text)

    def _show_details(self, text: str) -> None:
        from desktop.ui.widgets.details import show_details  # the first paint does not wait for it

        show_details(self._shell.window_widget(), "What is wrong with the stack file", text)


def leftover_notice(left: Leftover, resolve: Callable[[str, str], None]) -> Notice:
    """What a crashed panel left, and the three things that can be done about it."""
    when = time.strftime("%H:%M", time.localtime(left.started_at))
    names = listed([f"{name} (pid {pid})" for name, pid in left.processes])
    text = f"A panel that ended without cleaning up (started {when}) left “{left.stack}” running: {names}."

    def choice(word: str, how: str, kind: str = "") -> tuple[str, str, Callable[[], None]]:
        return word, kind, lambda: resolve(left.session, how)

    adopt = (choice("Adopt", "adopt", "primary"),) if left.adoptable else ()
    choices = (*adopt, choice("Stop them", "stop"), choice("Leave", "leave", "quiet"))
    return Notice(f"leftover:{left.session}", text, "warn", choices, closable=False)


def port_notice(error: DeskError, start: Callable[[int | None], None]) -> Notice:
    """The port is taken: start on the free one that is offered, or try the same again."""
    free = error.free_port
    use = (f"Use {free}", "primary", lambda: start(free))
    return Notice(PORT, error.what, "bad", (use, ("Try again", "", lambda: start(None))))


def file_notice(error: DeskError, show: Callable[[str], None], again: Callable[[], None]) -> Notice:
    """A stack file was not opened. It stays there while somebody mends the file."""
    first, *more = error.what.splitlines() or [""]
    retry = ("Try again", "primary", again)
    if not more:
        return Notice(FILE, str(error), "bad", (retry,))
    every = "\n\n".join((first, *more))
    whole = (f"Show all {len(more) + 1}", "", lambda: show(every))
    return Notice(FILE, f"{first} And {count(len(more), 'more problem')}.", "bad", (whole, retry))


def cap_notice(plan: PrunePlan, review: Callable[[], None]) -> Notice:
    """Old runs are over the cap. Nothing goes before somebody has looked."""
    many = count(len(plan.runs), "old run")
    text = f"{many} ({memory(plan.freed)}) {'is' if len(plan.runs) == 1 else 'are'} over your cap."
    return Notice(CAP, text, "info", (("Review…", "", review),))


def loop_notice(service: ServiceSnapshot, show_log: Callable[[], None], start: Callable[[], None]) -> Notice:
    """A service in a crash loop. Its log lines are a click away: the notice keeps to sentences."""
    text = headline(service.detail)
    text = text or f"{service.name} ended again and again, and is not started any more."
    choices = (("Show its log", "", show_log), ("Start again", "", start))
    return Notice(f"loop:{service.name}", text, "bad", choices)
