"""The table of faults: each kind with its words, its options and how long it lasts."""

from __future__ import annotations

from collections.abc import Mapping

from desktop.engine.api import FaultInfo, FaultKind, FaultOption

LONGEST = 86_400.0  # seconds that a fault may last

_THEN = FaultOption(
    "then",
    "choice",
    "restart",
    "restart: it is started again at once when it has ended, as a deploy does; stay: it stays stopped",
    choices=("restart", "stay"),
)


def _float(
    name: str, default: float, doc: str, unit: str = "", *, low: float = 0.0, high: float = LONGEST
) -> FaultOption:
    return FaultOption(name, "float", default, doc, unit, low, high)


def _int(name: str, default: int, doc: str, unit: str = "", *, low: int = 1, high: int) -> FaultOption:
    return FaultOption(name, "int", default, doc, unit, low, high)


def _choice(name: str, doc: str, *choices: str) -> FaultOption:
    return FaultOption(name, "choice", choices[0], doc, choices=choices)


_POOL_PROCESS = (
    FaultInfo(
        FaultKind.KILL_PROCESS,
        "Kill a pool process (SIGKILL)",
        "One pool process of a prefork worker gets SIGKILL; the worker lives on and replaces it.",
        "Pool process",
        "process",
        lasts=False,
    ),
    FaultInfo(
        FaultKind.FREEZE_PROCESS,
        "Freeze a pool process (SIGSTOP)",
        "One pool process of a prefork worker stands still, with its task.",
        "Pool process",
        "process",
        lasts=True,
        seconds=10.0,
        undo="SIGCONT: it goes on where it stood still.",
    ),
)

_WORKER = (
    FaultInfo(
        FaultKind.KILL_WORKER,
        "Kill a worker (SIGKILL)",
        "A worker's whole process group gets SIGKILL; its restart policy says what follows.",
        "Worker",
        "worker",
        lasts=False,
    ),
    FaultInfo(
        FaultKind.WARM,
        "Warm shutdown (SIGTERM)",
        "A worker's main process gets SIGTERM: it takes nothing more and finishes what runs.",
        "Worker",
        "worker",
        lasts=False,
        options=(_THEN,),
    ),
    FaultInfo(
        FaultKind.COLD,
        "Cold shutdown (SIGQUIT)",
        "A worker's main process gets SIGQUIT: it ends without waiting for what runs.",
        "Worker",
        "worker",
        lasts=False,
        options=(_THEN,),
    ),
    FaultInfo(
        FaultKind.SOFT,
        "Soft shutdown (SIGQUIT, with a soft timeout)",
        "A worker's main process gets SIGQUIT and waits up to worker_soft_shutdown_timeout for what runs.",
        "Worker",
        "worker",
        lasts=False,
        options=(_THEN,),
    ),
    FaultInfo(
        FaultKind.TERM_GROUP,
        "SIGTERM to the whole group",
        "Every process of a worker gets SIGTERM at once, as many deployments send by mistake.",
        "Worker",
        "worker",
        lasts=False,
        options=(_THEN,),
    ),
    FaultInfo(
        FaultKind.FREEZE_WORKER,
        "Freeze a worker (SIGSTOP)",
        "A worker's main process stands still; longer than the visibility timeout, what it holds runs twice.",
        "Worker",
        "worker",
        lasts=True,
        seconds=15.0,
        undo="SIGCONT: it goes on where it stood still.",
    ),
    FaultInfo(
        FaultKind.NODE_NAME,
        "A second worker of the same name",
        "Another worker is started under the node name of the target.",
        "Worker",
        "worker",
        lasts=True,
        seconds=20.0,
        undo="The second worker is stopped warm.",
    ),
    FaultInfo(
        FaultKind.ROLLING,
        "Rolling kills (SIGKILL, on a clock)",
        "One worker after the other is killed; the gaps between two kills are drawn with the seed.",
        "Worker",
        "worker",
        lasts=True,
        undo="No further worker is killed.",
        options=(
            _int("kills", 5, "how many", high=100),
            _float("mean", 8.0, "mean gap between two kills", "s", low=0.1, high=3_600.0),
            _float("least", 1.0, "least gap between two kills", "s", high=3_600.0),
            _choice("order", "each worker in turn, or one that the seed draws", "in-turn", "random"),
        ),
    ),
)

