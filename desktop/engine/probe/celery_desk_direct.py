"""A shorter way from Celery to the hooks on every task's way. Part of the probe.

`Signal.send` takes longer than the hook that it calls. While nobody else listens to a signal, Celery calls
its hook directly; as soon as somebody does, `send` is as it was.
"""

from __future__ import annotations

from typing import Any, Callable

from celery import signals
from celery.app import trace

Hook = Callable[..., None]


def connect(on_received: Hook, on_prerun: Hook, on_postrun: Hook) -> None:
    """Connect the hooks to `task_received`, `task_prerun` and `task_postrun`. They must not raise."""
    for signal, hook in (
        (signals.task_received, on_received),
        (signals.task_prerun, on_prerun),
        (signals.task_postrun, on_postrun),
    ):
        signal.connect(hook, weak=False)
        # Signal's own option: it looks its receivers up once a sender, not at every task, and again
        # when somebody connects or disconnects.
        signal.use_caching = True
    prerun, postrun = signals.task_prerun.send, signals.task_postrun.send
    # celery/worker/strategy.py takes `send` from the signal at every task, celery/app/trace.py has it by
    # a name of its own.
    signals.task_received.send = _received(signals.task_received, on_received)
    if getattr(trace, "send_prerun", None) == prerun and getattr(trace, "send_postrun", None) == postrun:
        trace.send_prerun = _prerun(signals.task_prerun, on_prerun)
        trace.send_postrun = _postrun(signals.task_postrun, on_postrun)


def _received(signal: Any, hook: Hook) -> Callable[..., Any]:
    send = signal.send

    def sent(sender: Any, request: Any = None, **more: Any) -> Any:
        if len(signal.receivers) == 1:
            hook(request)
            return ()
        return send(sender, request=request, **more)

    return sent


def _prerun(signal: Any, hook: Hook) -> Callable[..., Any]:
    send = signal.send

    def sent(
        sender: Any, task_id: Any = None, task: Any = None, args: Any = None, kwargs: Any = None, **more: Any
    ) -> Any:
        if len(signal.receivers) == 1:
            hook(task_id, task)
            return ()
        return send(sender, task_id=task_id, task=task, args=args, kwargs=kwargs, **more)

    return sent


def _postrun(signal: Any, hook: Hook) -> Callable[..., Any]:
    send = signal.send

    def sent(
        sender: Any,
        task_id: Any = None,
        task: Any = None,
        args: Any = None,
        kwargs: Any = None,
        retval: Any = None,
        state: Any = None,
        **more: Any,
    ) -> Any:
        if len(signal.receivers) == 1:
            hook(task_id, task, retval, state)
            return ()
        return send(
            sender, task_id=task_id, task=task, args=args, kwargs=kwargs, retval=retval, state=state, **more
        )

    return sent
