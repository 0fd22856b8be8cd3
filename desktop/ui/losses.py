"""What a stop of the whole stack destroys, in sentences: what a confirmation must say."""

from __future__ import annotations

from desktop.engine.api import StackSnapshot, StackState, StopHow
from desktop.ui.words import count, duration

_REDIS_VISIBILITY = 3600.0  # kombu's default, in seconds


def losses_of_stop(snapshot: StackSnapshot, how: StopHow) -> list[str]:
    """One sentence for each thing that is lost; empty when nothing is."""
    if snapshot.state is StackState.STOPPED or snapshot.attached:  # to let go of it stops nothing
        return []
    running = 0 if how is StopHow.WARM else sum(w.busy for w in snapshot.workers)
    waiting = sum(queue.waiting for queue in snapshot.queues)
    held = sum(w.reserved + w.scheduled for w in snapshot.workers)
    said = []
    if running:
        late = snapshot.spec.celery.get("task_acks_late", False)
        fate = "to run again from the start" if late else "lost, unless the task acknowledges late"
        said.append(f"{count(running, 'running task')} will be cut off: {fate}.")
    forgets = snapshot.broker is not None and snapshot.broker.persistence == "none"
    if forgets and waiting + held:
        said.append(
            f"{count(waiting + held, 'message')} will be lost: {waiting:,} wait in queues, {held:,} are "
            "held by workers, and this broker keeps nothing over its own stop (persistence = none)."
        )
    elif held and how is StopHow.KILL:
        options = snapshot.spec.celery.get("broker_transport_options", {})
        seconds = float(options.get("visibility_timeout", _REDIS_VISIBILITY))
        said.append(
            f"{count(held, 'message')} held by workers will come back only after {duration(seconds)}."
        )
    return said
