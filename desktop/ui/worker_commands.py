"""What can be done to a worker: one registered action a worker and verb, and its signals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject

from desktop.engine.api import SignalOffer, StackSnapshot, StackState, State, StopHow, WorkerSnapshot
from desktop.ui.actions import Action
from desktop.ui.page import Shell
from desktop.ui.widgets.confirm import confirm

if TYPE_CHECKING:
    from desktop.ui.pages.workers_form import WorkerDialog

_RECORDED = "A recorded run is shown. Close it first."
_FOREIGN = "Somebody else started it: it is not ours."
_NOT_OURS = "Its running tasks finish first. It is not ours: from here it will not come back."
VERBS = ("start", "stop", "cold", "restart", "kill", "faults", "edit", "remove")


class WorkerCommands(QObject):
    """Keeps the registry's worker verbs in step with the workers there are."""

    def __init__(self, shell: Shell, parent: QObject) -> None:
        super().__init__(parent)
        self._shell = shell
        self._names: tuple[str, ...] = ()
        self._allowed: dict[str, tuple[State, StackState, bool, bool]] = {}
        add = Action("worker.add", "Add worker…", self._add, "plus", "", "Add a worker", "Workers")
        shell.commands.add(add)

    def show_snapshot(self, snapshot: StackSnapshot) -> None:
        """Register verbs of new workers, forget those of removed ones, allow what the states allow."""
        names = tuple(w.name for w in snapshot.workers)
        for name in set(self._names) - set(names):
            self._allowed.pop(name, None)
            for verb in VERBS:
                self._shell.commands.remove(f"worker.{verb}:{name}")
        for name in names:
            if name not in self._names:
                self._register(name)
        self._names = names
        recorded, foreign = snapshot.recorded is not None, bool(snapshot.attached)
        why = _RECORDED if recorded else _FOREIGN
        self._shell.commands.enable("worker.add", not recorded and not foreign, why)
        for worker in snapshot.workers:
            states = worker.service.state, snapshot.state, recorded, foreign
            if self._allowed.get(worker.name) != states:
                self._allowed[worker.name] = states
                if foreign:
                    self._allow_foreign(worker)
                else:
                    self._allow(worker, snapshot.state, recorded)

    def _register(self, name: str) -> None:
        run = self._shell.commands.add

        def verb(
            key: str, text: str, icon: str, tip: str, do: Callable[[], None], danger: bool = False
        ) -> None:
            action = Action(f"worker.{key}:{name}", text, do, icon, "", tip, f"Worker {name}", danger=danger)
            run(action)

        verb("start", f"Start {name}", "play", f"Start {name}", partial(self._start, name))
        warm = "Warm stop: running tasks finish first"
        verb("stop", f"Stop {name}", "stop", warm, partial(self._stop, name, StopHow.WARM))
        cold = "Cold stop: running tasks are cut off"
        verb("cold", f"Cold stop {name}", "cold", cold, partial(self._ask_stop, name, StopHow.COLD, "QUIT"))
        again = "Warm stop, then start again"
        verb("restart", f"Restart {name}", "restart", again, partial(self._restart, name))
        kill = "SIGKILL to its whole process group"
        hard = partial(self._ask_stop, name, StopHow.KILL, "KILL")
        verb("kill", f"Kill {name}", "kill", kill, hard, danger=True)
        lab = "Freeze it, shut it down, cut it off: each with its forecast, in the failure lab"
        verb("faults", f"More faults for {name}…", "lab", lab, partial(self._more_faults, name))
        change = "Change pool, size, queues and limits"
        verb("edit", f"Edit {name}…", "edit", change, partial(self._edit, name))
        gone = "Take it out of the stack"
        verb("remove", f"Remove {name}…", "trash", gone, partial(self._ask_remove, name), danger=True)

    def _allow(self, worker: WorkerSnapshot, stack: StackState, recorded: bool) -> None:
        enable, name = self._shell.commands.enable, worker.name
        alive = worker.service.state.alive
        off = stack is StackState.STOPPED
        why = _RECORDED if recorded else _why_not_start(worker, off)
        enable(f"worker.start:{name}", not alive and not off, why)
        for verb in ("edit", "remove"):
            enable(f"worker.{verb}:{name}", not recorded, _RECORDED)
        enable(f"worker.faults:{name}", not off and not recorded, _RECORDED if recorded else why)
        for verb in ("stop", "cold", "kill", "restart"):
            enable(f"worker.{verb}:{name}", alive, f"{name} does not run.")

    def _allow_foreign(self, worker: WorkerSnapshot) -> None:
        """Remote control can ask a worker to stop, and no more."""
        enable, name = self._shell.commands.enable, worker.name
        for verb in ("start", "cold", "restart", "kill", "faults", "edit"):
            enable(f"worker.{verb}:{name}", False, _FOREIGN)
        alive = worker.service.state in (State.READY, State.SILENT)
        enable(f"worker.stop:{name}", alive, f"{name} is not heard.")
        enable(f"worker.remove:{name}", worker.service.state is not State.READY, _FOREIGN)

    # -- verbs

    def _add(self) -> None:
        self.open_form()

    def _edit(self, name: str) -> None:
        self.open_form(name)

    def open_form(self, name: str = "") -> WorkerDialog:
        """Show the workers, and over them the form of one of them, or of a new one."""
        from desktop.ui.pages.workers_form import WorkerDialog  # the first paint does not wait for it

        self._shell.go("workers", name)
        worker = self._shell.bridge.snapshot.worker(name)
        dialog = WorkerDialog(self._shell, worker)
        dialog.open()
        return dialog

    def _more_faults(self, name: str) -> None:
        self._shell.go("lab", f"worker:{name}")

    def _start(self, name: str) -> None:
        self._shell.do(self._shell.desk.start_service(name))

    def _stop(self, name: str, how: StopHow) -> None:
        if self._shell.bridge.snapshot.attached:
            self._ask(f"Ask {name} to stop?", [_NOT_OURS], f"Stop {name}", partial(self._stop_now, name, how))
        else:
            self._stop_now(name, how)

    def _stop_now(self, name: str, how: StopHow) -> None:
        self._shell.do(self._shell.desk.stop_service(name, how))

    def _restart(self, name: str) -> None:
        self._shell.do(self._shell.desk.restart_service(name))

    def _ask_stop(self, name: str, how: StopHow, signal: str) -> None:
        word = "Kill" if how is StopHow.KILL else "Stop cold"
        losses = [o.effect for o in self._shell.desk.signal_offers(name) if o.signal == signal]
        self._ask(f"{word} {name}?", losses, f"{word} {name}", partial(self._stop, name, how))

    def _ask_remove(self, name: str) -> None:
        if self._shell.bridge.snapshot.attached:  # it is only shown no more
            self._remove(name)
            return
        losses = [o.effect for o in self._shell.desk.signal_offers(name) if o.signal == "TERM"]
        losses.append(f"{name} leaves the stack; its file changes only when the stack is saved.")
        self._ask(f"Remove {name}?", losses, f"Remove {name}", partial(self._remove, name))

    def _remove(self, name: str) -> None:
        self._shell.do(self._shell.desk.remove_worker(name))

    def offers(self, worker: str, pid: int | None = None) -> Sequence[SignalOffer]:
        """The kill menu's entries, of this moment."""
        return self._shell.desk.signal_offers(worker, pid)

    def send(self, worker: str, pid: int | None, offer: SignalOffer) -> None:
        """Send a signal; where tasks are lost or run again, ask first and say which."""
        run = partial(self._send, worker, pid, offer.signal)
        if not offer.destructive:
            run()
            return
        whom = worker if pid is None else f"process {pid} of {worker}"
        self._ask(f"Send SIG{offer.signal} to {whom}?", [offer.effect], f"Send SIG{offer.signal}", run)

    def _send(self, worker: str, pid: int | None, signal: str) -> None:
        self._shell.do(self._shell.desk.send_signal(worker, signal, pid))

    def _ask(self, title: str, losses: Sequence[str], word: str, run: Callable[[], None]) -> None:
        confirm(self._shell.window_widget(), title, losses, word, run)


def _why_not_start(worker: WorkerSnapshot, off: bool) -> str:
    if off:
        return "Start the stack: it starts every worker."
    return f"{worker.name} is stopping." if worker.service.state is State.STOPPING else "It runs already."
