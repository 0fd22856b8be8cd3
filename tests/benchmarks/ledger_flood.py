"""Writes the ledger of a made-up run again, line by line as probes do: `ledger_flood FROM TO [RATE]`.

Says `ready` when it has read it, waits for a line on standard input, then writes every line with a write of
its own, in the order of their times, as fast as it can or RATE a second. Prints how many and how long it
took.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

APPEND = os.O_WRONLY | os.O_APPEND | os.O_CREAT


def main() -> None:
    """Until everything is written."""
    source, target = Path(sys.argv[1]), Path(sys.argv[2])
    rate = float(sys.argv[3]) if len(sys.argv) > 3 else 0.0
    lines: list[tuple[float, str, bytes]] = []
    for file in source.glob("*.jsonl"):
        for line in file.read_bytes().splitlines(keepends=True):
            lines.append(
                (float(line.partition(b'"t":')[2].partition(b",")[0].rstrip(b"}\n")), file.name, line)
            )
    lines.sort(key=lambda line: line[0])
    opened = {name: os.open(target / name, APPEND) for name in {name for _, name, _ in lines}}
    print("ready", flush=True)
    sys.stdin.readline()
    began = time.perf_counter()
    for number, (_, name, line) in enumerate(lines):
        if rate and not number % 20:
            time.sleep(max(0.0, began + number / rate - time.perf_counter()))
        os.write(opened[name], line)
    took = time.perf_counter() - began
    print(json.dumps({"events": len(lines), "seconds": took}), flush=True)


if __name__ == "__main__":
    main()
