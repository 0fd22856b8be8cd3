"""The stack that is open: as its file says, and with the changes made since."""

from __future__ import annotations

import dataclasses
import json
import threading
from pathlib import Path

from desktop.engine.api import DeskError
from desktop.engine.stack.edit import edit_stack, write_stack
from desktop.engine.stack.model import StackSpec, WorkerSpec
from desktop.engine.stack.rules import check_worker
from desktop.engine.stack.secrets import without_secrets
from desktop.engine.stack.shipped import is_shipped


class Document:
    """Holds the stack for everybody; safe from any thread. Worker specs are checked before they are taken."""

    def __init__(self, spec: StackSpec, text: str | None = None) -> None:
        """`text` is that of its file; without it the file is read. Raises DeskError when it cannot be."""
        self._lock = threading.RLock()
        self._spec = self._saved = spec
        self._text = _text_of(spec) if text is None else text
        self._written: tuple[StackSpec, str] | None = None

    @property
    def spec(self) -> StackSpec:
        """The stack as it is now."""
        return self._spec

    @property
    def dirty(self) -> bool:
        """Whether it differs from its file."""
        return self._spec != self._saved

    def text(self) -> str:
        """It as a file, comments kept; made once for each change, as it is asked for often."""
        with self._lock:
            if self._written is None or self._written[0] is not self._spec:
                self._written = (self._spec, edit_stack(self._text, self._saved, self._spec))
            return self._written[1]

    def kept_text(self) -> str:
        """It as a run folder keeps it: without secrets."""
        return without_secrets(self.text())

    def save(self, path: Path | None) -> Path:
        """Write it to its file, or to another; where it went. Raises DeskError."""
        with self._lock:
            where = path or self._spec.path
            if where is None or (path is None and is_shipped(where)):
                raise DeskError("This stack came with the program.", "Save it under a name of your own.")
            text = self.text()
            write_stack(where, text)
            self._spec = self._saved = dataclasses.replace(self._spec, path=where)
            self._text = text
            return where

    def worker(self, name: str) -> WorkerSpec:
        """A worker's spec. Raises DeskError when there is none of that name."""
        found = self._spec.worker(name)
        if found is None:
            known = ", ".join(worker.name for worker in self._spec.workers) or "no workers"
            raise DeskError(f"There is no worker named '{name}'.", f"This stack has: {known}.")
        return found

    def add_worker(self, spec: WorkerSpec) -> None:
        """One worker more. Raises DeskError when it cannot work, or its name is taken."""
        check_worker(spec)
        with self._lock:
            if self._spec.worker(spec.name) is not None:
                raise DeskError(f"There is a worker named '{spec.name}' already.", "Choose another name.")
            self._take((*self._spec.workers, spec))

    def replace_worker(self, spec: WorkerSpec) -> None:
        """Another spec for the worker of this name. Raises DeskError when it cannot work."""
        check_worker(spec)
        with self._lock:
            self.worker(spec.name)
            self._take(tuple(spec if w.name == spec.name else w for w in self._spec.workers))

    def remove_worker(self, name: str) -> None:
        """One worker less. Raises DeskError when there is none of that name."""
        with self._lock:
            self.worker(name)
            self._take(tuple(w for w in self._spec.workers if w.name != name))

    def use_relay(self, on: bool) -> None:
        """Workers reach the broker through the relay, or directly."""
        with self._lock:
            broker = dataclasses.replace(self._spec.broker, relay=on)
            self._spec = dataclasses.replace(self._spec, broker=broker)

    def _take(self, workers: tuple[WorkerSpec, ...]) -> None:
        self._spec = dataclasses.replace(self._spec, workers=workers)


def _text_of(spec: StackSpec) -> str:
    if spec.path is None:
        return f"name = {json.dumps(spec.name)}\n"
    try:
        return spec.path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DeskError(f"{spec.path} cannot be read again: {error.strerror}.", "Open it anew.") from error