_BROKER = (
    FaultInfo(
        FaultKind.KILL_BROKER,
        "Kill the broker (SIGKILL)",
        "The broker gets SIGKILL and stays down; what it had not written to the disk is gone.",
        "Broker",
        "broker",
        lasts=True,
        seconds=3.0,
        undo="It is started again, with what it finds on its disk.",
    ),
    FaultInfo(
        FaultKind.STOP_BROKER,
        "Stop the broker (SIGTERM)",
        "The broker ends in order and stays down; with persistence it saves its data first.",
        "Broker",
        "broker",
        lasts=True,
        seconds=3.0,
        undo="It is started again, with what it finds on its disk.",
    ),
    FaultInfo(
        FaultKind.FREEZE_BROKER,
        "Freeze the broker (SIGSTOP)",
        "The broker stands still: connections stay open and nothing is answered.",
        "Broker",
        "broker",
        lasts=True,
        seconds=10.0,
        undo="SIGCONT: it goes on where it stood still.",
    ),
    FaultInfo(
        FaultKind.CUT_CLIENTS,
        "Cut every client (CLIENT KILL)",
        "The broker closes every connection but the panel's own; clients may connect again at once.",
        "Broker",
        "broker",
        lasts=False,
    ),
    FaultInfo(
        FaultKind.FILL_BROKER,
        "Out of memory (maxmemory, noeviction)",
        "The broker's limit of memory is put below what it uses, so that it refuses every write.",
        "Broker",
        "broker",
        lasts=True,
        seconds=10.0,
        undo="Its limit and its policy are put back as they were.",
        options=(_float("share", 0.5, "the new limit, as a share of what is used now", low=0.01, high=1.0),),
    ),
    FaultInfo(
        FaultKind.FLUSH_BROKER,
        "Flush the broker (FLUSHDB)",
        "Every message that waits and every one that a worker has not acknowledged is deleted.",
        "Broker",
        "broker",
        lasts=False,
        destructive=True,
    ),
)

_WAY = _choice("way", "which way of the two; of both, each for itself", "both", "to-broker", "to-worker")

_NETWORK = (
    FaultInfo(
        FaultKind.LATENCY,
        "Latency",
        "Everything between a worker and the broker arrives late.",
        "Network",
        "worker",
        needs_relay=True,
        lasts=True,
        seconds=10.0,
        undo="Everything passes at once again.",
        options=(
            _float("delay", 0.2, "how late each piece arrives", "s", high=60.0),
            _float("jitter", 0.0, "by how much that varies, more and less", "s", high=60.0),
            _WAY,
        ),
    ),
    FaultInfo(
        FaultKind.CUT,
        "Cut",
        "A worker's connections to the broker are reset, and new ones are refused.",
        "Network",
        "worker",
        needs_relay=True,
        lasts=True,
        seconds=10.0,
        undo="New connections are let through again.",
    ),
    FaultInfo(
        FaultKind.HALF_OPEN,
        "Half-open connections",
        "A worker's connections to the broker stay, and nothing passes either way.",
        "Network",
        "worker",
        needs_relay=True,
        lasts=True,
        seconds=10.0,
        undo="What was held up passes, in its order.",
    ),
    FaultInfo(
        FaultKind.SLOW,
        "A slow line",
        "A worker and the broker share a line of few bytes a second.",
        "Network",
        "worker",
        needs_relay=True,
        lasts=True,
        seconds=10.0,
        undo="The line is as fast as before.",
        options=(_float("rate", 20_000.0, "how much passes", "bytes/s", low=1.0, high=1e9), _WAY),
    ),
)

_TASKS = (
    FaultInfo(
        FaultKind.POISON,
        "Poison tasks",
        "Tasks that end the process they run in are sent to the target's first queue.",
        "Tasks",
        "worker",
        lasts=False,
        options=(
            _int("count", 1, "how many", high=1_000),
            _choice("how", "exit code 7, a segmentation fault, or SIGKILL to itself", "exit", "segv", "kill"),
            _float("after", 0.1, "how long each runs before", "s", high=3_600.0),
        ),
    ),
    FaultInfo(
        FaultKind.HOG,
        "Memory hogs",
        "Tasks that take memory and never give it back are sent to the target's first queue.",
        "Tasks",
        "worker",
        lasts=False,
        options=(
            _int("count", 4, "how many", high=1_000),
            _int("megabytes", 50, "how much each takes", "MB", high=10_000),
            _int("cap", 500, "what one process holds at most", "MB", high=100_000),
            _float("hold", 0.3, "how long each stays afterwards", "s", high=3_600.0),
        ),
    ),
)

_POOL = (
    FaultInfo(
        FaultKind.SHRINK,
        "Shrink the pool",
        "A pool loses processes or greenlets while it works (pool_shrink; the bounds of an autoscaler).",
        "Pool",
        "worker",
        lasts=True,
        seconds=10.0,
        undo="The pool grows again by what it lost.",
        options=(_int("by", 1, "how many it loses; one is left at least", high=1_000),),
    ),
)

_DISK = (
    FaultInfo(
        FaultKind.DISK_FULL,
        "A full disk for the log",
        "A worker is restarted warm with a log that cannot be written: each line ends in ENOSPC.",
        "Disk",
        "worker",
        lasts=True,
        seconds=20.0,
        undo="The worker is restarted warm, with a log file of its own.",
    ),
)

KINDS: Mapping[FaultKind, FaultInfo] = {
    info.kind: info for info in (*_POOL_PROCESS, *_WORKER, *_POOL, *_TASKS, *_DISK, *_BROKER, *_NETWORK)
}
