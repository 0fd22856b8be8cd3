"""A report as one HTML page that needs nothing but itself: style, graphs and script are in it."""

from __future__ import annotations

import importlib.resources
import tomllib
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from desktop.engine.faults.catalog import info_of as fault_info
from desktop.engine.report import compare, reproduce, words
from desktop.engine.report.lanes import lanes_of
from desktop.engine.report.logs import AROUND, LINES
from desktop.engine.report.model import Report
from desktop.engine.report.plot import Axis, plot_of

FAILED_IDS = 1_000  # of one reason
REASONS = 20


def html(reports: Sequence[Report]) -> str:
    """The page: of several runs a table of all, then the worst one in full. Every text in it is escaped."""
    worst = compare.by_worst(reports)[0]
    axis = Axis(worst.began, max(worst.ended, worst.began + 1e-3), worst.zero)
    page = _environment().get_template("page.html")
    return page.render(
        report=worst,
        reports=reports,
        several=len(reports) > 1,
        summary=compare.summary(reports),
        axis=axis,
        plots=[plot_of(graph, axis) for graph in worst.graphs],
        lanes=[lanes_of(story) for story in worst.stories],
        reasons=reasons(worst),
        faults_by_id={fault.id: fault for fault in worst.faults},
        commands=reproduce.commands(worst),
        style=Markup(_style()),
        script=Markup(_resource("page.js")),
    )


def reasons(report: Report) -> list[tuple[str, list[str], int]]:
    """(why, the first ids, how many) of failed tasks, the most frequent first."""
    found: dict[str, list[str]] = {}
    for task_id, why in report.account.failed:
        found.setdefault(why or "(no reason was recorded)", []).append(task_id)
    most = sorted(found.items(), key=lambda one: -len(one[1]))
    return [(why, ids[:FAILED_IDS], len(ids)) for why, ids in most]


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(str(_folder())),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_seen,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    filters: dict[str, Callable[..., str]] = {
        "day": words.day,
        "clock": words.clock,
        "seconds": words.seconds,
        "number": lambda value: f"{value:,}",
        "memory": _memory,
    }
    environment.filters |= filters
    environment.globals |= {
        "around": AROUND,
        "copies": compare.copies,
        "fault_title": lambda fault: fault_info(fault.spec.kind).title,
        "foretold": compare.foretold,
        "headline": compare.headline,
        "log_lines": LINES,
        "most_reasons": REASONS,
        "offset": words.offset,
        "parts": compare.parts,
        "plural": words.plural,
        "state_of": compare.state_of,
        "tones": compare.TONES,
    }
    return environment


def _seen(value: Any) -> Any:
    """What stands in the page: nobody's text brings a character that the page cannot hold."""
    return words.printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _memory(size: object) -> str:
    return f"{size / 1024**3:.1f} GiB" if isinstance(size, (int, float)) else "–"


def _folder() -> Path:
    return Path(str(importlib.resources.files("resources"))) / "report"


def _resource(name: str) -> str:
    return (_folder() / name).read_text(encoding="utf-8")


@cache
def _style() -> str:
    """The page's style, with the colours of the window as its variables."""
    folder = Path(str(importlib.resources.files("resources"))) / "theme"
    tokens = tomllib.loads((folder / "tokens.toml").read_text(encoding="utf-8"))
    light, dark = (_variables(tokens[scheme]) for scheme in ("light", "dark"))
    scheme = f":root{{color-scheme:light;{light}}}\n"
    scheme += f"@media screen and (prefers-color-scheme:dark){{:root{{color-scheme:dark;{dark}}}}}\n"
    return scheme + _resource("page.css")


def _variables(colors: dict[str, Any]) -> str:
    found = []
    for role, value in colors.items():
        if isinstance(value, list):
            found += [f"--worker-{place}:{color}" for place, color in enumerate(value)]
        else:
            found.append(f"--{role.replace('_', '-')}:{value}")
    return ";".join(found)
