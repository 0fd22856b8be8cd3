"""`extra_args`: options of `celery worker` that a stack file has no key for."""

from __future__ import annotations

from collections.abc import Sequence

from desktop.engine.stack.problems import Fault, did_you_mean, shown

_APP = "Write it in [app]"
_BROKER = "Take it out: the stack's [broker] is started for it"
_WATCHED = "Take it out: the process is started and watched by the stack itself"
_BEAT = "Take it out: a worker of a stack runs no beat; start `celery beat` beside it"

# Options that a stack sets in another way: (what to do instead, whether it takes a value).
# tests/engine/test_stack_options.py holds both tables against Celery's own list.
OURS: dict[str, tuple[str, bool]] = {
    "-n": ("Use the key `name`", True),
    "--hostname": ("Use the key `name`", True),
    "-P": ("Use the key `pool`", True),
    "--pool": ("Use the key `pool`", True),
    "-c": ("Use the key `concurrency`", True),
    "--concurrency": ("Use the key `concurrency`", True),
    "--autoscale": ("Use the key `autoscale`", True),
    "-Q": ("Use the key `queues`", True),
    "--queues": ("Use the key `queues`", True),
    "-l": ("Use the key `log_level`", True),
    "--loglevel": ("Use the key `log_level`", True),
    "-E": ("Use the key `task_events`", False),
    "--task-events": ("Use the key `task_events`", False),
    "--events": ("Use the key `task_events`", False),
    "--prefetch-multiplier": ("Use the key `prefetch_multiplier`", True),
    "--disable-prefetch": ("Use the key `disable_prefetch`", False),
    "--max-tasks-per-child": ("Use the key `max_tasks_per_child`", True),
    "--max-memory-per-child": ("Use the key `max_memory_per_child`", True),
    "--time-limit": ("Use the key `time_limit`", True),
    "--soft-time-limit": ("Use the key `soft_time_limit`", True),
    "--pool-start-method": ("Use the key `pool_start_method`", True),
    "-I": ("Write include = […] in [celery]", True),
    "--include": ("Write include = […] in [celery]", True),
    "-A": (f"{_APP}: target", True),
    "--app": (f"{_APP}: target", True),
    "--workdir": (f"{_APP}: directory", True),
    "--executable": (f"{_APP}: python", True),
    "--config": ("Write the settings in [celery]", True),
    "--loader": ("Set it in the app itself", True),
    "-b": (_BROKER, True),
    "--broker": (_BROKER, True),
    "--result-backend": ("Write results = true in [broker]", True),
    "-D": (_WATCHED, False),
    "--detach": (_WATCHED, False),
    "--pidfile": (_WATCHED, True),
    "--uid": (_WATCHED, True),
    "--gid": (_WATCHED, True),
    "--umask": (_WATCHED, True),
    "-f": ("Take it out: the stack keeps each worker's log itself", True),
    "--logfile": ("Take it out: the stack keeps each worker's log itself", True),
    "-B": (_BEAT, False),
    "--beat": (_BEAT, False),
    "-s": (_BEAT, True),
    "--schedule": (_BEAT, True),
    "--schedule-filename": (_BEAT, True),
    "--scheduler": (_BEAT, True),
    "--help": ("Take it out: the worker would print its help and end", False),
    "--version": ("Take it out: the worker would print its version and end", False),
}

# Options that pass through: whether each takes a value.
PASSED: dict[str, bool] = {
    "-O": True,
    "--optimization": True,
    "-S": True,
    "--statedb": True,
    "-X": True,
    "--exclude-queues": True,
    "--heartbeat-interval": True,
    "--purge": False,
    "--discard": False,
    "--without-gossip": False,
    "--without-mingle": False,
    "--without-heartbeat": False,
}

_KNOWN = {**{name: takes for name, (_, takes) in OURS.items()}, **PASSED}


def extra_arg_faults(args: Sequence[str]) -> list[Fault]:
    """What in `extra_args` collides with a key, belongs elsewhere, or is cut short.

    An option that Celery does not know is let through unless it looks misspelt: an app may add its own.
    """
    faults: list[Fault] = []
    index = 0
    while index < len(args):
        found, used = _one(args, index)
        faults += [fault.under(index) for fault in found]
        index += used
    return faults


def _one(args: Sequence[str], index: int) -> tuple[list[Fault], int]:
    """The faults of the option at `index`, and how many arguments it and its value are."""
    arg = args[index]
    if arg == "--" or not arg.startswith("-") or arg == "-":
        step = "Settings of Celery belong in [celery]; an option and its value are two texts."
        return [Fault(f"is {shown(arg)}, which is no option.", step)], 1
    name, joined, _ = arg.partition("=") if arg.startswith("--") else _short(arg)
    if name not in _KNOWN:
        return _unknown(args, index, name, bool(joined))
    takes = _KNOWN[name]
    used = 2 if takes and not joined else 1
    if name in OURS:
        return [Fault(f"cannot hold {name}: the stack sets it.", f"{OURS[name][0]}.")], used
    if used == 2 and index + 1 >= len(args):
        return [Fault(f"ends with {name}, which needs a value.", "Add the value as the next text.")], 1
    if joined and not takes:
        return [Fault(f"gives {name} a value, and it takes none.", f'Write "{name}".')], 1
    return [], used


def _short(arg: str) -> tuple[str, str, str]:
    """Take a cluster such as -c4 or -Ec4 apart: its first option that the stack sets, or else its first."""
    for index in range(1, len(arg)):
        name, rest = f"-{arg[index]}", arg[index + 1 :]
        if name in OURS or _KNOWN.get(name, True):
            return name, rest, rest
    return arg[:2], "", ""


def _unknown(args: Sequence[str], index: int, name: str, joined: bool) -> tuple[list[Fault], int]:
    hint = did_you_mean(name, _KNOWN) if len(name) > 4 else ""
    if hint:
        return [Fault(f"holds {shown(name)}, which `celery worker` does not know.", hint.strip())], 1
    follows = index + 1 < len(args) and not args[index + 1].startswith("-")
    return [], 2 if follows and not joined else 1
