"""The verbs of the engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Protocol

from desktop.engine.api.drills import Account, DrillInfo, DrillSpec
from desktop.engine.api.faults import FaultInfo, FaultSpec, Forecast
from desktop.engine.api.loads import TaskInfo, Workload
from desktop.engine.api.queues import MessagePage, PurgeOffer
from desktop.engine.api.record import Cap, PrunePlan, Record, RunInfo, Underway
from desktop.engine.api.services import ServiceEvent, StopHow
from desktop.engine.api.stack import LogLine, Series, SignalOffer, StackSnapshot
from desktop.engine.stack.model import WorkerSpec

# Names of the series, with the service or queue behind the colon:
#   cpu:<service>  memory:<service>  threads:<service>
#   size:<worker>  busy:<worker>  reserved:<worker>  min:<worker>  max:<worker>
#   depth:<queue>  in:<queue>  out:<queue>  (messages a second)  stranded:<queue>  unacked:
#   ended:  (tasks ended a second)  failed:  (the same, failed)
#   wait50: wait95: run50: run95: run99:  (seconds: percentiles of the tasks that ended in that beat)


class Desk(Protocol):
    """The engine, as everything outside knows it.

    Verbs return at once; the future ends with a sentence that says what was done, or with a
    `DeskError`. Every method may be called from any thread.
    """

    # what there is
    def snapshot(self) -> StackSnapshot:
        """The present moment; cheap, made anew at most twenty times a second."""

    def subscribe(self, heard: Callable[[ServiceEvent], None]) -> Callable[[], None]:
        """Call `heard` at once, from an engine thread, at each change of a service's state.

        Returns the function that ends it.
        """

    def series(self, name: str, seconds: float = 300.0) -> Series:
        """The last `seconds` of a series; empty when there is none of that name."""

    def log_lines(self, after: int = -1, limit: int = 5000) -> Sequence[LogLine]:
        """Lines with a larger `seq` than `after`, oldest first: the last `limit` of them."""

    def catalog(self) -> Future[tuple[TaskInfo, ...]]:
        """The tasks of the stack's app."""

    def signal_offers(self, worker: str, pid: int | None = None) -> tuple[SignalOffer, ...]:
        """The kill menu of a worker, or of one of its pool processes."""

    # which stack
    def open_stack(self, path_or_name: str | Path) -> Future[str]:
        """Take another stack file; only while the stack is stopped."""

    def save_stack(self, path: Path | None = None) -> Future[str]:
        """Write the live stack to its file, keeping comments. Shipped ones need a `path`."""

    def shipped_stacks(self) -> tuple[tuple[str, str], ...]:
        """(name, what it shows) of each stack in `resources`."""

    # the stack
    def start(self, port: int | None = None) -> Future[str]:
        """Start every service; ends when all are ready or one has failed."""

    def stop(self, how: StopHow = StopHow.WARM) -> Future[str]:
        """Stop every service, workers before the broker."""

    def start_service(self, name: str) -> Future[str]: ...

    def stop_service(self, name: str, how: StopHow = StopHow.WARM) -> Future[str]: ...

    def restart_service(self, name: str, how: StopHow = StopHow.WARM) -> Future[str]: ...

    def send_signal(self, worker: str, signal: str, pid: int | None = None) -> Future[str]:
        """Signal a worker's main process (KILL: its whole group), or one pool process."""

    # shape it while it runs
    def add_worker(self, spec: WorkerSpec) -> Future[str]: ...

    def edit_worker(self, name: str, spec: WorkerSpec) -> Future[str]:
        """Apply a changed spec: live where the pool can, else by a restart.

        `live_change` tells beforehand which it will be.
        """

    def live_change(self, name: str, spec: WorkerSpec) -> tuple[bool, str]:
        """(True, what is done live) or (False, why only a restart does it)."""

    def remove_worker(self, name: str, how: StopHow = StopHow.WARM) -> Future[str]: ...

    def add_queue(self, worker: str, queue: str) -> Future[str]: ...

    def cancel_queue(self, worker: str, queue: str) -> Future[str]: ...

    def command_line(self, spec: WorkerSpec) -> str:
        """The command that a worker of this spec is started with, without secrets.

        Raises DeskError where the spec cannot work, with the reason.
        """

    # load it
    def submit(self, workload: Workload) -> Future[int]:
        """Start a load generator; ends with its id."""

    def pause_load(self, load: int) -> None: ...

    def resume_load(self, load: int) -> None: ...

    def cancel_load(self, load: int) -> None: ...

    # queues and tasks
    def messages(self, queue: str, first: int = 0, count: int = 100) -> Future[MessagePage]:
        """Messages that wait, from the next one on, without disturbing them."""

    def purge_offer(self, queue: str) -> Future[PurgeOffer]:
        """What `purge` would delete now."""

    def purge(self, queue: str) -> Future[str]:
        """Delete every waiting message of a queue; the ledger keeps their ids as PURGED."""

    def restore_stranded(self, queue: str | None = None, worker: str | None = None) -> Future[str]:
        """Put stranded messages back into their queues now; never those that a living worker holds."""

    def retry_task(self, task_id: str) -> Future[str]:
        """Send it once more, as a new task with the same name, arguments and queue; says the new id."""

    def revoke_task(self, task_id: str, terminate: bool = False) -> Future[str]:
        """Tell every worker not to run it; `terminate`: end the pool process that runs it (SIGTERM)."""

    # break it on purpose
    def fault_kinds(self) -> tuple[FaultInfo, ...]:
        """Every kind of fault, in the order in which people look for them."""

    def forecast(self, fault: FaultSpec) -> Forecast:
        """What that fault would do to the tasks of this moment; cheap, changes nothing."""

    def inject(self, fault: FaultSpec, by_drill: bool = False) -> Future[int]:
        """Do it; ends with its number when it has landed, with DeskError when it missed or cannot be done.

        `by_drill`: the drill does it, not a person; its record says so.
        The snapshot's `faults` tell how it goes on. One that lasts is undone by itself after its seconds.
        """

    def undo_fault(self, fault: int) -> Future[str]:
        """End a fault that lasts, now."""

    def use_relay(self, on: bool) -> Future[str]:
        """Let workers reach the broker through the relay, so that their network can be broken, or directly.

        On a stack that runs every worker that runs is restarted warm, all at once, and the broker stays up:
        what they hold is finished or given back. Ends when they answer again. Refused while a fault lasts or
        a drill runs. On a stopped stack it only changes its settings.
        """

    def account(self, folder: Path | None = None) -> Future[Account]:
        """What became of every task of a run; None: of the one that is shown."""

    def judge_faults(self) -> Future[str]:
        """Work out the outcome of every fault of the run that is shown; the snapshot has them then."""

    # drills
    def drills(self) -> Future[tuple[DrillInfo, ...]]:
        """The shipped drills, then those of the user's own folder."""

    def read_drill(self, path_or_name: str | Path) -> Future[DrillSpec]:
        """Ends with DeskError, naming line and way out, where the file is wrong."""

    def start_drill(
        self, drill: DrillSpec, seed: int | None = None, repeat: int | None = None
    ) -> Future[str]:
        """Run it; ends when it has begun. The snapshot's `drill` tells how it goes on, and its verdicts."""

    def halt_drill(self) -> Future[str]:
        """End the drill now and undo everything that it did; ends when the stack is as it was before."""

    # reports
    def report_run(self, folder: Path, to: Path, formats: Sequence[str]) -> Underway[tuple[Path, ...]]:
        """Write a report of a run into the folder `to`, a file for each of "html", "md", "json", "junit"."""

    # the record
    def record(self) -> Record | None:
        """The run that is shown: the living or last one of this stack, or the one that was opened."""

    def runs(self) -> Future[tuple[RunInfo, ...]]:
        """Every run folder, newest first."""

    def open_run(self, path: Path) -> Underway[str]:
        """Show a finished run, from its folder or a zip of it; only while the stack is stopped.

        A run whose panel was killed is completed first from its ledger, which may take a while.
        """

    def close_run(self) -> Future[str]:
        """Show the stack again."""

    def pack_run(self, folder: Path, to: Path) -> Underway[str]:
        """Write a run into one zip file, a living one as it is now. No password is in it."""

    def note_run(self, folder: Path, note: str, kept: bool) -> Future[str]:
        """A person's words about a run, and whether it stays whatever the cap says."""

    def delete_run(self, folder: Path) -> Future[str]:
        """Delete one run folder; not the living one."""

    def cap(self) -> Cap:
        """How much of old runs is kept."""

    def prune_plan(self, cap: Cap | None = None) -> Future[PrunePlan]:
        """What this cap (None: the one that is remembered) would delete now. Changes nothing."""

    def set_cap(self, cap: Cap) -> Future[PrunePlan]:
        """Remember it; ends with what it would delete now. Nothing is deleted yet."""

    def prune(self, plan: PrunePlan) -> Future[str]:
        """Delete what the plan names, and nothing else."""

    # a stack that somebody else started
    def attach(self, url: str) -> Future[str]:
        """Watch the workers of a broker; `stop` lets go of it. Nothing of it is ever started or killed.

        The query of the URL may also name `global_keyprefix`, `event_exchange` and `control_exchange`. Ends
        with DeskError where the broker cannot be reached.
        """

    def enable_events(self, worker: str | None = None) -> Future[str]:
        """Ask workers of an attached stack, or one of them, to send the events of their tasks from now on."""

    # what a crashed panel left
    def resolve_leftover(self, session: str, how: str) -> Future[str]:
        """`how` is "adopt", "stop" or "leave"."""

    def close(self) -> None:
        """Stop everything that runs, at once; for the end of the program."""
