"""One window a user: a second start hands its stack file to the first and ends."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, Signal
from PySide6.QtNetwork import QLocalServer, QLocalSocket

from desktop.ui.calling import calling_name

PATIENCE_MS = 2000


def hand_over(stack: Path | None, run: Path | None = None) -> bool:
    """Ask the window that is open already to come forward, with this stack file or recorded run.

    False: there is none.
    """
    socket = QLocalSocket()
    socket.connectToServer(calling_name())
    if not socket.waitForConnected(PATIENCE_MS):
        return False
    said = {key: str(path.absolute()) for key, path in (("stack", stack), ("run", run)) if path}
    socket.write(json.dumps(said).encode() + b"\n")
    socket.waitForBytesWritten(PATIENCE_MS)
    # The answer may have come with the writing; waiting for it then would be for a second one.
    answered = socket.bytesAvailable() > 0 or socket.waitForReadyRead(PATIENCE_MS)
    socket.abort()
    # One that does not answer is hung: better a second window than none.
    return answered


class Listener(QObject):
    """Hears of further starts."""

    asked = Signal(object, object)  # Path of the stack file, and of a recorded run; None where there is none

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._server = QLocalServer(self)
        self._server.setSocketOptions(QLocalServer.SocketOption.UserAccessOption)
        self._server.newConnection.connect(self._accept)

    def listen(self) -> bool:
        """Begin. What a panel that crashed left in the way is removed."""
        if self._server.listen(calling_name()):
            return True
        QLocalServer.removeServer(calling_name())
        return self._server.listen(calling_name())

    def close(self) -> None:
        """Hear no more."""
        self._server.close()

    def _accept(self) -> None:
        while (socket := self._server.nextPendingConnection()) is not None:
            socket.readyRead.connect(self._read)
            socket.disconnected.connect(socket.deleteLater)

    def _read(self) -> None:
        socket = self.sender()
        if not isinstance(socket, QLocalSocket) or not socket.canReadLine():
            return
        stack, run = _asked_of(bytes(socket.readLine().data()))
        socket.write(b"ok\n")
        socket.flush()
        self.asked.emit(stack, run)


def _asked_of(line: bytes) -> tuple[Path | None, Path | None]:
    try:
        said: Any = json.loads(line)
    except ValueError:
        return None, None
    given = [said.get(key) if isinstance(said, dict) else None for key in ("stack", "run")]
    stack, run = (Path(path) if isinstance(path, str) else None for path in given)
    return stack, run
