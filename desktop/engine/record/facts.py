"""What is remembered of a run beside its tasks: the stack, versions, the machine. No secrets."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import time
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_PACKAGES = ("celery", "kombu", "billiard", "redis", "gevent", "eventlet", "PySide6")


def facts_of(folder: Path) -> Mapping[str, Any]:
    """Of a run folder that has no database yet."""
    try:
        text = (folder / "stack.toml").read_text(encoding="utf-8")
        name = str(tomllib.loads(text).get("name", folder.name))
    except (OSError, ValueError):
        text, name = "", folder.name
    times = [file.stat().st_mtime for file in (folder / "ledger").glob("*.jsonl")]
    began = min(times, default=time.time())
    return {"stack": name, "began": began, "texts": [[began, text]]}


def copied_of(meta: Mapping[str, Any]) -> float | None:
    """When the copy of a run that still lived was made; None for a run that is none."""
    copied = meta.get("copied")
    return float(copied) if isinstance(copied, (int, float)) and meta.get("clean") is not True else None


def versions() -> dict[str, str]:
    """Of what is installed here; a project with its own interpreter may run others."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def machine() -> dict[str, Any]:
    """What it runs on."""
    return {
        "system": platform.system(),
        "release": platform.release(),
        "architecture": platform.machine(),
        "processor": _processor(),
        "cpus": os.cpu_count() or 0,
        "memory": _memory(),
    }


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor()


def _memory() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return 0
