"""The command line. Without a command it opens the window."""

# ruff: noqa: D301  (the \b in the help texts is the character by which click leaves the lines below it alone)

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

BAD_INPUT = 64


class _Commands(click.Group):
    """Lists the commands in the order in which one meets them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


@click.group(
    cls=_Commands, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.version_option(package_name="celery-desk")
@click.option("--stack", metavar="FILE", help="The stack file to open, or the name of one that ships.")
@click.option("--page", metavar="NAME", hidden=True, help="The page to open first.")
@click.pass_context
def cli(ctx: click.Context, stack: str | None, page: str | None) -> None:
    """Start, shape, load, watch and break a Celery stack on this machine.

    Without a command the window opens.

    \b
    Examples:
      celery-desk
      celery-desk --stack gevent
      celery-desk up laptop --json --for 60
    """
    if ctx.invoked_subcommand is None:
        from desktop.commands.window import open_window

        sys.exit(open_window(stack, page))


@cli.command()
@click.argument("stack")
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="One JSON object a line: the broker's URL, then each change of state.",
)
@click.option(
    "--for", "seconds", type=click.FloatRange(min=0), metavar="SECONDS", help="Stop by itself after so long."
)
@click.option("--port", type=click.IntRange(1, 65535), help="The broker's port, instead of the stack file's.")
@click.option(
    "--grace",
    type=click.FloatRange(min=0),
    default=30.0,
    show_default=True,
    metavar="SECONDS",
    help="How long running tasks may take to finish when --for is over; then they are killed.",
)
@click.option(
    "--leftovers",
    type=click.Choice(["stop", "leave", "adopt"]),
    default="stop",
    show_default=True,
    help="What to do with processes that a crashed panel left.",
)
def up(
    stack: str, as_json: bool, seconds: float | None, port: int | None, grace: float, leftovers: str
) -> None:
    """Start a stack and supervise it until Ctrl-C.

    The first Ctrl-C stops the workers warm (running tasks finish), the second cold, the third kills.

    \b
    Examples:
      celery-desk up laptop
      celery-desk up ./my-stack.toml --json --for 60
    """
    from desktop.commands.up import Up

    sys.exit(Up(stack, as_json=as_json, seconds=seconds, port=port, grace=grace, leftovers=leftovers).run())


@cli.command()
@click.argument("url", required=False)
@click.option(
    "--json", "as_json", is_flag=True, help="One JSON object a line: each change of state, each gap."
)
@click.option(
    "--for",
    "seconds",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    help="Detach by itself after so long.",
)
@click.option(
    "--enable-events", is_flag=True, help="Ask every worker to send the events of its tasks from now on."
)
def attach(url: str | None, as_json: bool, seconds: float | None, enable_events: bool) -> None:
    """Watch and record a stack that somebody else started, until Ctrl-C.

    URL is that of its broker; "-" reads it from stdin, and without it CELERY_DESK_URL or CELERY_BROKER_URL is
    taken, so that no password need stand on the command line. Nothing of the stack is started, stopped or
    killed.

    \b
    Examples:
      celery-desk attach redis://localhost:6379/0
      celery-desk attach - --json --for 60 < broker-url.txt
      CELERY_BROKER_URL=redis://… celery-desk attach --enable-events
    """
    from desktop.commands.attach import Attach, url_of

    run = Attach(url_of(url), as_json=as_json, seconds=seconds, enable_events=enable_events).run
    sys.exit(run())


@cli.command()
@click.argument("stack_or_run")
@click.option(
    "--task",
    "tasks",
    multiple=True,
    metavar="NAME[:WEIGHT]",
    help="A task of the app; several make a mix.  [default: tasks.mixed]",
)
@click.option(
    "--arg", "args", multiple=True, metavar="NAME=VALUE", help="An argument of the task (JSON, or else text)."
)
@click.option("--count", type=click.IntRange(min=1), help="How many tasks.  [default: 100 without --rate]")
@click.option(
    "--rate",
    type=click.FloatRange(min=0, min_open=True),
    help="Tasks a second; without it as fast as it goes.",
)
@click.option("--seconds", type=click.FloatRange(min=0, min_open=True), help="Send for so long.")
@click.option("--queue", help="The queue.  [default: the app's routing]")
@click.option(
    "--countdown", type=click.FloatRange(min=0), help="Seconds that each task waits before it may start."
)
@click.option("--priority", type=click.IntRange(0, 9), help="0 is the highest on Redis.")
@click.option("--seed", type=int, default=0, show_default=True, help="The order of a mix.")
@click.option("--json", "as_json", is_flag=True, help="Progress and result as JSON lines.")
def load(**options: Any) -> None:
    """Submit a workload to a stack that runs.

    STACK_OR_RUN is the name or the file of a running stack, or its run folder.

    \b
    Examples:
      celery-desk load laptop --task tasks.primes --count 2000
      celery-desk load laptop --task tasks.http:3 --task tasks.hash:1 --rate 50 --seconds 30
    """
    from desktop.commands.load import run_load

    sys.exit(run_load(**options))


@cli.command()
@click.argument("file", required=False)
@click.option(
    "--repeat", type=click.IntRange(1, 10_000), metavar="N", help="How often; each with the next seed."
)
@click.option("--seed", type=click.IntRange(min=0), metavar="S", help="Draws targets and moments.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Put each verdict there too, beside the run folder.",
)
@click.option("--json", "as_json", is_flag=True, help="Each verdict as one JSON object a line.")
@click.option("--list", "listed", is_flag=True, help="List the drills that ship, and your own.")
@click.option(
    "--leftovers",
    type=click.Choice(["stop", "leave"]),
    help="What to do with processes that a crashed panel left.  [default: refuse]",
)
def drill(
    file: str | None,
    repeat: int | None,
    seed: int | None,
    out: Path | None,
    as_json: bool,
    listed: bool,
    leftovers: str | None,
) -> None:
    """Break a stack on purpose, and say what became of every task.

    FILE is a drill file, or the name of one that ships. The exit code is 0 for PASS, 1 for FAIL, 2 for
    UNKNOWN: a fault missed, or the stack did not come to rest. Ctrl-C halts it and undoes everything.

    \b
    Examples:
      celery-desk drill --list
      celery-desk drill kill-early
      celery-desk drill ./my-drill.toml --repeat 50 --seed 7 --json
    """
    from desktop.commands.drill import DrillCommand, list_drills

    if listed:
        sys.exit(list_drills(as_json))
    if file is None:
        raise click.UsageError("Name a drill file; --list shows those that ship.")
    command = DrillCommand(file, repeat=repeat, seed=seed, out=out, as_json=as_json, leftovers=leftovers)
    sys.exit(command.run())


@cli.command("open")
@click.argument("run")
@click.option("--page", metavar="NAME", hidden=True, help="The page to open first.")
def open_command(run: str, page: str | None) -> None:
    """Open the window on a recorded run.

    RUN is a run folder, a zip of one, the name of a run that `runs` lists, or "latest".

    \b
    Examples:
      celery-desk open latest
      celery-desk open 20261122-101500-laptop
      celery-desk open ./from-a-colleague.zip
    """
    from desktop.commands.open import open_run

    sys.exit(open_run(run, page))


@cli.command("report")
@click.argument("runs", nargs=-1, required=True, metavar="RUN...")
@click.option(
    "--to",
    default="html",
    show_default=True,
    metavar="FORMATS",
    help="html, md, json, junit; several with commas.",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("."),
    show_default=True,
    metavar="FOLDER",
    help="Where the files go.",
)
def report_command(runs: tuple[str, ...], to: str, out: Path) -> None:
    """Write a report of a run: what was lost and what ran twice, the faults, graphs, settings, log lines.

    RUN is a run folder, a zip of one, the name of a run that `runs` lists, or "latest". Of several runs (the
    repeats of a drill) it is one report: a table of all, then the worst in full. One file a format, which
    needs nothing but itself; JUnit is for CI.

    \b
    Examples:
      celery-desk report latest
      celery-desk report latest --to html,junit --out ./reports
      celery-desk report ./from-a-colleague.zip --to md
    """
    from desktop.commands.report import report

    sys.exit(report(runs, to, out))


@cli.group(invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.pass_context
def runs(ctx: click.Context, as_json: bool) -> None:
    """List the recorded runs; pack, note and delete them.

    \b
    Examples:
      celery-desk runs
      celery-desk runs --json
      celery-desk runs pack latest ./run.zip
      celery-desk runs prune --older 30
    """
    if ctx.invoked_subcommand is None:
        from desktop.commands.runs import list_runs

        sys.exit(list_runs(as_json))


@runs.command("pack")
@click.argument("run")
@click.argument("out", type=click.Path(dir_okay=False, path_type=Path), metavar="OUT.zip")
def runs_pack(run: str, out: Path) -> None:
    """Write a run into one zip, without passwords; a living one as it is now.

    Its logs may name folders of this machine.

    \b
    Examples:
      celery-desk runs pack latest ./run.zip
      celery-desk runs pack 20261122-101500-laptop ./before-the-fix.zip
    """
    from desktop.commands.runs import pack_run

    sys.exit(pack_run(run, out))


@runs.command("prune")
@click.option("--older", type=click.FloatRange(min=0), metavar="DAYS", help="Those that ended before.")
@click.option(
    "--bytes", "size", type=click.IntRange(min=0), metavar="N", help="The oldest, until all take no more."
)
@click.option(
    "--runs", "most", type=click.IntRange(min=0), metavar="N", help="The oldest, until so many are left."
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Only show them.")
def runs_prune(older: float | None, size: int | None, most: int | None, yes: bool, dry_run: bool) -> None:
    """Show which old runs are over the cap, ask, and delete them.

    Options take the place of the cap that is remembered, for this once. Living and kept runs stay.

    \b
    Examples:
      celery-desk runs prune --dry-run
      celery-desk runs prune --older 30
      celery-desk runs prune --bytes 1000000000 --yes
    """
    from desktop.commands.runs import prune

    sys.exit(prune(older, size, most, yes, dry_run))


@runs.command("cap")
@click.option("--bytes", "size", metavar="N|none", help="All runs together.")
@click.option("--days", metavar="N|none", help="How old a run may be.")
@click.option("--runs", "most", metavar="N|none", help="How many there may be.")
def runs_cap(size: str | None, days: str | None, most: str | None) -> None:
    """Say or change how much of old runs is kept. Nothing is deleted by it.

    \b
    Examples:
      celery-desk runs cap
      celery-desk runs cap --days 30 --runs none
    """
    from desktop.commands.runs import change_cap

    sys.exit(change_cap(size, days, most))


@runs.command("note")
@click.argument("run")
@click.argument("text", required=False)
@click.option("--keep/--let-go", default=None, help="Whether it stays, whatever the cap says.")
def runs_note(run: str, text: str | None, keep: bool | None) -> None:
    """Say or change the note of a run, and whether it is kept.

    \b
    Examples:
      celery-desk runs note latest "before the fix of the payments queue" --keep
      celery-desk runs note latest --let-go
    """
    from desktop.commands.runs import note_run

    sys.exit(note_run(run, text, keep))


@runs.command("delete")
@click.argument("run")
@click.option("--yes", is_flag=True, help="Do not ask.")
def runs_delete(run: str, yes: bool) -> None:
    """Delete one run.

    \b
    Example:
      celery-desk runs delete 20261122-101500-laptop
    """
    from desktop.commands.runs import delete_run

    sys.exit(delete_run(run, yes))


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="The findings as one JSON object.")
def doctor(as_json: bool) -> None:
    """Say what this machine has and lacks, and the one command that mends each.

    \b
    Examples:
      celery-desk doctor
      celery-desk doctor --json
    """
    from desktop.commands.doctor import run_doctor

    sys.exit(run_doctor(as_json))


@cli.command()
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    metavar="FOLDER",
    help="Where the pictures go.",
)
@click.option("--stack", default="laptop", show_default=True, metavar="FILE", help="The stack that is shown.")
@click.option(
    "--seconds",
    type=click.FloatRange(min=5),
    default=45.0,
    show_default=True,
    help="How long it runs under load before the pictures.",
)
def shots(out: Path, stack: str, seconds: float) -> None:
    """Run the sample stack under load and save every page as PNG, light and dark, in two sizes.

    \b
    Example:
      celery-desk shots --out docs/pictures
    """
    from desktop.commands.shots import take_shots

    sys.exit(take_shots(out, stack, seconds))


def main(argv: Sequence[str] | None = None) -> None:
    """Run a command. Bad input of any kind ends with exit code 64 and one message, never a traceback."""
    from desktop.engine.api import DeskError

    try:
        code = cli.main(
            args=list(argv) if argv is not None else None, prog_name="celery-desk", standalone_mode=False
        )
    except click.ClickException as error:
        click.echo(f"celery-desk: {error.format_message()}", err=True)
        if isinstance(error, click.UsageError) and error.ctx is not None:
            click.echo(f"Try '{error.ctx.command_path} --help'.", err=True)
        sys.exit(BAD_INPUT)
    except DeskError as error:
        click.echo(f"celery-desk: {error}", err=True)
        sys.exit(BAD_INPUT)
    except click.Abort:
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(0)
    sys.exit(code if isinstance(code, int) else 0)
