"""A checkout in small, to drive the real set-up in."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from desktop import install
from tests.support.wheels import write_wheel

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ("__init__.py", "bootstrap.py", "install.py", "machine.py")


class Project:
    """A checkout in small: the real set-up scripts, one package to run, one more to develop."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.wheels = folder.parent / "wheels"  # a path in pip's environment must not hold a space
        (folder / "desktop").mkdir(parents=True)
        self.wheels.mkdir()
        for name in SCRIPTS:
            shutil.copy(ROOT / "desktop" / name, folder / "desktop" / name)
        shutil.copy(ROOT / "Makefile", folder)
        shutil.copy(ROOT / "tests/support/wheels.py", folder / "backend.py")
        for name, version in (("brick", "1.0"), ("brick", "2.0"), ("crane", "1.0")):
            write_wheel(str(self.wheels), name, version, {f"{name}.py": f"version = {version!r}\n"})
        self.write(
            "pyproject.toml",
            '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n',
        )
        self.write("main.py", "import sys, brick\ndef main(): print('main', brick.version, *sys.argv[1:])\n"
                   "if __name__ == '__main__': main()\n")  # fmt: skip
        self.lock("1.0")

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text, encoding="utf-8")

    def lock(self, brick: str) -> None:
        self.write(
            "requirements.txt",
            f"{install.RUN_SECTION}\nbrick=={brick}\n\n{install.DEV_SECTION}\ncrane==1.0\n",
        )

    def environment(self, **changes: str) -> dict[str, str]:
        dropped = (
            "DISPLAY",
            "WAYLAND_DISPLAY",
            "QT_QPA_PLATFORM",
            "PYTHONPATH",
            "MAKEFLAGS",
            "MAKELEVEL",
            "PYTHON",
        )
        kept = {k: v for k, v in os.environ.items() if k not in dropped and not k.startswith("PIP_")}
        offline = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(self.wheels), "PIP_CONFIG_FILE": os.devnull}
        return kept | offline | changes

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-E", "-s", "-m", "desktop.bootstrap", *arguments]

    def do(self, *arguments: str, **changes: str) -> tuple[int, str]:
        """Run a verb; exit code and all that it said."""
        done = subprocess.run(
            self.command(*arguments), cwd=self.folder, env=self.environment(**changes),
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        )  # fmt: skip
        return done.returncode, done.stdout

    def python(self, code: str) -> str:
        """What the project's own interpreter prints."""
        return subprocess.check_output([self.folder / ".venv/bin/python", "-c", code], text=True).strip()
