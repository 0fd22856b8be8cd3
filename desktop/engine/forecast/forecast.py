"""What a fault will do to the tasks of a moment, said before it is done."""

from __future__ import annotations

from desktop.engine.api import DeskError, FaultKind, FaultSpec, Forecast
from desktop.engine.faults.catalog import check_fault, info_of, option
from desktop.engine.faults.targets import Aim, choose
from desktop.engine.forecast import others, processes, workers
from desktop.engine.forecast.brokers import broker_fault
from desktop.engine.forecast.draft import Draft
from desktop.engine.forecast.freezes import freeze
from desktop.engine.forecast.situation import Situation, WorkerSituation


def forecast(situation: Situation, spec: FaultSpec) -> Forecast:
    """What that fault would do at that moment. Does nothing, and raises nothing.

    Its targets are those that the fault itself would choose from the same snapshot. Where the fault cannot
    be done, `impossible` says why, with the next step.
    """
    try:
        check_fault(spec)
        _check_possible(situation, spec)
        aims = choose(spec, situation.snapshot) if situation.snapshot is not None else ()
    except DeskError as error:
        return Forecast(situation.t, (), (), impossible=str(error))
    if info_of(spec.kind).aims_at == "broker":
        draft = Draft(situation, ("broker",))
        broker_fault(draft, spec)
        return draft.finish()
    draft = Draft(situation, [aim.worker for aim in aims])
    _worker_fault(draft, aims, spec)
    if draft.running and not situation.acks_known:
        draft.cannot_tell(
            "Acks are taken as early, Celery's default: the app may say otherwise. "
            "With task_acks_late in [celery] it is sure."
        )
    return draft.finish()


def _check_possible(situation: Situation, spec: FaultSpec) -> None:
    kind = spec.kind
    if not situation.running:
        raise DeskError("The stack is not running.", "Start it first.")
    if not situation.broker_ours:
        raise DeskError(
            "This stack was started by somebody else: nothing of it is broken from here.",
            "Start a stack of your own, and break that.",
        )
    if kind is FaultKind.SOFT and situation.settings.soft <= 0:
        raise DeskError(
            "Without worker_soft_shutdown_timeout there is no soft shutdown: SIGQUIT stops cold.",
            "Set it in [celery], or choose the cold shutdown.",
        )
    if info_of(kind).needs_relay and not situation.relay:
        raise DeskError(
            "The workers of this stack reach the broker directly: there is no network to break.",
            "Put the relay between them (workers restart warm), or write relay = true in [broker].",
        )
    if info_of(kind).aims_at == "broker" and not situation.broker_alive:
        raise DeskError("The broker does not run now.", "Start it first.")


def _worker_fault(draft: Draft, aims: tuple[Aim, ...], spec: FaultSpec) -> None:
    kind = spec.kind
    found = [draft.situation.worker(aim.worker) for aim in aims]
    targets: list[WorkerSituation] = [one for one in found if one is not None]
    match kind:
        case FaultKind.KILL_PROCESS:
            for aim, one in zip(aims, targets, strict=True):
                processes.kill_process(draft, one, aim.pid)
        case FaultKind.FREEZE_PROCESS:
            for aim, one in zip(aims, targets, strict=True):
                processes.freeze_process(draft, one, aim.pid, spec)
        case FaultKind.KILL_WORKER:
            workers.kill(draft, targets)
        case FaultKind.WARM:
            workers.warm(draft, targets, comes_back=_restarts(spec))
        case FaultKind.COLD | FaultKind.SOFT:
            workers.cold(draft, targets, comes_back=_restarts(spec))
        case FaultKind.TERM_GROUP:
            workers.term_group(draft, targets, comes_back=_restarts(spec))
        case FaultKind.FREEZE_WORKER:
            freeze(draft, targets, spec)
        case FaultKind.ROLLING:
            workers.rolling(draft, targets, spec)
        case FaultKind.POISON:
            others.poison(draft, targets, spec)
        case FaultKind.HOG:
            others.hog(draft, targets, spec)
        case FaultKind.SHRINK:
            others.shrink(draft, targets, spec)
        case FaultKind.NODE_NAME:
            others.node_name(draft, targets)
        case FaultKind.DISK_FULL:
            others.disk_full(draft, targets)
        case _:
            others.network(draft, targets, spec)


def _restarts(spec: FaultSpec) -> bool:
    """The worker is started again when it has stopped, as a deploy does it."""
    return bool(option(spec, "then") == "restart")
