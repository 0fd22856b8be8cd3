"""A report as Markdown, to be pasted into an issue: tables, folded lists, and no text of others is markup."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence

from desktop.engine.api import FaultRecord
from desktop.engine.report import compare, reproduce, words
from desktop.engine.report.model import Curve, Report

# An issue takes 65,536 characters.
IDS = 250  # of one list
_FAILED = 100
_STEPS = 24
_FILE = 8_000  # characters
_LOG_LINES = 12  # round a fault, of all services
_LOGS = 5  # faults whose lines are told
_FAULTS = 20
_SHOWN = 120  # characters of a line
_SPARKS = " ▁▂▃▄▅▆▇█"
_SPARK_WIDTH = 60
_SIGNS = {"good": "✅", "warn": "⚠️", "bad": "❌", "idle": ""}
_MARKUP = re.compile(r"([\\`*_{}\[\]<>#|~@&])")


def markdown(reports: Sequence[Report]) -> str:
    """The text: of several runs a table of all, then the worst one in full."""
    worst = compare.by_worst(reports)[0]
    lines = [*_summary(reports)] if len(reports) > 1 else []
    for part in (
        _verdict,
        _checks,
        _account,
        _stories,
        _faults,
        _recovery,
        _graphs,
        _logs,
        _setup,
        _again,
        _gaps,
    ):
        lines += part(worst)
    return "\n".join(lines).rstrip() + "\n"


def plain(text: str) -> str:
    """Somebody's text as it is: no markup, no mention, one line."""
    return _MARKUP.sub(r"\\\1", " ".join(words.printable(text).split())).replace("\\@", "@\u200b")


def code(text: str) -> str:
    """Somebody's text in the type of code, on one line, also in a table."""
    text = " ".join(words.printable(text).split()).replace("|", "¦")
    fence = _fence(text, 1)
    pad = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{pad}{text}{pad}{fence}" if text else ""


def _fence(text: str, least: int) -> str:
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    return "`" * max(least, longest + 1)


def _block(text: str, kind: str = "") -> list[str]:
    text = words.printable(text).rstrip("\n")
    fence = _fence(text, 3)
    return [f"{fence}{kind}", text, fence]


def _folded(title: str, inside: Iterable[str]) -> list[str]:
    return ["<details>", f"<summary>{title}</summary>", "", *inside, "", "</details>", ""]


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [" | ".join(heads), " | ".join("---" for _ in heads)]
    return [f"| {line} |" for line in (*lines, *(" | ".join(row) for row in rows))] + [""]


def _summary(reports: Sequence[Report]) -> Iterator[str]:
    top = compare.summary(reports)
    yield from (f"# {_SIGNS[top.tone]} {top.word}: {len(reports)} runs", "", f"**{plain(top.why)}**", "")
    rows = []
    for one in reports:
        said = compare.headline(one)
        seed = str(one.scenario.seed) if one.scenario else "–"
        counts = (len(one.account.lost), len(one.ran_twice), len(one.account.failed))
        rows.append(
            (
                code(one.run),
                seed,
                f"{_SIGNS[said.tone]} {said.word}",
                plain(said.why),
                *map("{:,}".format, counts),
            )
        )
    yield from _table(("Run", "Seed", "Verdict", "Reason", "Lost", "Ran twice", "Failed"), rows)
    yield from ("The worst of them in full:", "")


def _verdict(report: Report) -> Iterator[str]:
    top, scenario = compare.headline(report), report.scenario
    title = (scenario.title or scenario.name) if scenario is not None else report.stack
    yield f"# {_SIGNS[top.tone]} {top.word}: {plain(title)}"
    yield from ("", f"**{plain(top.why)}**", "")
    judged = report.judged
    if judged is not None and judged.gives is not None:
        expected = (
            "as it is known to"
            if judged.gives is judged.finding
            else f"not {judged.gives.value} as it is known to"
        )
        yield from (f"The drill gave {judged.finding.value}, {expected}.", "")
    seed = f", seed {scenario.seed}" if scenario is not None else ""
    yield from (f"{words.day(report.began)}, stack {code(report.stack)}, run {code(report.run)}{seed}.", "")
    if scenario is not None:
        yield from (plain(scenario.teaches), "") if scenario.teaches else ()
        yield from (f"**What to change:** {plain(scenario.change)}", "") if scenario.change else ()


