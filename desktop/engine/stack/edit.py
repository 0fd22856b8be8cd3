"""Changes to a stack, written into its file with the comments and the layout kept.

The file is cut at its table headers into pieces, each with the comment above it. A piece that changes goes
through tomlkit; all others stay as they are, to the byte.
"""

from __future__ import annotations

import os
import tempfile
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import InlineTable

from desktop.engine.api import DeskError
from desktop.engine.stack.compose import (
    app_keys,
    broker_keys,
    compose_stack,
    compose_table,
    default_queue_of,
    toml,
    web_keys,
    worker_keys,
)
from desktop.engine.stack.model import StackSpec, WebSpec, WorkerSpec
from desktop.engine.stack.parse import expand, parse_stack
from desktop.engine.stack.positions import locate
from desktop.engine.stack.problems import StackFileError

_GONE: Any = object()
_BOM = "\ufeff"
Owner = tuple[str | int, ...]  # () before the first header, ("celery",), ("worker", 1)


def edit_stack(text: str, old: StackSpec, new: StackSpec) -> str:
    """The text of `old` changed so that it parses to `new`, apart from `path` and `about`.

    Keeps comments and layout. Workers that one table makes with `count` keep it while they stay alike. Where
    a layout cannot be kept at all, the text is written anew. Raises StackFileError when `new` is wrong.
    """
    wanted = replace(new, path=old.path, about=old.about)
    if wanted == old:
        return text
    try:
        edited = _restore(text, _Edit(_plain(text)).applied(old, wanted))
        if parse_stack(edited, old.path) == wanted:
            return edited
    except (StackFileError, TOMLKitError, ValueError, LookupError, TypeError):
        pass  # an unusual layout, or a wrong stack: the new text tells
    composed = _restore(text, compose_stack(wanted))
    if parse_stack(composed, old.path) != wanted:
        raise DeskError(f"The stack '{new.name}' cannot be written as a file.", "Edit its file by hand.")
    return composed


def write_stack(path: Path, text: str) -> None:
    """Write a stack file: whole or not at all, with the rights that it had.

    Raises StackFileError when the text is no right stack file, and DeskError when it cannot be written.
    """
    parse_stack(text, path)
    target = path.resolve()
    temporary = ""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        mode = target.stat().st_mode & 0o7777 if target.exists() else None
        handle, temporary = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        with os.fdopen(handle, "wb") as opened:
            opened.write(text.encode("utf-8"))
            opened.flush()
            os.fsync(opened.fileno())
        os.chmod(temporary, mode if mode is not None else 0o666 & ~_umask())
        os.replace(temporary, target)
    except OSError as error:
        if temporary:
            Path(temporary).unlink(missing_ok=True)
        why = error.strerror or str(error)
        raise DeskError(f"{path} could not be written: {why}.", "Save it in another folder.") from None


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _plain(text: str) -> str:
    plain = text.removeprefix(_BOM).replace("\r\n", "\n")
    return plain if not plain or plain.endswith("\n") else plain + "\n"


def _restore(original: str, edited: str) -> str:
    """With the line ends and the byte order mark of the original."""
    if original.count("\r\n") * 2 > original.count("\n"):
        edited = edited.replace("\n", "\r\n")
    return _BOM + edited if original.startswith(_BOM) else edited


@dataclass(slots=True)
class _Piece:
    owner: Owner
    text: str


@dataclass(frozen=True, slots=True)
class _Block:
    """One [[worker]] table to be: the workers it makes, and the piece whose place it takes, if any."""

    owner: Owner
    names: tuple[str, ...]
    text: str


