"""The failure lab in pictures: what was done, what is being done, and what drills found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from desktop.engine.api import DrillSnapshot, FaultKind, Finding, Stage, Underway
from desktop.ui.widgets.progress_toast import ProgressToast
from tests.support.fake_drill_verbs import drill_of
from tests.support.fake_faults import ACCOUNT, DRILLS, made_faults, made_verdict
from tests.ui import scenes_graphs

Act = Callable[[Any], object]


def done(noon: float) -> Act:
    """Four faults were done, one lasts; the account has all that it can have."""

    def act(window: Any) -> None:
        desk = window.bridge.desk
        desk.faults, desk.the_account = made_faults(noon), ACCOUNT
        window.bridge.pull()
        done = window.page.faults.done
        window.bridge.run(desk.account(), lambda account: done.account.show_account(account))

    return act


def below(noon: float) -> Act:
    """The same, brought to the eye where it stands below."""

    def act(window: Any) -> None:
        done(noon)(window)
        window.page.faults.show_done()

    return act


def kind(kind: FaultKind, rules: bool = False) -> Act:
    """A kind of fault is chosen; its rules are unfolded."""

    def act(window: Any) -> None:
        view = window.page.faults
        view.kinds.choose(kind)
        view.form.forecast.rules.fold.setChecked(rules)

    return act


def _drill(noon: float, at: int, **more: Any) -> DrillSnapshot:
    begun = DrillSnapshot(drill_of(DRILLS[at]), Stage.RUNNING, noon - 24, 17)
    return replace(begun, **more)


def drills(window: Any) -> None:
    """The list, nothing runs."""
    window.page.show_view("drills")


def running(noon: float) -> Act:
    """The third of five repeats, two faults have landed."""

    def act(window: Any) -> None:
        faults = made_faults(noon)[2:]
        verdicts = (made_verdict(noon, Finding.PASS, 17), made_verdict(noon, Finding.FAIL, 18, 2))
        window.bridge.desk.the_drill = _drill(
            noon,
            0,
            doing="Waiting until 2 tasks are active on w1",
            number=3,
            of=5,
            share=0.46,
            faults=tuple(replace(one, landed_at=noon - 18 + 9 * n) for n, one in enumerate(faults)),
            verdicts=verdicts,
        )
        window.bridge.pull()
        window.page.show_view("drills")

    return act


def verdict(noon: float, finding: Finding, repeats: int = 1) -> Act:
    """A drill is over."""

    def act(window: Any) -> None:
        verdicts = [made_verdict(noon, Finding.PASS, 17 + n, n + 1) for n in range(repeats - 1)]
        verdicts.append(made_verdict(noon, finding, 16 + repeats, repeats))
        window.bridge.desk.the_drill = _drill(
            noon, 0, stage=Stage.OVER, share=1.0, number=repeats, of=repeats, verdicts=tuple(verdicts)
        )
        window.bridge.pull()
        window.page.show_view("drills")

    return act


def shots(shot: Callable[..., Any], noon: float) -> tuple[Any, ...]:
    """Every picture of the lab on a stack that is calm."""
    return (
        shot("lab-done", "lab", act=done(noon)),
        shot("lab-done-overview", "overview", act=done_elsewhere(noon)),
        shot("lab-done-graphs", "graphs", act=graphs(noon)),
        shot("lab-done-workers", "workers", act=done_elsewhere(noon)),
        shot("lab-rules", "lab", act=kind(FaultKind.KILL_WORKER, rules=True)),
        shot("lab-network", "lab", act=kind(FaultKind.LATENCY)),
        shot("lab-below", "lab", act=below(noon)),
        shot("lab-relaying", "lab", act=relaying),
        shot("lab-report", "lab", act=reporting(noon)),
        shot("lab-poison", "lab", act=kind(FaultKind.POISON)),
        shot("lab-drills", "lab", act=drills),
        shot("lab-running", "lab", act=running(noon)),
        shot("lab-pass", "lab", act=verdict(noon, Finding.PASS)),
        shot("lab-fail", "lab", act=verdict(noon, Finding.FAIL, 50)),
        shot("lab-unknown", "lab", act=verdict(noon, Finding.UNKNOWN)),
    )


def relaying(window: Any) -> None:
    """The relay is being put between."""
    window.bridge.desk.hold = True
    kind(FaultKind.CUT)(window)
    window.page.shell.commands["lab.relay_on"].trigger()


def reporting(noon: float) -> Act:
    """A report is being written."""

    def act(window: Any) -> None:
        done(noon)(window)
        writing = Underway[Any]()
        writing.share, writing.doing = 0.43, "Reading 100,000 tasks"
        window.toasts.put(
            ProgressToast(window.toasts, "Writing the report of 20261122-101500-laptop", writing)
        )

    return act


def graphs(noon: float) -> Act:
    """The same faults over a whole run."""

    def act(window: Any) -> None:
        window.bridge.desk.faults = made_faults(noon)
        scenes_graphs.whole(noon)(window)
        window.page.axis.show(noon - 300, noon)

    return act


def done_elsewhere(noon: float) -> Act:
    """The same faults, on a page with graphs."""

    def act(window: Any) -> None:
        window.bridge.desk.faults = made_faults(noon)
        window.bridge.pull()

    return act
