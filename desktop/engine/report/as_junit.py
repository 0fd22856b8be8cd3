"""A report as JUnit XML, which every CI understands: a suite for each run, a case for each check."""

from __future__ import annotations

import time
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator, Sequence

from desktop.engine.api import Check, Finding
from desktop.engine.report import compare, words
from desktop.engine.report.model import Report

# Which ids a check that does not hold is about.
_IDS = {"lost": "lost", "duplicates": "ended_more", "ended_more": "ended_more", "ran_twice": "ran_twice"}


def junit(reports: Sequence[Report]) -> str:
    """The XML. A check that does not hold is a failure with its ids; a drill that cannot tell is an error."""
    root = ET.Element("testsuites", name="Celery Desk")
    for report in reports:
        root.append(_suite(report))
    for count in ("tests", "failures", "errors", "skipped"):
        root.set(count, str(sum(int(suite.get(count, "0")) for suite in root)))
    ET.indent(root)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _suite(report: Report) -> ET.Element:
    judged, scenario = report.judged, report.scenario
    name = scenario.name if scenario is not None else report.stack
    suite = ET.Element("testsuite", name=words.printable(name))
    suite.set("timestamp", time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(report.began)))
    suite.set("time", f"{max(report.ended - report.began, 0.0):.3f}")
    _properties(suite, report)
    checks = judged.checks if judged is not None else ()
    for check in checks:
        _check(suite, report, name, check)
    if judged is not None:
        _verdict(suite, report, name)
    else:
        _plain(suite, report, name)
    _text(ET.SubElement(suite, "system-out"), "\n".join(_told(report)))
    cases = suite.findall("testcase")
    for count, tag in (("tests", ""), ("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(count, str(sum(not tag or case.find(tag) is not None for case in cases)))
    return suite


def _told(report: Report) -> Iterator[str]:
    """The account, every id that matters, and what is not known."""
    yield compare.headline(report).why
    yield from (f"{part.text}: {part.count:,}" for part in compare.parts(report))
    yield from (again,) if (again := compare.copies(report)) else ()
    for what, ids in (("lost", report.account.lost), ("ran twice", report.ran_twice)):
        if ids:
            yield from ("", f"{what}:", *ids)
    yield from ("", *report.gaps) if report.gaps else ()


def _properties(suite: ET.Element, report: Report) -> None:
    known = {"run": report.run, "stack": report.stack, "celery-desk": report.made_with, **report.versions}
    if report.scenario is not None:
        known["seed"] = str(report.scenario.seed)
    holder = ET.SubElement(suite, "properties")
    for name, value in known.items():
        ET.SubElement(holder, "property", name=words.printable(name), value=words.printable(value))


def _case(suite: ET.Element, name: str, of: str) -> ET.Element:
    return ET.SubElement(
        suite, "testcase", classname=f"drill.{words.printable(of)}", name=words.printable(name)
    )


def _check(suite: ET.Element, report: Report, of: str, check: Check) -> None:
    case = _case(suite, f"{check.name}: {check.wanted}", of)
    if not check.ok:
        failure = ET.SubElement(case, "failure", type=words.printable(check.name))
        failure.set("message", words.printable(f"wanted {check.wanted}, found {check.found}"))
        _text(failure, "\n".join(_ids(report, check.name)))


def _ids(report: Report, check: str) -> Iterable[str]:
    if check == "failed":
        return (f"{task_id}  {why}" for task_id, why in report.account.failed)
    return getattr(report.account, _IDS[check]) if check in _IDS else ()


def _verdict(suite: ET.Element, report: Report, of: str) -> None:
    """What no single check says: that the drill could tell at all, and a failure that is none of theirs."""
    judged = report.judged
    assert judged is not None
    case = _case(suite, "the drill could tell", of)
    if judged.finding is Finding.UNKNOWN:
        error = ET.SubElement(case, "error", type="UNKNOWN", message=words.printable(judged.reason))
        _text(error, "\n".join(fault.text for fault in report.faults if not fault.landed))
    elif judged.finding is Finding.FAIL and all(check.ok for check in judged.checks):
        ET.SubElement(case, "failure", type="FAIL", message=words.printable(judged.reason))


def _plain(suite: ET.Element, report: Report, of: str) -> None:
    """Of a run that was no drill only this is sure to be wrong: a task that was lost."""
    case = _case(suite, "no task was lost", of)
    lost = report.account.lost
    if lost:
        failure = ET.SubElement(
            case, "failure", type="lost", message=f"{words.plural(len(lost), 'task')} lost"
        )
        _text(failure, "\n".join(lost))


def _text(element: ET.Element, text: str) -> None:
    element.text = words.printable(text)
