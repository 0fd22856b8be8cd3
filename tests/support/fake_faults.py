"""What `FakeDesk` knows of faults and drills: kinds, rules, drills, and made-up ones that were done."""

from __future__ import annotations

from pathlib import Path

from desktop.engine.api import (
    Account,
    Check,
    Count,
    DrillInfo,
    FaultInfo,
    FaultKind,
    FaultOption,
    FaultRecord,
    FaultSpec,
    FaultState,
    Finding,
    Forecast,
    Outcome,
    Pick,
    Recovery,
    Rule,
    Target,
    Verdict,
)

_K = FaultKind
_DELAY = FaultOption("delay", "float", 0.2, "Added to each packet, one way.", "s", 0.0, 60.0)
_COUNT = FaultOption("count", "int", 3, "How many tasks are sent.", "", 1, 1000)
_HOW = FaultOption("how", "choice", "exit", "How a task ends its process.", choices=("exit", "segv", "kill"))

INFOS = (
    FaultInfo(
        _K.KILL_PROCESS,
        "Kill a pool process (SIGKILL)",
        "Sends SIGKILL to one child of a prefork worker.",
        "Pool process",
        "process",
        False,
    ),
    FaultInfo(
        _K.FREEZE_PROCESS,
        "Freeze a pool process",
        "Stops one child with SIGSTOP.",
        "Pool process",
        "process",
        True,
        10.0,
        "SIGCONT lets it go on.",
    ),
    FaultInfo(
        _K.KILL_WORKER,
        "Kill a worker (SIGKILL)",
        "Sends SIGKILL to the whole process group of a worker.",
        "Worker",
        "worker",
        False,
    ),
    FaultInfo(
        _K.WARM,
        "Warm shutdown (SIGTERM)",
        "Asks the main process to finish what runs and to stop.",
        "Worker",
        "worker",
        False,
    ),
    FaultInfo(
        _K.FREEZE_WORKER,
        "Freeze a worker (SIGSTOP)",
        "Stops the main process; nothing is fetched meanwhile.",
        "Worker",
        "worker",
        True,
        10.0,
        "SIGCONT lets it go on.",
    ),
    FaultInfo(
        _K.STOP_BROKER,
        "Restart the broker (SIGTERM)",
        "Stops the broker and starts it again.",
        "Broker",
        "broker",
        True,
        3.0,
        "The broker is started again.",
    ),
    FaultInfo(
        _K.FLUSH_BROKER,
        "Flush the broker",
        "FLUSHDB: every message of the database is deleted.",
        "Broker",
        "broker",
        False,
        destructive=True,
    ),
    FaultInfo(
        _K.CUT,
        "Cut the network",
        "Connections between workers and broker are reset, new ones refused.",
        "Network",
        "stack",
        True,
        5.0,
        "The relay lets connections through again.",
        needs_relay=True,
    ),
    FaultInfo(
        _K.LATENCY,
        "Slow packets",
        "Each packet between workers and broker is late.",
        "Network",
        "stack",
        True,
        30.0,
        "The relay passes packets on at once.",
        (_DELAY,),
        needs_relay=True,
    ),
    FaultInfo(
        _K.POISON,
        "Poison tasks",
        "Sends tasks that end the process they run in.",
        "Tasks",
        "stack",
        False,
        options=(_COUNT, _HOW),
    ),
)

RULES = (
    Rule(
        "kill-worker/prefork/early/running",
        "A task that was acknowledged before it ran is lost with its process.",
        "celery.worker.request.Request.on_accepted; measured with 5.7",
    ),
    Rule(
        "kill-worker/any/reserved",
        "Messages that were delivered and not acknowledged come back after the visibility timeout.",
        "kombu.transport.redis.QoS.restore_visible",
    ),
)


def _id(number: int) -> str:
    return f"7f3a0c1e-52b1-4c1d-9a2f-77cd0a1e{number:04x}"