def _checks(report: Report) -> Iterator[str]:
    checks = report.judged.checks if report.judged is not None else ()
    if checks:
        yield from ("## Checks", "")
        rows = [
            (
                plain(one.name),
                plain(one.wanted),
                plain(one.found),
                "✅ holds" if one.ok else "❌ does not hold",
            )
            for one in checks
        ]
        yield from _table(("What", "Wanted", "Found", "Result"), rows)


def _account(report: Report) -> Iterator[str]:
    account = report.account
    yield from ("## Account", "")
    rows = [(part.text, f"{part.count:,}") for part in compare.parts(report) if part.count]
    yield from _table(("Tasks", ""), [*rows, ("**submitted**", f"**{account.submitted:,}**")])
    yield from (again, "") if (again := compare.copies(report)) else ()
    yield from _ids("were lost", account.lost)
    yield from _ids("ran more than once without having asked for it", report.ran_twice)
    yield from _ids(
        "failed", [f"{task_id}  {why}" for task_id, why in account.failed[:_FAILED]], len(account.failed)
    )


def _ids(what: str, ids: Sequence[str], count: int | None = None) -> list[str]:
    count = len(ids) if count is None else count
    if not count:
        return []
    shown = [one[:_SHOWN].replace("\n", " ") for one in ids[:IDS]]
    inside = _block("\n".join(shown))
    if count > len(shown):
        inside += ["", f"The first {len(shown)} of {count:,}; the other formats have all of them."]
    return _folded(f"Tasks that {what}: {count:,}", inside)


def _stories(report: Report) -> Iterator[str]:
    for story in report.stories:
        why = "was lost" if story.why == "lost" else story.why
        yield from (
            f"## The first task that {why}",
            "",
            f"{code(story.task.row.name)} {code(story.task.row.id)}",
            "",
        )
        rows = [
            (words.clock(t), words.offset(t, story.zero), plain(text)) for t, text in story.steps[:_STEPS]
        ]
        yield from _table(("When", "", "What"), rows)
        if len(story.steps) + story.more > _STEPS:
            yield from (f"And {len(story.steps) + story.more - _STEPS} more steps.", "")


def _faults(report: Report) -> Iterator[str]:
    if report.faults:
        yield from ("## Faults", "")
        rows = [_fault(fault, report.zero) for fault in report.faults[:_FAULTS]]
        yield from _table(("", "What", "Target", "When", "Landed", "Forecast", "Outcome"), rows)
        if len(report.faults) > _FAULTS:
            yield from (f"And {len(report.faults) - _FAULTS} more: the other formats have all of them.", "")
        differs = [
            plain(f"Fault {f.id}: {' '.join(f.outcome.differs)}")
            for f in report.faults
            if f.outcome and f.outcome.differs
        ]
        yield from (*(f"- ⚠️ {one}" for one in differs[:_FAULTS]), "")


def _fault(fault: FaultRecord, zero: float) -> tuple[str, ...]:
    word, tone = compare.state_of(fault)
    lines = [
        line for line in compare.foretold(fault) if line.forecast != "0" or line.outcome not in ("0", "–")
    ]
    signs = {True: "", False: " ❌", None: ""}
    return (
        str(fault.id),
        code(fault.spec.kind.value),
        code(", ".join(fault.targets) or fault.spec.target.text),
        words.offset(fault.landed_at if fault.landed_at is not None else fault.asked_at, zero),
        f"{_SIGNS[tone]} {word}" + (f": {plain(fault.text)}" if not fault.landed else ""),
        "<br>".join(f"{line.what}: {line.forecast}" for line in lines),
        "<br>".join(f"{line.what}: {line.outcome}{signs[line.same]}" for line in lines),
    )


