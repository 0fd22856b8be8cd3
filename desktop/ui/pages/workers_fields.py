"""The fields of the worker form: a spec into fields, and fields back into a spec or errors."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field, replace
from typing import Any

from PySide6.QtCore import QLocale, Qt, Signal
from PySide6.QtGui import QDoubleValidator, QIntValidator
from PySide6.QtWidgets import QCheckBox, QComboBox, QLineEdit, QVBoxLayout, QWidget

from desktop.engine.stack.model import Autoscale, Pool, Restart, WorkerSpec
from desktop.ui.pages.workers_pool import Stepper
from desktop.ui.widgets.containers import row
from desktop.ui.widgets.form import Field, Form
from desktop.ui.widgets.labels import label
from desktop.ui.widgets.segmented import Segmented

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
# The field in which a key of the stack file is set.
FIELD_OF = {
    "name": "name",
    "pool": "pool",
    "autoscale": "size",
    "concurrency": "size",
    "autoscale_keepalive": "keepalive",
    "queues": "queues",
    "restart": "restart",
    "prefetch_multiplier": "prefetch",
    "max_tasks_per_child": "per_child",
    "max_memory_per_child": "child_memory",
    "soft_time_limit": "soft_limit",
    "time_limit": "hard_limit",
    "pool_start_method": "method",
    "log_level": "level",
    "extra_args": "extra",
}
POOLS = {
    Pool.PREFORK: "Processes. For work that computes; scales with the load; a crash takes only its own task.",
    Pool.THREADS: "Threads. For work that waits, and for libraries that release the GIL. A fixed size.",
    Pool.GEVENT: "Greenlets. For much waiting at once, in one process. Work that computes stops the others.",
    Pool.EVENTLET: "Greenlets, as gevent; the library itself is no longer developed.",
    Pool.SOLO: "One task at a time in the main process, which does not answer meanwhile. For debugging.",
}


class OptionalNumber(QLineEdit):
    """A number, or empty for Celery's own default."""

    def __init__(self, name: str, default: str = "Celery's default", whole: bool = True) -> None:
        super().__init__()
        self._whole = whole
        self.setPlaceholderText(default)
        self.setAccessibleName(name)
        check: Any = QIntValidator(0, 2_000_000_000, self) if whole else QDoubleValidator(0, 1e9, 3, self)
        check.setLocale(QLocale.c())
        self.setValidator(check)

    def value(self) -> Any:
        """An int or float, None when empty. ValueError for what is no number."""
        text = self.text().strip()
        if not text:
            return None
        return int(text) if self._whole else float(text)

    def set_value(self, value: float | None) -> None:
        """Show a number."""
        self.setText("" if value is None else f"{value:g}" if not self._whole else str(int(value)))


@dataclass(slots=True)
class Reading:
    """What the fields say: a spec, or what is wrong by field."""

    spec: WorkerSpec
    errors: dict[str, str] = field(default_factory=dict)


