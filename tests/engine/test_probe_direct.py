"""The shorter way from Celery to the probe's hooks: others who listen to the same signals lose nothing."""

from __future__ import annotations

import json
import subprocess
import sys

from tests.support_apps.workers import PROBE, ROOT

PROGRAM = """
import json
from celery import Celery, signals
from celery.app import trace
import celery_desk_direct

heard = []
celery_desk_direct.connect(
    lambda request, **_: heard.append(["received", request]),
    lambda task_id=None, task=None, **_: heard.append(["prerun", task_id, task.name]),
    lambda task_id=None, task=None, retval=None, state=None, **_: heard.append(
        ["postrun", task_id, task.name, retval, state]
    ),
)
app = Celery("direct", broker="memory://", set_as_current=False)

@app.task(name="double", ignore_result=True)
def double(x):
    return 2 * x

def run(task_id):
    signals.task_received.send(sender=app, request="request of " + task_id)
    trace.trace_task(double, task_id, [21], {}, request={"delivery_info": {}}, app=app)
    found, heard[:] = list(heard), []
    return found

alone = run("one")
other = lambda args=None, kwargs=None, retval=None, signal=None, **named: heard.append(
    ["other", args, kwargs, retval, signal.name, sorted(named)]
)
for signal in (signals.task_received, signals.task_prerun, signals.task_postrun):
    signal.connect(other, weak=False)
together = run("two")
for signal in (signals.task_received, signals.task_prerun, signals.task_postrun):
    signal.disconnect(other)
print(json.dumps([alone, together, run("three")]))
"""


def _ours(task_id: str) -> list[list[object]]:
    return [
        ["received", f"request of {task_id}"],
        ["prerun", task_id, "double"],
        ["postrun", task_id, "double", 42, "SUCCESS"],
    ]


def test_hooks_are_called_with_and_without_other_receivers() -> None:
    """With what Celery sends, once for each signal; a receiver that comes and goes is called like before."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={"PYTHONPATH": str(PROBE)},
        cwd=ROOT,
        check=True,
        timeout=60,
        stdout=subprocess.PIPE,
    )
    alone, together, alone_again = json.loads(done.stdout)
    assert alone == _ours("one")
    others = [heard for heard in together if heard[0] == "other"]
    assert [heard for heard in together if heard[0] != "other"] == _ours("two")
    assert others == [
        ["other", None, None, None, "task_received", ["request", "sender"]],
        ["other", [21], {}, None, "task_prerun", ["sender", "task", "task_id"]],
        ["other", [21], {}, 42, "task_postrun", ["sender", "state", "task", "task_id"]],
    ]
    assert alone_again == _ours("three")