class _Edit:
    """The pieces of one text, while they are changed."""

    def __init__(self, text: str) -> None:
        self._data = tomllib.loads(text)
        self._pieces = _cut(text)

    def applied(self, old: StackSpec, new: StackSpec) -> str:
        """The whole text with everything changed that differs between the two."""
        if old.name != new.name:
            self._sync((), lambda doc: doc, {"name": new.name})
        self._section("app", app_keys(old.app), app_keys(new.app))
        broker = broker_keys(new.broker)
        if old.broker.relay and not new.broker.relay:
            broker["relay"] = False  # its line stays, with its comment: it comes and goes with a click
        self._section("broker", broker_keys(old.broker), broker)
        self._section("celery", old.celery, new.celery)
        self._web(old.web, new.web)
        if old.workers != new.workers or default_queue_of(old) != default_queue_of(new):
            self._workers(old, new)
        return "".join(piece.text for piece in self._pieces)

    def _web(self, old: WebSpec | None, new: WebSpec | None) -> None:
        if old and not new:
            self._drop("web")
        elif new:
            self._section("web", web_keys(old) if old else {}, web_keys(new))

    def _section(self, name: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
        changes = _changes(old, new)
        if not changes:
            return
        if name not in self._data:
            first = [index for index, piece in enumerate(self._pieces) if piece.owner[:1] == ("worker",)]
            self._insert(
                first[0] if first else len(self._pieces), (name,), compose_table(f"[{name}]", changes)
            )
        elif self._gather((name,)) is not None:
            self._sync((name,), lambda doc: doc[name], changes)
        else:
            self._sync((), lambda doc: doc[name], changes)

    def _drop(self, name: str) -> None:
        self._pieces = [piece for piece in self._pieces if piece.owner[:1] != (name,)]
        self._sync((), lambda doc: doc, {name: _GONE})

    def _workers(self, old: StackSpec, new: StackSpec) -> None:
        """Changed tables stay where they are, new ones follow the last; they move only for another order."""
        tables = self._data.get("worker", [])
        self._as_tables(tables)
        blocks: list[_Block] = []
        for index, table in enumerate(tables):
            piece = self._gather(("worker", index))
            made = [w.name for w in expand(WorkerSpec(name=table["name"]), table.get("count", 1))]
            blocks += _table_blocks(("worker", index), piece.text if piece else "", made, old, new)
        there = {name for block in blocks for name in block.names}
        for worker in new.workers:
            if worker.name not in there:
                text = compose_table("[[worker]]", worker_keys(worker, default_queue_of(new)))
                blocks.append(_Block((), (worker.name,), text))
        self._place(blocks, [worker.name for worker in new.workers])

    def _as_tables(self, tables: list[Any]) -> None:
        """Write workers that stand as a list, `worker = [{…}]`, as [[worker]] tables."""
        if any(piece.owner[:1] == ("worker",) for piece in self._pieces):
            return
        self._sync((), lambda doc: doc, {"worker": _GONE})
        for index, table in enumerate(tables):
            self._insert(len(self._pieces), ("worker", index), compose_table("[[worker]]", table))

    def _place(self, blocks: list[_Block], order: list[str]) -> None:
        if [name for block in blocks for name in block.names] != order:
            blocks = sorted(blocks, key=lambda block: order.index(block.names[0]))
            blocks = [_Block((), block.names, block.text) for block in blocks]
        places = [index for index, piece in enumerate(self._pieces) if piece.owner[:1] == ("worker",)]
        for index in places:
            piece = self._pieces[index]
            piece.text = "".join(block.text for block in blocks if block.owner == piece.owner)
        end = places[-1] + 1 if places else len(self._pieces)
        for block in reversed([block for block in blocks if block.owner == ()]):
            self._insert(end, ("added",), block.text)

    def _gather(self, owner: Owner) -> _Piece | None:
        """The one piece of an owner: a later part of it moves up to its first, which means the same."""
        found = [piece for piece in self._pieces if piece.owner == owner]
        if not found:
            return None
        found[0].text = "".join(piece.text for piece in found)
        self._pieces = [piece for piece in self._pieces if piece.owner != owner or piece is found[0]]
        return found[0]

    def _insert(self, index: int, owner: Owner, text: str) -> None:
        before = "".join(piece.text for piece in self._pieces[:index])
        gap = "" if not before or before.endswith("\n\n") else "\n"
        after = "\n" if index < len(self._pieces) and not text.endswith("\n\n") else ""
        self._pieces.insert(index, _Piece(owner, f"{gap}{text}{after}"))

    def _sync(self, owner: Owner, pick: Callable[[Any], Any], changes: Mapping[str, Any]) -> None:
        piece = self._gather(owner)
        if piece is None:
            piece = _Piece(owner, "")
            self._pieces.insert(0, piece)
        piece.text = _synced(piece.text, pick, changes)


def _cut(text: str) -> list[_Piece]:
    lines = [line + "\n" for line in text.removesuffix("\n").split("\n")] if text else []
    pieces: list[_Piece] = []
    owner: Owner = ()
    workers = start = 0
    for header in locate(text).headers:
        begin = _with_comment(lines, header.line - 1, start)
        pieces.append(_Piece(owner, "".join(lines[start:begin])))
        start = begin
        if header.keys == ("worker",):
            workers += 1
        owner = ("worker", workers - 1) if header.keys[0] == "worker" else header.keys[:1]
    pieces.append(_Piece(owner, "".join(lines[start:])))
    return [piece for piece in pieces if piece.text or piece.owner]


def _with_comment(lines: list[str], header: int, start: int) -> int:
    """Where the comment right above a header begins; the one at the head of a file belongs to the file."""
    begin = header
    while begin > start and lines[begin - 1].lstrip().startswith("#"):
        begin -= 1
    return begin or header


def _table_blocks(owner: Owner, text: str, names: list[str], old: StackSpec, new: StackSpec) -> list[_Block]:
    """What becomes of one [[worker]] table: nothing, the same table changed, or one table for each worker."""
    kept = [name for name in names if new.worker(name)]
    changes = {name: _worker_changes(old, new, name) for name in kept}
    if not kept:
        return []
    places = [index for index, worker in enumerate(new.workers) if worker.name in changes]
    alike = all(change == changes[kept[0]] for change in changes.values())
    alike = alike and [new.workers[index].name for index in places] == kept
    alike = alike and places == list(range(places[0], places[0] + len(places)))
    if len(names) == 1 or (alike and len(kept) > 1 and kept == names[: len(kept)]):
        count = {} if kept == names else {"count": len(kept)}
        changed = _synced(text, lambda doc: doc["worker"][0], {**changes[kept[0]], **count})
        return [_Block(owner, tuple(kept), changed)]
    blocks = []
    for number, name in enumerate(kept):
        source = text if number == 0 else _without_comment(text)
        own = {**changes[name], "name": name, "count": _GONE}
        changed = _synced(source, lambda doc: doc["worker"][0], own).rstrip("\n")
        blocks.append(_Block(owner, (name,), f"{changed}\n\n"))
    return blocks


def _without_comment(text: str) -> str:
    lines = text.split("\n")
    while lines and not lines[0].startswith("[["):
        lines.pop(0)
    return "\n".join(lines)


def _worker_changes(old: StackSpec, new: StackSpec, name: str) -> dict[str, Any]:
    before, after = old.worker(name), new.worker(name)
    if before is None or after is None:
        return {}
    return _changes(worker_keys(before, default_queue_of(old)), worker_keys(after, default_queue_of(new)))


def _changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """The keys that get another value, and those that go."""
    changes = {key: value for key, value in new.items() if key not in old or old[key] != value}
    return {**changes, **{key: _GONE for key in old if key not in new}}


def _synced(text: str, pick: Callable[[Any], Any], changes: Mapping[str, Any]) -> str:
    """A piece with some keys of one of its tables changed. Blank lines at its end stay at its end."""
    if not changes:
        return text
    body = text.rstrip("\n")
    document = tomlkit.parse(f"{body}\n")
    table = pick(document)
    for key, value in changes.items():
        if value is _GONE:
            table.pop(key, None)
        else:
            _put(table, key, value)
    return tomlkit.dumps(document).rstrip("\n") + (text[len(body) :] or "\n")


def _put(table: Any, key: str, value: Any) -> None:
    there: Any = table.get(key)
    if isinstance(there, dict) and not isinstance(there, InlineTable) and isinstance(value, Mapping):
        for inner in [inner for inner in there if inner not in value]:
            del there[inner]
        for inner, item in value.items():
            if inner not in there or there[inner] != item:
                _put(there, inner, item)
    elif key in table:
        table[key] = tomlkit.value(toml(value))
    else:
        table.append(key, tomlkit.value(toml(value)))
