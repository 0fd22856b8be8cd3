"""The sample Celery app, `celery -A tasks.app`.

Configured by its environment alone: Celery itself honours CELERY_BROKER_URL and
CELERY_RESULT_BACKEND. Results are kept only where a result backend is given.
"""

import os
from collections.abc import Callable
from typing import Any, TypeVar, cast

from celery import Celery

F = TypeVar("F", bound=Callable[..., Any])


class NoBroker(RuntimeError):
    """A task was sent, and nothing says which broker to send it to."""


class SampleApp(Celery):  # type: ignore[misc]  # Celery ships no types
    """Says so when there is no broker, where Celery would knock at a RabbitMQ that nobody meant."""

    def send_task(self, name: str, *args: Any, **kwargs: Any) -> Any:
        """Send a task by name. Raises `NoBroker` where no broker is configured."""
        if not self.conf.broker_url and kwargs.get("connection") is None and kwargs.get("producer") is None:
            raise NoBroker(
                f"{name} was not sent: there is no broker. "
                "Set CELERY_BROKER_URL, for instance to redis://127.0.0.1:6379/0."
            )
        return super().send_task(name, *args, **kwargs)


app = SampleApp("tasks", include=["tasks.cpu", "tasks.io", "tasks.behaviour"], set_as_current=False)
app.conf.update(
    task_ignore_result=not os.environ.get("CELERY_RESULT_BACKEND"),
    broker_connection_retry_on_startup=True,
)


def task(name: str, **options: Any) -> Callable[[F], F]:
    """Register a task under the name that people type; the rest is Celery's `app.task`."""
    return cast("Callable[[F], F]", app.task(name=name, **options))
