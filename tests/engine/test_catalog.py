"""The tasks of an app, told by its own interpreter: real apps, in folders of their own."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from desktop.engine.api import DeskError, Param, TaskInfo
from desktop.engine.catalog import read_catalog
from tests.support.waiting import eventually, runs
from tests.support_apps.workers import ROOT

PYTHON = Path(sys.executable)

SHOP = '''
print("settings loaded")  # projects do
import os, sys
os.write(1, b"even like this")
from typing import TYPE_CHECKING, Dict, List, Literal, Optional
from celery import Celery, Task
if TYPE_CHECKING:
    from nowhere import Hidden

app = Celery("shop", broker="memory://")
app.conf.task_routes = {"shop.mail": {"queue": "mails"}}

@app.task(name="shop.mail")
def mail(to: str, copies: int = 1, urgent: bool = False, size: Literal["s", "m"] = "s",
         rate: Optional[float] = None, parts: "List[int]" = [1], level: Literal[1, 2] = 1, *rest, **more):
    """Send a mail. It may take a while.

    Longer words about it:
    with a colon.

    Args:
        to: who gets it,
            and where.
        copies (int): how many.

    Returns:
        size: nothing.
    """

@app.task(name="shop.old", queue="slow", bind=True)
def old(self, a, b=2.5, c=object()):
    """Adds

    :param a: the first
        of two
    :param float b: the second
    """

@app.task(name="shop.hidden")
def hidden(x: "Hidden", n: int = 3): ...

class Big(Task):
    """A task that is a class."""
    name = "shop.big"
    def run(self, n: int): ...

app.register_task(Big())
'''


def tell(
    folder: Path, target: str, timeout: float = 20.0, env: dict[str, str] | None = None
) -> dict[str, TaskInfo]:
    tasks = read_catalog(PYTHON, target, folder, env or dict(os.environ), timeout)
    return {task.name: task for task in tasks}


def project(tmp_path: Path, text: str, name: str = "shop") -> Path:
    folder = tmp_path / "project"
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.py").write_text(text)
    return folder


def test_tasks_and_their_arguments(tmp_path: Path) -> None:
    tasks = tell(project(tmp_path, SHOP), "shop")
    assert sorted(tasks) == ["shop.big", "shop.hidden", "shop.mail", "shop.old"]  # and none of Celery's own
    mail = tasks["shop.mail"]
    assert (mail.summary, mail.queue, mail.group) == ("Send a mail.", "mails", "shop")
    assert "Longer words" in mail.doc
    assert mail.params == (
        Param("to", "str", None, True, (), "who gets it, and where."),
        Param("copies", "int", 1, False, (), "how many."),
        Param("urgent", "bool", False),
        Param("size", "choice", "s", False, ("s", "m")),
        Param("rate", "float", None),
        Param("parts", "json", [1]),
        Param("level", "int", 1),
    )
    assert tasks["shop.old"].params == (
        Param("a", "json", None, True, (), "the first of two"),
        Param("b", "float", 2.5, False, (), "the second"),
        Param("c", "json", None),
    )
    assert (tasks["shop.old"].summary, tasks["shop.old"].queue) == ("Adds", "slow")
    assert tasks["shop.hidden"].params == (Param("x", "json", None, True), Param("n", "int", 3))
    assert tasks["shop.big"].params == (Param("n", "int", None, True),)
    assert (tasks["shop.big"].summary, tasks["shop.big"].queue) == ("A task that is a class.", None)


def test_the_sample_app() -> None:
    """Every argument of every task can be asked for in a form, and says what it is."""
    tasks = tell(ROOT, "tasks.app")
    assert {"tasks.primes", "tasks.csv_total"} <= set(tasks)
    for task in tasks.values():
        assert task.summary, task.name
        for param in task.params:
            assert param.doc, f"{task.name}: {param.name}"
            assert param.kind != "json", f"{task.name}: {param.name}"


@pytest.mark.parametrize(
    ("text", "target", "told"),
    [
        ("", "nosuch", "`nosuch` cannot be imported: No module named 'nosuch'"),
        ("", "shop", "holds no Celery app"),
        ("import absent_library", "shop", "No module named 'absent_library' (shop.py, line 1)"),
        ("\n\nraise ValueError('no\\nkey')", "shop", "ValueError: no key (shop.py, line 3)"),
        ("def (", "shop", "SyntaxError"),
        ("import sys; sys.exit(4)", "shop", "ended the interpreter while it was imported"),
        (
            "import os; os.write(2, b'gone\\n'); os._exit(4)",
            "shop",
            "ended its interpreter while it was imported: gone",
        ),
    ],
)
def test_what_is_wrong_in_words(tmp_path: Path, text: str, target: str, told: str) -> None:
    with pytest.raises(DeskError) as raised:
        tell(project(tmp_path, text), target)
    assert told in raised.value.what
    assert "Traceback" not in str(raised.value)
    assert raised.value.next_step


def test_an_import_that_does_not_end(tmp_path: Path) -> None:
    """It is ended with everything that it has started."""
    text = "import os, subprocess, sys, time\n"
    text += "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
    text += "open('pids', 'w').write(f'{os.getpid()} {child.pid}\\n')\ntime.sleep(600)\n"
    folder = project(tmp_path, text)
    with pytest.raises(DeskError, match="not imported within 3 s"):
        tell(folder, "shop", timeout=3.0)
    pids = [int(pid) for pid in (folder / "pids").read_text().split()]
    assert len(pids) == 2
    eventually(lambda: not any(runs(pid) for pid in pids), "both are gone")


def test_an_interpreter_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DeskError, match="could not be run"):
        read_catalog(tmp_path / "python", "shop", tmp_path, {})


def test_the_environment_is_the_one_given(tmp_path: Path) -> None:
    text = "import os\nfrom celery import Celery\napp = Celery()\n"
    text += "@app.task(name=os.environ['NAMED'])\ndef f(): ...\nassert 'HOME' not in os.environ\n"
    assert list(tell(project(tmp_path, text), "shop:app", env={"NAMED": "one"})) == ["one"]