class WorkerFields(QWidget):
    """All fields; `changed` at every edit."""

    changed = Signal()

    def __init__(self, spec: WorkerSpec, taken: tuple[str, ...], fixed_name: bool) -> None:
        super().__init__()
        self._base, self._taken = spec, taken
        self.form = Form()
        self._make()
        self._lay_out(fixed_name)
        self._show(spec)
        self._connect()

    def _make(self) -> None:
        self.name = QLineEdit()
        self.pool = Segmented("Pool", [(p.value, p.value) for p in Pool])
        self.mode = Segmented("Size", [("auto", "Scales with the load"), ("fixed", "Fixed")])
        self.low, self.high = Stepper("Least", 0), Stepper("Most")
        self.concurrency = OptionalNumber("Concurrency", "one per CPU core")
        self.keepalive = OptionalNumber("Idle seconds before it shrinks", "30, Celery's default", whole=False)
        self.queues = QLineEdit()
        self.restart = Segmented("Restart", [(r.value, r.value.replace("-", " ")) for r in Restart])
        self.prefetch = OptionalNumber("Prefetch multiplier", "4, Celery's default")
        self.no_prefetch = QCheckBox("Take a task only when a slot is free (--disable-prefetch)")
        self.per_child = OptionalNumber("Tasks per process", "no limit")
        self.child_memory = OptionalNumber("Memory per process, MiB", "no limit")
        self.soft_limit = OptionalNumber("Soft time limit, seconds", "none", whole=False)
        self.hard_limit = OptionalNumber("Hard time limit, seconds", "none", whole=False)
        self.method = Segmented("Start method", [("", "default"), ("fork", "fork"), ("spawn", "spawn")])
        self.level = QComboBox()
        self.level.addItems(_LEVELS)
        self.events = QCheckBox("Send Celery's own task events too (-E); costs throughput")
        self.extra = QLineEdit()
        self.extra.setPlaceholderText("--without-gossip …")

    def _lay_out(self, fixed_name: bool) -> None:
        form = self.form
        form.add("name", "Name", self.name, "Its node name is this, @ and the name of the stack.")
        self.name.setEnabled(not fixed_name)
        form.add("pool", "Pool", self.pool)
        self.about_pool = label("", "small", "muted", wrap=True)
        self.about_pool.setMinimumHeight(34)
        self.about_pool.setAlignment(Qt.AlignmentFlag.AlignTop)
        form.add_widget(self.about_pool)
        self._size_box = QWidget()
        self._bounds = QWidget()
        self._bounds.setLayout(row(self.low, label("to", tone="muted"), self.high, 1))
        column = QVBoxLayout(self._size_box)
        column.setContentsMargins(0, 0, 0, 0)
        self.why_fixed = label("", "small", "muted", wrap=True)
        for widget in (self.mode, self.why_fixed, self._bounds, self.concurrency):
            column.addWidget(widget)
        self.size_field = form.add("size", "Size", self._size_box)
        self.keepalive_field = form.add("keepalive", "Shrinks after idle, seconds", self.keepalive)
        form.add("queues", "Queues", self.queues, "Separated by commas.")
        form.add("restart", "Restart when it ends by itself", self.restart)
        form.add_widget(_pair(form, ("prefetch", "Prefetch multiplier", self.prefetch), None))
        form.add_widget(self.no_prefetch)
        form.add_widget(
            _pair(
                form,
                ("per_child", "Tasks per process", self.per_child),
                ("child_memory", "Memory per process, MiB", self.child_memory),
            )
        )
        form.add_widget(
            _pair(
                form,
                ("soft_limit", "Soft time limit, s", self.soft_limit),
                ("hard_limit", "Hard time limit, s", self.hard_limit),
            )
        )
        self.method_field = form.add("method", "Start method of pool processes", self.method)
        form.add("level", "Log level", self.level)
        form.add_widget(self.events)
        form.add("extra", "Extra arguments", self.extra, "As on a command line.")
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(form)

    def _show(self, spec: WorkerSpec) -> None:
        self.name.setText(spec.name)
        self.pool.choose(spec.pool.value)
        self.mode.choose("auto" if spec.autoscale else "fixed")
        bounds = spec.autoscale or Autoscale(1, 4)
        self.low.set_value(bounds.min)
        self.high.set_value(bounds.max)
        self.queues.setText(", ".join(spec.queues))
        self.restart.choose(spec.restart.value)
        self.no_prefetch.setChecked(spec.disable_prefetch)
        for widget, value in (
            (self.concurrency, spec.concurrency),
            (self.keepalive, spec.autoscale_keepalive),
            (self.prefetch, spec.prefetch_multiplier),
            (self.per_child, spec.max_tasks_per_child),
            (self.soft_limit, spec.soft_time_limit),
            (self.hard_limit, spec.time_limit),
        ):
            widget.set_value(value)
        memory = spec.max_memory_per_child
        self.child_memory.set_value(None if memory is None else round(memory / 1024))
        self.method.choose(spec.pool_start_method or "")
        self.level.setCurrentText(spec.log_level.upper())
        self.events.setChecked(spec.task_events)
        self.extra.setText(shlex.join(spec.extra_args))
        self.arrange()

    def _connect(self) -> None:
        for segmented in (self.pool, self.mode, self.restart, self.method):
            segmented.chosen.connect(self._edited)
        for stepper in (self.low, self.high):
            stepper.changed.connect(self._edited)
        for line in self.findChildren(QLineEdit):
            line.textEdited.connect(self._edited)
        for box in (self.no_prefetch, self.events):
            box.toggled.connect(self._edited)
        self.level.currentTextChanged.connect(self._edited)

    def _edited(self, _value: object = None) -> None:
        self.arrange()
        self.changed.emit()

    def arrange(self) -> None:
        """Show the fields that this pool has."""
        pool = Pool(self.pool.current)
        scales = self.mode.current == "auto"
        self.about_pool.setText(POOLS[pool])
        self._bounds.setVisible(scales)
        self.concurrency.setVisible(not scales and pool is not Pool.SOLO)
        prefork = pool is Pool.PREFORK
        self.keepalive_field.setVisible(scales)
        self.method_field.setVisible(prefork)
        for key in ("per_child", "child_memory"):
            self.form.fields[key].setVisible(prefork)

    def allow_autoscale(self, why_not: str) -> None:
        """Offer autoscaling, or say why this pool has none."""
        self.mode.allow("auto", not why_not, why_not)
        self.why_fixed.setText(why_not)
        self.why_fixed.setVisible(bool(why_not))
        if why_not and self.mode.current == "auto":
            self.mode.choose("fixed")
            self.arrange()

    def read(self) -> Reading:
        """The spec that the fields describe, with the errors that need no engine to see."""
        errors: dict[str, str] = {}
        name = self.name.text().strip()
        if not _NAME.fullmatch(name):
            errors["name"] = "Letters, figures, dots, dashes; it begins with a letter or figure."
        elif name in self._taken:
            errors["name"] = f"There is a worker {name} already."
        queues = tuple(q.strip() for q in self.queues.text().split(",") if q.strip())
        if not queues:
            errors["queues"] = "A worker takes from at least one queue."
        try:
            extra = tuple(shlex.split(self.extra.text()))
        except ValueError:
            extra, errors["extra"] = (), "A quotation mark is not closed."
        spec = self._sized(
            replace(self._base, name=name, queues=queues or ("celery",), extra_args=extra), errors
        )
        return Reading(self._limited(spec, errors), errors)

    def _sized(self, spec: WorkerSpec, errors: dict[str, str]) -> WorkerSpec:
        pool, scales = Pool(self.pool.current), self.mode.current == "auto"
        if scales and self.low.value > self.high.value:
            errors["size"] = "The least is not more than the most."
        return replace(
            spec,
            pool=pool,
            autoscale=Autoscale(self.low.value, self.high.value) if scales else None,
            autoscale_keepalive=self.keepalive.value() if scales else None,
            concurrency=None
            if scales or pool is Pool.SOLO
            else self._number("size", self.concurrency, errors),
            restart=Restart(self.restart.current),
        )

    def _limited(self, spec: WorkerSpec, errors: dict[str, str]) -> WorkerSpec:
        soft, hard = self.soft_limit.value(), self.hard_limit.value()
        if soft is not None and hard is not None and soft >= hard:
            errors["soft_limit"] = "Shorter than the hard limit, or it never comes to it."
        prefork = spec.pool is Pool.PREFORK
        memory = self._number("child_memory", self.child_memory, errors) if prefork else None
        return replace(
            spec,
            prefetch_multiplier=self.prefetch.value(),
            disable_prefetch=self.no_prefetch.isChecked(),
            max_tasks_per_child=self._number("per_child", self.per_child, errors) if prefork else None,
            max_memory_per_child=None if memory is None else memory * 1024,
            soft_time_limit=soft,
            time_limit=hard,
            pool_start_method=(self.method.current or None) if prefork else None,
            task_events=self.events.isChecked(),
            log_level=self.level.currentText(),
        )

    def _number(self, key: str, editor: OptionalNumber, errors: dict[str, str]) -> int | None:
        value: int | None = editor.value()
        if value == 0:
            errors[key] = "At least 1, or empty."
        return value


def _pair(form: Form, left: tuple[str, str, QWidget], right: tuple[str, str, QWidget] | None) -> QWidget:
    """Two fields in one line."""
    box = QWidget()
    parts: list[QWidget | int] = []
    for part in (left, right):
        if part is None:
            parts.append(QWidget())
            continue
        key, word, editor = part
        form.fields[key] = Field(word, editor)
        parts.append(form.fields[key])
    line = row(*parts, spacing=12)
    line.setStretch(0, 1)
    line.setStretch(1, 1)
    box.setLayout(line)
    return box
