"""Stack files on disk: which are taken, what ships, and what stands beside them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from desktop.engine.api import DeskError
from desktop.engine.stack.model import (
    Autoscale,
    BrokerSpec,
    Pool,
    WebSpec,
    WorkerSpec,
)
from desktop.engine.stack.parse import _BROKER, _WEB, check_worker, parse_stack, read_stack, stack_text
from desktop.engine.stack.problems import StackFileError
from desktop.engine.stack.project import _KEYS as _APP
from desktop.engine.stack.project import BROKER_VARIABLES
from desktop.engine.stack.rules import READERS
from desktop.engine.stack.shipped import is_shipped, shipped_folder, shipped_stacks
from tests.engine.stack_samples import EVERY_KEY


def test_files_that_are_none_are_told(tmp_path: Path) -> None:
    latin = tmp_path / "latin.toml"
    latin.write_bytes(b'name = "t"\nabout = "\xe9"\n')
    huge = tmp_path / "huge.toml"
    huge.write_bytes(b"#" * 1_000_001)
    loop = tmp_path / "loop.toml"
    loop.symlink_to(loop)
    for path, piece in (
        (tmp_path, "is a folder"),
        (tmp_path / "no.toml", "does not exist"),
        (latin / "x.toml", "does not exist"),
        (latin, "is not UTF-8 text (line 2)"),
        (huge, "larger than 1 MB"),
        (Path("/dev/null"), "no ordinary file"),
        (tmp_path / ("x" * 300), "cannot be looked for"),
        (loop, "loop.toml"),
        ("", "no path"),
        ("a\0b", "no path"),
        ("~nobody-of-that-name/x.toml", "x.toml"),
    ):
        with pytest.raises(StackFileError) as caught:
            read_stack(path)
        assert piece in str(caught.value)
        assert "line 1:" not in str(caught.value)
        assert all(problem.line >= 1 and problem.next_step for problem in caught.value.problems)


def test_a_file_without_rights_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "closed.toml"
    path.write_text('name = "t"')

    def refuse(*_args: object, **_kwargs: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)  # root, as CI often is, may read anything
    with pytest.raises(StackFileError, match="cannot be read: Permission denied"):
        read_stack(path)


def test_paths_are_relative_to_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "server").write_text("#!/bin/sh\n")
    (tmp_path / "server").chmod(0o755)
    (tmp_path / ".env").write_text("A=1\n")
    file = tmp_path / "t.toml"
    file.write_text('[app]\ndirectory = "code"\nenv_file = ".env"\n[broker]\nserver = "./server"\n')
    monkeypatch.chdir("/")
    stack = read_stack(file)
    assert stack.app.directory == tmp_path / "code"
    assert stack.app.env_file == tmp_path / ".env"
    assert stack.broker.server == tmp_path / "server"


def test_a_link_to_an_interpreter_stays_a_link(tmp_path: Path) -> None:
    """The python of a venv is a link, and only under its own name does it know its venv."""
    (tmp_path / "real").write_text("#!/bin/sh\n")
    (tmp_path / "real").chmod(0o755)
    (tmp_path / "python").symlink_to("real")
    (tmp_path / "t.toml").write_text('[app]\npython = "python"\n')
    assert read_stack(tmp_path / "t.toml").app.python == tmp_path / "python"


def test_the_line_of_a_bad_env_file_is_told(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("A=1\nwhat is this\n")
    (tmp_path / "t.toml").write_text('[app]\nenv_file = ".env"\n')
    with pytest.raises(
        StackFileError, match=r"line 2, \[app\] env_file: names .env, whose line 2 is not KEY=VALUE"
    ):
        read_stack(tmp_path / "t.toml")


def test_shipped_stacks_are_right_and_known_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stacks = dict(shipped_stacks())
    assert next(iter(stacks)) == "laptop"
    assert set(stacks) == {"laptop", *(pool.value for pool in Pool)}
    assert all(20 < len(about) < 140 and about.endswith(".") for about in stacks.values())
    for name in stacks:
        stack = read_stack(name)
        assert stack.name == name
        assert stack.web == WebSpec()
        assert is_shipped(stack.path)
        if name != "laptop":
            assert {worker.pool.value for worker in stack.workers} == {name}
    monkeypatch.chdir(tmp_path)
    Path("laptop").mkdir()  # a folder of that name is no stack file
    assert read_stack("laptop").path == shipped_folder() / "laptop.toml"


def test_the_default_stack_is_what_the_readme_says() -> None:
    laptop = read_stack("laptop")
    assert laptop.broker == BrokerSpec()
    w1, w2 = laptop.workers
    assert (w1.pool, w1.autoscale, w2.pool) == (Pool.PREFORK, Autoscale(1, 4), Pool.THREADS)
    assert w1.autoscale_keepalive
    assert w1.autoscale_keepalive < 30


def test_a_misspelt_shipped_name_is_mended() -> None:
    with pytest.raises(StackFileError, match=r"labtop does not exist\. Did you mean `laptop`\?"):
        read_stack("labtop")


def test_a_spec_from_the_window_is_checked_by_the_same_rules() -> None:
    check_worker(WorkerSpec("w1"))
    with pytest.raises(DeskError, match="worker w1, autoscale: does not work on threads"):
        check_worker(WorkerSpec("w1", Pool.THREADS, autoscale=Autoscale(1, 4)))
    with pytest.raises(DeskError, match=r"queues\.0: has a queue name that is empty"):
        check_worker(WorkerSpec("w1", queues=("",)))
    with pytest.raises(DeskError, match="worker W 1, name"):
        check_worker(WorkerSpec("W 1"))


def test_the_text_of_a_stack_describes_it(tmp_path: Path) -> None:
    path = tmp_path / "every.toml"
    path.write_text(EVERY_KEY)
    stack = read_stack(path)
    assert stack_text(stack) == EVERY_KEY
    path.write_text(EVERY_KEY.replace("7001", "7002"))
    written = stack_text(stack)
    assert written != path.read_text()
    assert parse_stack(written, path) == stack
    path.unlink()
    assert parse_stack(stack_text(stack), path) == stack


def test_the_reference_names_every_key_and_no_other() -> None:
    text = (Path(__file__).parents[2] / "docs" / "stack-files.md").read_text("utf-8")
    documented = re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)
    code = ["name", *_APP, *_BROKER, *READERS, "count", *_WEB]
    assert sorted(set(documented)) == sorted(set(code))
    for word in BROKER_VARIABLES:
        assert f"`{word}`" in text
