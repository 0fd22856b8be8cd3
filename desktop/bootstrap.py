"""Sets up `.venv` and goes on in it: what every `make` target calls. Standard library only.

    python3 -m desktop.bootstrap [--given] setup|run|test|bench|shots|lint|lock|clean [ARGUMENTS]

It parses on Python 3.6, so that it can say there which Python is needed. `--given` tells that a
person chose this interpreter (`make PYTHON=...`): then `.venv` is rebuilt when it is of another one.
What `.venv` was made from stands in a stamp in it, which is written last: without a stamp that
fits, the set-up was interrupted or is out of date, and is done again.
"""

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import sys
from typing import Dict, Iterator, Mapping, NoReturn, Optional, Sequence, Tuple

from desktop.install import LOG, ROOT, VENV, SetupError, locked, pip_run, say, step, venv_python
from desktop.machine import (
    as_root,
    display_trouble,
    install_line,
    missing_libraries,
    needed_libraries,
    succeeds,
    wants_window,
)

STAMP = VENV / "celery-desk.json"
NEEDED = (3, 11)
KNOWN = ("3.14", "3.13", "3.12", "3.11")  # tried in this order where `python3` is too old
# Most tests wait for real workers: three at a time take half as long, also on two cores. A file's tests stay
# together, for what they share; conftest begins with the longest files.
SIDE_BY_SIDE = ("-n", "3", "--dist", "loadfile", "--no-loadscope-reorder")

# -- which Python


