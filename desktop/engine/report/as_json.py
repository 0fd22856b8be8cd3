"""A report as JSON, for machines; `FORMAT.md` says what is in it."""

from __future__ import annotations

import json
import math
from array import array
from collections.abc import Sequence
from typing import Any

from desktop.engine.faults.kept import to_json
from desktop.engine.report import compare
from desktop.engine.report.model import Graph, Report

FORMAT = 1


def as_json(reports: Sequence[Report]) -> str:
    """All runs, the worst first. What is no number (NaN) is null."""
    top = compare.summary(reports) if len(reports) > 1 else compare.headline(reports[0])
    whole = {
        "format": FORMAT,
        "made_with": f"Celery Desk {reports[0].made_with}",
        "made": reports[0].made,
        "headline": {"word": top.word, "why": top.why},
        "runs": [_run(report) for report in compare.by_worst(reports)],
    }
    return json.dumps(whole, ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def _run(report: Report) -> dict[str, Any]:
    judged, account = report.judged, report.account
    found: dict[str, Any] = {
        "run": report.run,
        "stack": report.stack,
        "began": report.began,
        "ended": report.ended,
        "live": report.live,
        "note": report.note,
        "verdict": judged.finding.value if judged is not None else None,
        "reason": compare.headline(report).why,
        "drill": None if judged is None else {**to_json(judged), **to_json(report.scenario)},
        "account": to_json(account) | {"failed": dict(account.failed)},
        "stories": [to_json(story) for story in report.stories],
        "faults": [
            to_json(fault) | {"compared": to_json(compare.foretold(fault))} for fault in report.faults
        ],
        "recovery": to_json(report.recovery),
        "settings": {"compared_with_celery": report.celery, "differ": to_json(report.differences)},
        "workers": to_json(report.workers),
        "broker": report.broker,
        "versions": dict(report.versions),
        "machine": dict(report.machine),
        "graphs": [_graph(graph) for graph in report.graphs],
        "marks": to_json(report.marks),
        "marks_left_out": report.marks_left_out,
        "logs": [to_json(one) for one in report.logs],
        "stack_file": report.stack_text,
        "gaps": list(report.gaps),
    }
    return found


def _graph(graph: Graph) -> dict[str, Any]:
    curves = [
        {
            "label": curve.label,
            "low": _numbers(curve.low),
            "high": _numbers(curve.high),
            "last": _numbers(curve.last),
        }
        for curve in graph.curves
    ]
    return {"title": graph.title, "unit": graph.unit, "t": _numbers(graph.t), "curves": curves}


def _numbers(values: array[float]) -> list[float | None]:
    return [None if math.isnan(value) else round(value, 3) for value in values]
