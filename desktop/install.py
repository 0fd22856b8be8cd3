"""The locked packages, pip and what a person sees of it. Part of the set-up: see `desktop.bootstrap`."""

import contextlib
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Callable, Iterator, List, Sequence

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
LOG = VENV / "setup.log"

LOCK_HEAD = (
    "# The versions that `make` installs. Written by `make lock`; any index that pip is set up for will do.\n"
)
RUN_SECTION = "# To run."
DEV_SECTION = "# To test, measure and lint."


class SetupError(Exception):
    """The set-up cannot go on; the text says why and what to do."""


def venv_python() -> Path:
    """The interpreter inside `.venv`."""
    return VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def locked(dev: bool) -> List[str]:
    """The lines of the lock: those to run, and with `dev` the others too."""
    text = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    run, _, develop = text.partition(DEV_SECTION)
    lines = (run + (develop if dev else "")).splitlines()
    return [line for line in lines if line.strip() and not line.startswith("#")]


def say(text: str) -> None:
    """A line of progress."""
    print(text, flush=True)


@contextlib.contextmanager
def step(what: str) -> Iterator[Callable[[str], None]]:
    """Show what is done and how long it took; the function that it gives shows how far it is."""
    live = sys.stdout.isatty()
    started = time.monotonic()
    print(f"  {what}...", end="" if live else "\n", flush=True)
    yield (
        (lambda word: print(f"\r\033[K  {what}... {word}", end="", flush=True))
        if live
        else (lambda word: None)
    )
    if live:
        print(f"\r\033[K  {what}: {time.monotonic() - started:.1f} s", flush=True)


def pip_run(arguments: Sequence[str], progress: Callable[[str], None]) -> None:
    """Run pip in `.venv`, all that it says in `LOG`; SetupError tells in one sentence why it failed."""
    command = [str(venv_python()), "-m", "pip", "--disable-pip-version-check", "--no-input", *arguments]
    # What a person's own Python is told to look at must not pass for installed here.
    environ = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME", "PIP_TARGET")}
    environ.update(PIP_USER="0", PYTHONUNBUFFERED="1")
    with LOG.open("ab") as log:
        with subprocess.Popen(
            command, cwd=str(ROOT), env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        ) as pip:
            assert pip.stdout is not None
            for line in pip.stdout:
                log.write(line)
                name = re.match(rb"Collecting ([\w.-]+)|Installing (collected)", line)
                if name:
                    progress((name.group(1) or b"unpacking").decode())
    if pip.returncode:
        raise SetupError(explain(LOG.read_text(encoding="utf-8", errors="replace")))


def explain(output: str) -> str:
    """What made pip fail, as one sentence, and where the rest of it is."""
    unmet = re.search(r"No matching distribution found for (\S+)", output)
    errors = [line for line in output.splitlines() if line.lower().startswith("error")]
    if re.search(r"NewConnectionError|NameResolutionError|Timeout|ProxyError|Max retries", output):
        why = "No package index answered, so the packages could not be fetched: go online, and make again."
    elif "No space left on device" in output:
        why = "The disk is full: the set-up needs about 500 MB."
    elif unmet:
        why = f"pip's package index has no {unmet.group(1)} for this Python and system."
    else:
        why = f"pip failed: {errors[-1] if errors else 'it gave no reason'}."
    return f"{why} (All that pip said: {LOG.relative_to(ROOT)})"