def version_of(python: str) -> Optional[Tuple[int, ...]]:
    """(3, 12, 1) of an interpreter; None when it cannot be run (a shim without a version behind it)."""
    code = "import sys; print(*sys.version_info[:3])"
    try:
        done = subprocess.run(
            [python, "-I", "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return tuple(int(part) for part in done.stdout.split())


def choose_python(given: bool) -> Tuple[str, Tuple[int, ...]]:
    """The interpreter for a new `.venv`: the one that runs this, or a later one of PATH if it is too old."""
    mine = sys.version_info[:3]
    if mine >= NEEDED:
        # Not the executable itself: it may be the one in the very .venv that is made anew.
        return getattr(sys, "_base_executable", None) or sys.executable, mine
    for minor in () if given else KNOWN:
        found = shutil.which("python" + minor)
        version = version_of(found) if found else None
        if found and version and version >= NEEDED:
            return found, version
    elsewhere = "" if given else ", and none is on PATH"
    raise SetupError(f"Python 3.11 or later is needed: {sys.executable} is {_dotted(mine)}{elsewhere}.")


def _dotted(version: Sequence[int]) -> str:
    return ".".join(str(part) for part in version)


# -- the stamp


def fingerprint() -> str:
    """Changes when what is to be installed changes."""
    digest = hashlib.sha256()
    for name in ("pyproject.toml", "requirements.txt"):
        digest.update((ROOT / name).read_bytes() + b"\0")
    return digest.hexdigest()


def read_stamp() -> Dict[str, object]:
    """What `.venv` was made from; empty when it is not complete, was moved, or lost its interpreter."""
    try:
        stamp = json.loads(STAMP.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    whole = (
        isinstance(stamp, dict) and stamp.get("root") == str(ROOT) and os.access(str(venv_python()), os.X_OK)
    )
    return stamp if whole else {}


def write_stamp(version: Sequence[int], dev: bool) -> None:
    """The last act of a set-up."""
    stamp = {"root": str(ROOT), "python": _dotted(version), "dev": dev, "fingerprint": fingerprint()}
    draft = STAMP.with_suffix(".new")
    draft.write_text(json.dumps(stamp), encoding="utf-8")
    os.replace(str(draft), str(STAMP))


def _fits(stamp: Mapping[str, object], given: bool, dev: bool) -> bool:
    return (
        stamp.get("fingerprint") == fingerprint()
        and bool(stamp.get("dev") or not dev)
        and _right_python(stamp, given)
    )


def _right_python(stamp: Mapping[str, object], given: bool) -> bool:
    return not given or stamp.get("python") == _dotted(sys.version_info[:3])


# -- the set-up


def _apt_install(packages: Sequence[str]) -> bool:
    """Install Debian packages if that may be done without asking; True when they are in."""
    root = as_root()
    if root is None or not shutil.which("apt-get"):
        return False
    apt = [*root, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq", "-o", "DPkg::Lock::Timeout=120"]
    with step("installing " + " ".join(packages)):
        succeeds([*apt, "update"])  # an index of last month may still do
        return succeeds([*apt, "install", "-y", "--no-install-recommends", *packages])


def ensure(given: bool, dev: bool) -> None:
    """Bring `.venv` up to date; returns at once when it is."""
    if _fits(read_stamp(), given, dev):
        return
    with _alone():
        stamp = read_stamp()
        if _fits(stamp, given, dev):
            return  # another set-up did it while we waited
        if stamp and _right_python(stamp, given):
            version = tuple(int(part) for part in str(stamp["python"]).split("."))
            dev = dev or bool(stamp.get("dev"))
            say("Celery Desk: bringing .venv up to date")
            STAMP.unlink()
        else:
            python, version = choose_python(given)
            say(f"Celery Desk: setting up .venv with Python {_dotted(version)}")
            _make_venv(python, version)
        _install(dev)
        write_stamp(version, dev)


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """One set-up of this folder at a time."""
    if os.name == "nt":
        yield
        return
    import fcntl

    with (ROOT / "pyproject.toml").open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            say("Another set-up of this folder is under way; waiting for it.")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _make_venv(python: str, version: Sequence[int]) -> None:
    if not succeeds([python, "-c", "import ensurepip, venv"]):
        package = f"python{version[0]}.{version[1]}-venv"
        if not (_apt_install([package]) and succeeds([python, "-c", "import ensurepip, venv"])):
            raise SetupError(
                f"This Python cannot make a virtual environment. Type: sudo apt-get install {package}"
            )
    if VENV.is_symlink():
        VENV.unlink()
    elif VENV.exists():
        say("  .venv is incomplete or of another Python: making it anew")
        shutil.rmtree(str(VENV))
    with step("making the virtual environment"):
        done = subprocess.run(
            [python, "-m", "venv", str(VENV)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
        )
    if done.returncode:
        said = done.stdout.decode(errors="replace").strip().splitlines() or ["no reason given"]
        raise SetupError(f"The virtual environment could not be made: {said[-1]}")


def _install(dev: bool) -> None:
    lines = locked(dev)
    wanted = VENV / "wanted.txt"
    wanted.write_text("\n".join(lines) + "\n", encoding="utf-8")
    LOG.write_bytes(b"")
    names = {line.split("==")[0] for line in lines}  # some have a line for each range of Pythons
    with step(f"installing {len(names)} packages") as progress:
        pip_run(["install", "-r", str(wanted)], progress)
    with step("installing Celery Desk itself") as progress:
        # setuptools is locked too and is in by now: no second environment, no second download.
        pip_run(["install", "--no-deps", "--no-build-isolation", "-e", str(ROOT)], progress)


def ensure_libraries(window: bool) -> None:
    """Install the libraries that Qt needs if that may be done; else say the line to type."""
    missing = missing_libraries()
    if missing:
        _apt_install([library.package for library in missing])
    missing = missing_libraries(needed_libraries(os.environ, window))
    if missing:
        names = ", ".join(library.soname for library in missing)
        raise SetupError(f"Qt needs {names}, which this system lacks. Type: {install_line(missing)}")


# -- the verbs


def _go(*command: str) -> NoReturn:
    os.chdir(str(ROOT))
    os.execv(command[0], list(command))


def _in_venv(name: str) -> str:
    return str(venv_python().parent / name)


def setup(given: bool, arguments: Sequence[str]) -> None:
    """`make`: set up and no more."""
    ensure(given, dev=False)
    ensure_libraries(window=True)
    say("Ready. `make run` opens the window; .venv/bin/celery-desk --help is the command line.")


def run(given: bool, arguments: Sequence[str]) -> None:
    """`make run`: the program, by default its window."""
    window = wants_window(arguments)
    trouble = display_trouble(os.environ) if window else ""
    if trouble:
        raise SetupError(
            f"{trouble} Everything works without one too: `make`, then .venv/bin/celery-desk --help"
        )
    ensure(given, dev=False)
    if window:
        ensure_libraries(window=True)
    _go(str(venv_python()), "main.py", *arguments)


def test(given: bool, arguments: Sequence[str]) -> None:
    """`make test`: every test, side by side; with arguments, pytest with just those."""
    ensure(given, dev=True)
    ensure_libraries(window=False)
    _go(str(venv_python()), "-m", "pytest", *(arguments or SIDE_BY_SIDE))


def bench(given: bool, arguments: Sequence[str]) -> None:
    """`make bench`: the figures, as one JSON."""
    ensure(given, dev=True)
    ensure_libraries(window=False)
    _go(str(venv_python()), "-m", "tests.benchmarks", *arguments)


def shots(given: bool, arguments: Sequence[str]) -> None:
    """`make shots`: the documentation's pictures anew."""
    ensure(given, dev=False)
    ensure_libraries(window=False)
    _go(str(venv_python()), "main.py", "shots", *(arguments or ["--out", "docs/pictures"]))


def lint(given: bool, arguments: Sequence[str]) -> None:
    """`make lint`: ruff and mypy over the tree."""
    ensure(given, dev=True)
    checks = [["ruff", "check", "."], ["ruff", "format", "--check", "."], ["mypy"]]
    failed = [
        c for c in checks if subprocess.run([_in_venv(c[0]), *c[1:]], cwd=str(ROOT), check=False).returncode
    ]
    sys.exit(1 if failed else 0)


def lock(given: bool, arguments: Sequence[str]) -> None:
    """`make lock`: the lock anew, from every Python on PATH."""
    ensure(given, dev=False)
    _go(str(venv_python()), "-m", "tests.support.lock", *arguments)


def clean(given: bool, arguments: Sequence[str]) -> None:
    """`make clean`: remove what was made here."""
    made = [
        VENV,
        *(ROOT / n for n in ("build", "dist", ".pytest_cache", ".mypy_cache", ".ruff_cache", ".hypothesis")),
    ]
    made += ROOT.glob("*.egg-info")
    for top in ("desktop", "tasks", "tests", "resources", "."):
        made += ROOT.glob("__pycache__") if top == "." else (ROOT / top).rglob("__pycache__")
    for folder in made:
        shutil.rmtree(str(folder), ignore_errors=True)


VERBS = {f.__name__: f for f in (setup, run, test, bench, shots, lint, lock, clean)}


def main(arguments: Sequence[str]) -> int:
    """Run a verb; the exit code."""
    given = bool(arguments) and arguments[0] == "--given"
    verb, *rest = arguments[1:] if given else arguments
    try:
        VERBS[verb](given, rest)
    except SetupError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted. The next `make` begins anew.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
