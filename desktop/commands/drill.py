"""`drill`: break a stack on purpose, without a window, and say what came of it."""

from __future__ import annotations

import json
import queue
import shutil
import signal
import sys
import time
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Any

import click

from desktop.commands.lines import Lines
from desktop.engine.api import DeskError, DrillSnapshot, DrillSpec, Finding, Leftover, Verdict
from desktop.engine.desk import LocalDesk
from desktop.engine.drills.library import all_drills
from desktop.engine.drills.parse import read_drill
from desktop.engine.stack.model import StackSpec
from desktop.engine.supervise.outcome import duration, plural
from desktop.engine.verdict.kept import verdict_as_dict

EXIT = {Finding.PASS: 0, Finding.FAIL: 1, Finding.UNKNOWN: 2}
_WORST = (Finding.FAIL, Finding.UNKNOWN, Finding.PASS)
_POLL = 0.1
_SHOWN = 10  # ids and faults on the terminal; the JSON has all


def list_drills(as_json: bool) -> int:
    """What there is to run; 0."""
    for drill in all_drills():
        if as_json:
            told = {
                "name": drill.name,
                "title": drill.title,
                "teaches": drill.teaches,
                "change": drill.change,
                "gives": drill.gives,
                "shipped": drill.shipped,
                "path": str(drill.path),
                "problem": drill.problem,
            }
            click.echo(json.dumps(told, ensure_ascii=False))
            continue
        gives = drill.gives.value if drill.gives is not None else ""
        click.echo(f"{drill.name:<26} {gives:<8} {drill.title}")
        if drill.problem:
            click.echo(f"  cannot be read: {drill.problem}")
    return 0


class DrillCommand:
    """One drill, as often as asked. Verdicts go to stdout, all that is said to a person to stderr."""

    def __init__(
        self,
        file: str,
        *,
        repeat: int | None,
        seed: int | None,
        out: Path | None,
        as_json: bool,
        leftovers: str | None,
    ) -> None:
        """Raises DeskError where the drill cannot be read, or has no stack of its own."""
        self._drill = read_drill(file)
        if self._drill.stack is None:
            raise DeskError(
                f"The drill '{self._drill.name}' breaks the stack that runs in the window.",
                'Run it there, or name a stack in it: stack = "laptop".',
            )
        self._stack: StackSpec = self._drill.stack
        self._repeat = repeat if repeat is not None else self._drill.repeat
        self._seed = seed if seed is not None else self._drill.seed
        self._out = _writable(out) if out is not None else None
        self._as_json = as_json
        self._leftovers = leftovers
        self._lines = Lines()
        self._signals: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._told = 0
        self._last_doing = ""

    def run(self) -> int:
        """Exit code: 0 PASS, 1 FAIL, 2 UNKNOWN; of several repeats that of the worst."""
        desk = LocalDesk(self._stack)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._signalled)
        try:
            self._deal_with_leftovers(desk)
            self._say(desk.start_drill(self._drill, self._seed, self._repeat).result())
            shown = self._watch(desk)
        finally:
            desk.close()
        return self._end(shown)

    def _signalled(self, number: int, _frame: FrameType | None) -> None:
        self._signals.put(number)

    def _deal_with_leftovers(self, desk: LocalDesk) -> None:
        for leftover in desk.leftovers().result():
            if self._leftovers is None:
                raise DeskError(_told(leftover), "Say what to do with it: --leftovers stop, or leave.")
            self._say(desk.resolve_leftover(leftover.session, self._leftovers).result())

    def _watch(self, desk: LocalDesk) -> DrillSnapshot:
        """Until it is over: what it does, and each verdict as it comes."""
        halting = False
        while True:
            shown = desk.snapshot().drill
            assert shown is not None
            self._progress(shown)
            for verdict in shown.verdicts[self._told :]:
                self._tell(verdict)
            if shown.stage.value == "over":
                return shown
            if (not self._signals.empty() or self._lines.gone) and not halting:
                halting = True
                self._say("Halting: the load is cancelled, every fault undone, the stack stopped.")
                desk.halt_drill()
            time.sleep(_POLL)

    # what is said

    def _progress(self, shown: DrillSnapshot) -> None:
        doing = shown.doing
        if sys.stderr.isatty():
            number = f"{shown.number}/{shown.of} " if shown.of > 1 else ""
            click.echo(f"\r\x1b[K{number}{shown.stage.value}: {doing}"[:150], err=True, nl=False)
        elif shown.stage.value != self._last_doing:
            self._last_doing = shown.stage.value
            number = f" {shown.number} of {shown.of}" if shown.of > 1 else ""
            self._say(f"{shown.stage.value}{number}: {doing}" if doing else f"{shown.stage.value}{number}")

    def _say(self, text: str) -> None:
        clear = "\r\x1b[K" if sys.stderr.isatty() else ""
        click.echo(f"{clear}{text}", err=True)

    def _tell(self, verdict: Verdict) -> None:
        self._told += 1
        folder = self._copied(verdict)
        if self._as_json:
            self._lines.write(json.dumps(verdict_as_dict(verdict), ensure_ascii=False))
            return
        if sys.stderr.isatty():
            click.echo("\r\x1b[K", err=True, nl=False)
        number = f" (seed {verdict.seed})" if self._repeat > 1 else ""
        self._lines.write(f"{verdict.verdict}{number}: {verdict.reason}")
        for line in _details(verdict):
            self._lines.write(f"  {line}")
        if folder is not None:
            self._lines.write(f"  run folder: {folder}")

    def _copied(self, verdict: Verdict) -> Path | None:
        """The run folder; with --out, the verdict's files are there too."""
        folder = verdict.run_folder
        if self._out is None or folder is None:
            return folder
        try:
            for name in ("drill.json", "drill.toml", "faults.jsonl"):
                if (folder / name).exists():
                    stem = f"{verdict.drill}-{verdict.seed}"
                    shutil.copyfile(folder / name, self._out / f"{stem}.{name}")
        except OSError as error:
            self._say(f"{self._out} cannot be written: {error.strerror or error}.")
        return folder

    # the end

    def _end(self, shown: DrillSnapshot) -> int:
        if shown.problem:
            self._say(shown.problem)
        finding = worst(shown.verdicts)
        if self._repeat > 1:
            self._sum_up(shown, finding)
        return EXIT[finding]

    def _sum_up(self, shown: DrillSnapshot, finding: Finding) -> None:
        told = summary(self._drill, self._repeat, shown.verdicts, finding)
        if self._as_json:
            self._lines.write(json.dumps(told, ensure_ascii=False))
            return
        counts = ", ".join(f"{count} {name}" for name, count in told["verdicts"].items() if count)
        self._lines.write(f"{finding} of {plural(len(shown.verdicts), 'repeat')}: {counts or 'none ended'}.")
        for name in ("FAIL", "UNKNOWN"):
            if told["seeds"][name]:
                self._lines.write(f"  {name} with --seed: {', '.join(map(str, told['seeds'][name]))}")


