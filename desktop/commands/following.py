"""Waiting for something that takes a while."""

from __future__ import annotations

import sys
import time
from concurrent.futures import CancelledError
from typing import TypeVar

import click

from desktop.engine.api import Underway

T = TypeVar("T")


def follow(future: Underway[T]) -> T:
    """Wait for it, and say on a terminal how far it is. Ctrl-C cancels it."""
    shows = sys.stderr.isatty()
    try:
        while not future.done():
            time.sleep(0.05)
            if shows:
                click.echo(f"\r\x1b[K{future.doing}: {future.share:.0%}", err=True, nl=False)
    except KeyboardInterrupt:
        future.cancel()
        raise click.Abort from None
    finally:
        if shows:
            click.echo("\r\x1b[K", err=True, nl=False)
    try:
        return future.result()
    except CancelledError:
        raise click.Abort from None
