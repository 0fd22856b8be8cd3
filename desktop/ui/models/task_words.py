"""A filter in words, and as the short text by which other pages ask for one. No Qt."""

from __future__ import annotations

import re
import time
from dataclasses import replace

from desktop.engine.api import TaskColumn, TaskFilter, TaskQuery, TaskState, TextIn
from desktop.ui.states import word_of
from desktop.ui.words import listed

IN_WORDS = {
    TextIn.ANYWHERE: "Anywhere",
    TextIn.ID: "Id",
    TextIn.ARGS: "Arguments",
    TextIn.RESULT: "Result",
    TextIn.ERROR: "Error",
}
_ORDERS = {
    TaskColumn.NUMBER: ("newest first", "oldest first"),
    TaskColumn.SENT: ("last sent first", "first sent first"),
    TaskColumn.WAIT: ("longest wait first", "shortest wait first"),
    TaskColumn.RUN: ("longest run first", "shortest run first"),
    TaskColumn.CPU: ("most CPU first", "least CPU first"),
    TaskColumn.ATTEMPTS: ("most attempts first", "fewest attempts first"),
}


def span_words(since: float | None, until: float | None) -> str:
    """A stretch of the day: "14:02:10 – 14:03:40", with the day where it is not today."""

    def clock(t: float) -> str:
        local = time.localtime(t)
        day = "" if time.strftime("%j %Y", local) == time.strftime("%j %Y") else "%d %b "
        return time.strftime(f"{day}%H:%M:%S", local)

    if since is None or until is None:
        return f"from {clock(since)}" if since is not None else f"until {clock(until)}" if until else ""
    last = clock(until)
    if time.strftime("%j %Y", time.localtime(since)) == time.strftime("%j %Y", time.localtime(until)):
        last = time.strftime("%H:%M:%S", time.localtime(until))  # the day stands before the first
    return f"{clock(since)} – {last}"


def filter_words(chosen: TaskFilter) -> str:
    """What a filter lets pass: "failure or lost, of tasks.fetch, on w1, that ran twice"; empty: all."""
    said = []
    if chosen.states:
        words = [word_of(state).lower() for state in TaskState if state in chosen.states]
        said.append(_either(words))
    for word, names in (("of", chosen.names), ("in queue", chosen.queues), ("on", chosen.workers)):
        if names:
            few = sorted(names) if len(names) <= 3 else [*sorted(names)[:2], f"{len(names) - 2} more"]
            said.append(f"{word} {_either(few)}")
    if chosen.text:
        where = "" if chosen.text_in is TextIn.ANYWHERE else f" in the {IN_WORDS[chosen.text_in].lower()}"
        said.append(f"with “{chosen.text}”{where}")
    if chosen.since is not None or chosen.until is not None:
        said.append(f"alive {span_words(chosen.since, chosen.until)}")
    said += ["that ran twice"] if chosen.ran_twice else []
    said += ["tried more than once"] if chosen.retried else []
    said += [f"of workload {chosen.load}"] if chosen.load is not None else []
    return ", ".join(said)


def order_words(query: TaskQuery) -> str:
    """The order in words: "newest first"."""
    pair = _ORDERS.get(query.order, (f"by {query.order.value}, downwards", f"by {query.order.value}"))
    return pair[0 if query.descending else 1]


def _either(words: list[str]) -> str:
    return listed(words).replace(" and ", " or ") if len(words) > 1 else "".join(words)


_SPAN = re.compile(r"(\d+(?:\.\d+)?):(\d+(?:\.\d+)?)")


def filter_of(text: str) -> TaskFilter | None:
    """The filter of words such as "state:stranded queue:mail"; None where it is something else (a task's id).

    Known: state, name, queue, worker, load, text, "span:<since>:<until>" (seconds since the epoch), and
    "twice". Words of one kind are joined by "or".
    """
    chosen, some = TaskFilter(), False
    for word in text.split():
        kind, _, value = word.partition(":")
        field = {"state": "states", "name": "names", "queue": "queues", "worker": "workers"}.get(kind)
        if word == "twice":
            chosen = replace(chosen, ran_twice=True)
        elif field == "states" and value in TaskState._value2member_map_:
            chosen = replace(chosen, states=chosen.states | {TaskState(value)})
        elif field in ("names", "queues", "workers") and value:
            chosen = replace(chosen, **{field: getattr(chosen, field) | {value}})
        elif kind == "load" and value.isdigit():
            chosen = replace(chosen, load=int(value))
        elif kind == "text" and value:
            chosen = replace(chosen, text=value)
        elif kind == "span" and (ends := _SPAN.fullmatch(value)):
            chosen = replace(chosen, since=float(ends[1]), until=float(ends[2]))
        else:
            return None
        some = True
    return chosen if some else None