def worst(verdicts: tuple[Verdict, ...]) -> Finding:
    """FAIL before UNKNOWN before PASS; UNKNOWN of none."""
    found = {verdict.verdict for verdict in verdicts}
    return next((finding for finding in _WORST if finding in found), Finding.UNKNOWN)


def summary(drill: DrillSpec, repeat: int, verdicts: tuple[Verdict, ...], finding: Finding) -> dict[str, Any]:
    """How often each verdict came, with the members of the worst verdict: the last line of `--json`."""
    telling = next((verdict for verdict in verdicts if verdict.verdict is finding), None)
    counts = Counter(verdict.verdict for verdict in verdicts)
    seeds = {
        name.value: [verdict.seed for verdict in verdicts if verdict.verdict is name] for name in Finding
    }
    whole = verdict_as_dict(telling) if telling is not None else {}
    return {
        **whole,
        "verdict": finding.value,
        "reason": telling.reason if telling is not None else "No repeat came to its end.",
        "drill": drill.name,
        "repeats": len(verdicts),
        "of": repeat,
        "verdicts": {name.value: counts[name] for name in Finding},
        "seeds": seeds,
    }


def _details(verdict: Verdict) -> list[str]:
    account = verdict.account
    still = ", ".join(f"{count:,} {place}" for place, count in account.still.items())
    lines = [
        f"{plural(account.submitted, 'task')}: {account.ended_once:,} ended once, "
        f"{len(account.ended_more):,} more than once, {len(account.failed):,} failed, "
        f"{len(account.lost):,} lost, {f'{still}, not over' if still else 'none left'}"
    ]
    for fault in verdict.faults[:_SHOWN]:
        lines.append(f"fault {fault.id}: {fault.text or fault.spec.kind.value}")
        lines += [f"  {sentence}" for sentence in (fault.outcome.differs if fault.outcome else ())]
    if len(verdict.faults) > _SHOWN:
        lines.append(f"and {plural(len(verdict.faults) - _SHOWN, 'more fault')}")
    for name, ids in (("lost", account.lost), ("ended more than once", account.ended_more)):
        if ids:
            more = f" and {len(ids) - _SHOWN:,} more" if len(ids) > _SHOWN else ""
            lines.append(f"{name}: {', '.join(ids[:_SHOWN])}{more}")
    if verdict.settled_after is not None and verdict.judged_in is not None:
        settled, judged = duration(verdict.settled_after), duration(verdict.judged_in)
        lines.append(f"at rest {settled} after the load, judged in {judged}; seed {verdict.seed}")
    return lines


def _writable(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DeskError(
            f"{folder} cannot be made: {error.strerror or error}.", "Name another folder."
        ) from None
    return folder


def _told(leftover: Leftover) -> str:
    names = ", ".join(f"{name} (pid {pid})" for name, pid in leftover.processes)
    return f"A panel that ran '{leftover.stack}' (pid {leftover.panel_pid}) crashed and left: {names}."