def made_faults(now: float) -> tuple[FaultRecord, ...]:
    """Four that were done in the last minutes: as said, not as said, missed, and one that lasts still."""
    seen = Forecast(
        t=now - 200,
        targets=("w1",),
        sentences=("2 running tasks will be lost (acks early).", "6 reserved come back after 58 min 12 s."),
        running=2,
        held=6,
        lost=Count(2, 2),
        back=Count(6, 6),
        back_after=3492.0,
        hurts=True,
        rules=RULES,
    )
    as_said = Outcome(True, (_id(1), _id(2)), back=tuple(_id(n) for n in range(3, 9)), first_back=3490.2)
    wrong = Outcome(
        True,
        (_id(11), _id(12), _id(13)),
        again=(_id(14),),
        differs=("3 tasks were lost; 2 were foretold.", "1 task ran again; none was foretold."),
    )
    kill = FaultSpec(FaultKind.KILL_WORKER, Target(Pick.NAME, "w1"))

    def done(number: int, at: float, outcome: Outcome | None) -> FaultRecord:
        return FaultRecord(
            id=number,
            spec=kill,
            state=FaultState.OVER,
            asked_at=at,
            targets=("w1",),
            pids=(41000,),
            landed_at=at,
            ended_at=at,
            text="SIGKILL to w1 (pid 41000, 3 processes), while it ran 2 tasks",
            forecast=seen,
            outcome=outcome,
        )

    cut = FaultSpec(FaultKind.CUT)
    freeze = FaultSpec(FaultKind.FREEZE_WORKER, Target(Pick.NAME, "w2"), 60.0)
    calm = Forecast(now - 18, ("w2",), ("4 running tasks go on where they were.",), 4, 6, sure=False)
    return (
        done(1, now - 200, as_said),
        done(2, now - 120, wrong),
        FaultRecord(3, cut, FaultState.MISSED, now - 60, text="No worker goes through the relay."),
        FaultRecord(
            id=4,
            spec=freeze,
            state=FaultState.UNDER_WAY,
            asked_at=now - 18,
            targets=("w2",),
            pids=(41100,),
            landed_at=now - 18,
            ends_at=now + 42,
            text="SIGSTOP to w2 (pid 41100), while it ran 4 tasks",
            forecast=calm,
        ),
    )


ACCOUNT = Account(
    submitted=2000,
    ended_once=1961,
    ended_more=(_id(14),),
    failed=((_id(21), "Unlucky: 0.07 < 0.3"), (_id(22), "SoftTimeLimitExceeded")),
    lost=(_id(1), _id(2), _id(11), _id(12), _id(13)),
    otherwise={"REVOKED": 3},
    still={"waiting": 12, "reserved": 8, "active": 2, "stranded": 6},
    ran_twice=(_id(14), _id(15)),
    retried=17,
    attempts=2021,
)

DRILLS = (
    DrillInfo(
        "kill-early",
        "kill -9 with early acks",
        "A task that was acknowledged before it ran is gone with its worker. Celery's default does that.",
        "Set task_acks_late = true under [celery]: then see kill-late.",
        Path("resources/drills/kill-early.toml"),
        Finding.FAIL,
    ),
    DrillInfo(
        "kill-late",
        "kill -9 with late acks",
        "Late acks bring every task back. Some run twice, so they must be idempotent.",
        "",
        Path("resources/drills/kill-late.toml"),
        Finding.PASS,
    ),
    DrillInfo(
        "broker-restart",
        "Broker restart without persistence",
        "What waits in a broker that keeps nothing on disk is gone with it. No setting of Celery's helps.",
        'Set persistence = "append-only" under [broker].',
        Path("resources/drills/broker-restart.toml"),
        Finding.FAIL,
    ),
    DrillInfo(
        "checkout",
        "Checkout under fire",
        "",
        "",
        Path("mine/checkout.toml"),
        shipped=False,
    ),
    DrillInfo(
        "half",
        "half.toml",
        "",
        "",
        Path("mine/half.toml"),
        shipped=False,
        problem="Line 7, fault.what: “kill-wroker” is no kind of fault. Did you mean “kill-worker”?",
    ),
)


def made_verdict(now: float, finding: Finding, seed: int, number: int = 1) -> Verdict:
    """A verdict with everything in it."""
    bad = finding is Finding.FAIL
    account = Account(
        submitted=200,
        ended_once=198 if bad else 200,
        lost=(_id(1), _id(2)) if bad else (),
        ran_twice=(_id(14),),
        attempts=201,
    )
    reason = {
        Finding.PASS: "All 200 tasks ended once.",
        Finding.FAIL: "2 of 200 tasks were lost.",
        Finding.UNKNOWN: "A fault missed: w1 was gone already.",
    }[finding]
    return Verdict(
        drill="kill-early",
        verdict=finding,
        reason=reason,
        seed=seed,
        began=now - 42,
        ended=now - 2,
        account=account,
        checks=(
            Check("lost", "at most 0", "2" if bad else "0", not bad),
            Check("recovered_within", "10 s", "3.2 s", True),
        ),
        recovery=(Recovery(1, 0.012, 0.52, 2.4, 3.1, 3.2),),
        faults=made_faults(now)[:1],
        run_folder=Path("runs/run-1"),
        number=number,
        gives=Finding.FAIL,
        settled_after=4.1,
        judged_in=0.08,
    )
