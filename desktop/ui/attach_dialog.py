"""Asks for a broker whose stack somebody else started, and tries it before it is taken."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from urllib.parse import SplitResult, quote, unquote, urlencode, urlsplit, urlunsplit

from PySide6.QtWidgets import QComboBox, QLineEdit, QPushButton, QVBoxLayout, QWidget

from desktop.engine.api import DeskError
from desktop.ui.page import Shell
from desktop.ui.widgets.containers import row
from desktop.ui.widgets.dialog import Dialog
from desktop.ui.widgets.form import Form
from desktop.ui.widgets.labels import hairline, label

RECENT = "attach/recent"  # addresses in the window's memory, the last one first; never a password
_KEPT = 8
_WIDTH = 500
_ABOUT = (
    "Its workers are watched through Celery's events and steered by remote control. Nothing of it is "
    "started, stopped or killed."
)


class AttachDialog(Dialog):
    """Broker URL, password, and the names that its workers use where those are not Celery's own.

    `attached` hears the URL without password when the broker was taken.
    """

    def __init__(self, shell: Shell, recent: Sequence[str], attached: Callable[[str], None]) -> None:
        super().__init__(shell.window_widget(), "Attach to a broker")
        self._shell, self._attached = shell, attached
        self.setFixedWidth(_WIDTH)
        self.url = QComboBox(editable=True)
        self.url.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self.url.addItems(list(recent))
        self.url.setCurrentText(recent[0] if recent else "redis://localhost:6379/0")
        self.password, self.prefix, self.exchange = QLineEdit(), QLineEdit(), QLineEdit()
        self.password.setEchoMode(QLineEdit.EchoMode.Password)
        self.exchange.setPlaceholderText("celeryev")
        self.form = self._fields()
        self.attach, self.cancel = QPushButton("Attach"), QPushButton("Cancel")
        self.attach.setProperty("kind", "primary")
        self.attach.setDefault(True)
        for button in (self.attach, self.cancel):
            button.setAccessibleName(button.text())
        self.looking = label("", "small", "muted")
        self._lay_out()
        self.attach.clicked.connect(self.try_it)
        self.cancel.clicked.connect(self.close)
        line = self.url.lineEdit()
        assert line is not None  # it is editable
        line.editingFinished.connect(self._take_password_out)
        line.selectAll()
        self.url.setFocus()

    def _fields(self) -> Form:
        form = Form()
        url_help = "redis://host:6379/0, rediss:// for TLS, or redis+socket:///path."
        form.add("url", "Broker URL", self.url, url_help)
        kept = "Kept in memory only, for as long as you are attached."
        form.add("password", "Password", self.password, kept)
        return form

    def _names(self) -> QWidget:
        """What most stacks need not say."""
        form = Form()
        form.add("prefix", "Key prefix", self.prefix, "global_keyprefix, if they have one.")
        form.add("exchange", "Event exchange", self.exchange, "event_exchange, if it is another.")
        self.form.fields.update(form.fields)
        both = QWidget()
        fields = row(form.fields["prefix"], form.fields["exchange"], spacing=14)
        fields.setStretch(0, 1)
        fields.setStretch(1, 1)
        both.setLayout(fields)
        return both

    def _lay_out(self) -> None:
        top = QVBoxLayout()
        top.setContentsMargins(22, 20, 22, 16)
        top.setSpacing(14)
        top.addWidget(label("Attach to a stack that runs already", "section"))
        top.addWidget(label(_ABOUT, tone="muted", wrap=True))
        self.form.add_widget(self._names())
        top.addWidget(self.form)
        foot = row(self.looking, 1, self.cancel, self.attach)
        foot.setContentsMargins(22, 12, 22, 16)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addLayout(top)
        column.addWidget(hairline())
        column.addLayout(foot)

    # -- what was typed

    def _take_password_out(self) -> None:
        """A URL with a password was pasted: it goes where nobody reads it over a shoulder."""
        shown, password = without_password(self.url.currentText().strip())
        if password:
            self.password.setText(password)
        if shown != self.url.currentText():
            self.url.setEditText(shown)

    def whole_url(self) -> str:
        """The URL with everything that was typed."""
        self._take_password_out()
        names = {
            "global_keyprefix": self.prefix.text().strip(),
            "event_exchange": self.exchange.text().strip(),
        }
        url = with_password(self.url.currentText().strip(), self.password.text())
        query = urlencode({name: value for name, value in names.items() if value})
        return f"{url}{'&' if '?' in url else '?'}{query}" if query else url

    # -- trying it

    def try_it(self) -> None:
        """Attach; the dialog closes when the broker was taken, and tells why where it was not."""
        if not self.url.currentText().strip():
            self.form.set_errors({"url": "Type the URL of a broker."})
            return
        self.form.set_errors({})
        self._busy(True)
        verb = self._shell.desk.attach(self.whole_url())
        self._shell.bridge.run(verb, self._taken, self._failed, self)

    def _taken(self, sentence: str) -> None:
        self._attached(self.url.currentText().strip())
        self._shell.toasts.say(sentence)
        self.close()

    def _failed(self, error: DeskError) -> None:
        self._busy(False)
        field = "password" if "password" in error.what else "url"
        self.form.set_errors({field: str(error)})

    def _busy(self, busy: bool) -> None:
        for widget in (self.url, self.password, self.prefix, self.exchange, self.attach):
            widget.setEnabled(not busy)
        self.looking.setText("Looking for its workers…" if busy else "")


def without_password(url: str) -> tuple[str, str]:
    """The URL without the password in it, and the password."""
    try:
        parts = urlsplit(url)
        password = parts.password
    except ValueError:
        return url, ""
    if password is None:
        return url, ""
    _, _, host = parts.netloc.rpartition("@")
    user = f"{parts.username}@" if parts.username else ""
    return _joined(parts._replace(netloc=f"{user}{host}")), unquote(password)


def with_password(url: str, password: str) -> str:
    """The URL with this password in it."""
    if not password or "://" not in url:
        return url
    try:
        parts = urlsplit(url)
    except ValueError:
        return url
    user, _, host = parts.netloc.rpartition("@")
    return _joined(parts._replace(netloc=f"{user}:{quote(password, safe='')}@{host}"))


def _joined(parts: SplitResult) -> str:
    """As `urlunsplit`, which takes the two strokes away from schemes that it does not know."""
    rest = urlunsplit(("", "", parts.path, parts.query, parts.fragment))
    return f"{parts.scheme}://{parts.netloc}{rest}"


def remembered(recent: object, url: str = "") -> list[str]:
    """The addresses that were kept, `url` before them."""
    known = recent if isinstance(recent, list) else [recent] if isinstance(recent, str) and recent else []
    return list(dict.fromkeys([*([url] if url else []), *map(str, known)]))[:_KEPT]