def _recovery(report: Report) -> Iterator[str]:
    if report.recovery:
        yield from ("## Recovery", "")
        rows = [
            (
                str(one.fault),
                *map(words.seconds, (one.noticed, one.new_process, one.answers, one.first_done, one.backlog)),
            )
            for one in report.recovery
        ]
        heads = ("Fault", "Noticed", "New process", "Answers", "First task done", "Backlog as before")
        yield from _table(heads, rows)


def _graphs(report: Report) -> Iterator[str]:
    rows = []
    for graph in report.graphs:
        for curve in graph.curves:
            high = [value for value in curve.high if not math.isnan(value)]
            label = f"{graph.title}, {graph.unit}"
            peak = words.amount(max(high, default=0.0))
            rows.append((plain(label), plain(curve.label), peak, f"`{spark(curve)}`"))
    if rows:
        yield from _folded("Graphs", _table(("", "", "At most", "Over the whole run"), rows))


def spark(curve: Curve) -> str:
    """A curve in one line of text: the largest value of each stretch."""
    count = len(curve.high)
    width = min(_SPARK_WIDTH, count) or 1
    cells: list[float | None] = []
    for cell in range(width):
        part = [
            v for v in curve.high[cell * count // width : (cell + 1) * count // width] if not math.isnan(v)
        ]
        cells.append(max(part, default=None))
    top = max((value for value in cells if value is not None), default=0.0) or 1.0
    return "".join(" " if v is None else _SPARKS[max(1, math.ceil(max(v, 0.0) / top * 8))] for v in cells)


def _logs(report: Report) -> Iterator[str]:
    for one in report.logs[:_LOGS]:
        lines = [line for lines in one.services.values() for line in lines]
        loud = [line for line in lines if line.level in ("WARNING", "ERROR", "CRITICAL")] or lines
        shown = sorted(loud[:_LOG_LINES], key=lambda line: line.t)
        text = "\n".join(f"{words.clock(t.t)} {t.service} {t.level} {t.text}"[:_SHOWN] for t in shown)
        exits = [f"- {words.clock(mark.t)} {plain(mark.text)}" for mark in one.exits]
        if shown or exits:
            yield from _folded(
                f"Log lines round fault {one.fault}", [*exits, "", *(_block(text) if text else [])]
            )


def _setup(report: Report) -> Iterator[str]:
    yield from (f"## Settings that are not as Celery {report.celery} has them", "")
    if report.differences:
        rows = [(code(one.name), code(one.here), code(one.default)) for one in report.differences]
        yield from _table(("Setting", "Here", "Default"), rows)
    else:
        yield from ("None in the stack file.", "")
    workers = [
        (code(one.name), one.pool, one.size, one.prefetch, code(", ".join(one.queues)), one.restart)
        for one in report.workers
    ]
    if workers:
        yield from _table(("Worker", "Pool", "Size", "Prefetch", "Queues", "Restart"), workers)
    versions = ", ".join(f"{name} {version}" for name, version in report.versions.items())
    yield from (plain(versions), "") if versions else ()


def _again(report: Report) -> Iterator[str]:
    commands = reproduce.commands(report)
    yield from ("## Do it again", "", *_block("\n".join(one.text for one in commands), "sh"), "")
    if report.scenario is not None and report.scenario.text:
        yield from _folded("The drill file", _block(_cut(report.scenario.text), "toml"))
    elif report.stack_text:
        yield from _folded("The stack file", _block(_cut(report.stack_text), "toml"))


def _cut(text: str) -> str:
    return text if len(text) <= _FILE else f"{text[:_FILE]}\n# … the rest is in the run folder"


def _gaps(report: Report) -> Iterator[str]:
    yield from ("## What this report cannot know", "")
    yield from [f"- {plain(gap)}" for gap in report.gaps] or ["The ledger has no gap that is known of."]
    yield from ("", f"Made by Celery Desk {report.made_with}, {words.day(report.made)}.")
