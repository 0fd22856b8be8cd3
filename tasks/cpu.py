"""Tasks that compute."""

import csv
import hashlib
from itertools import islice
from typing import Literal, get_args

from tasks import checks
from tasks.app import task
from tasks.sample_data import ROWS, sales_csv

Algorithm = Literal["sha256", "sha512", "blake2b"]
Column = Literal["region", "product"]

_BLOCK = bytes(1024 * 1024)


def count_primes(limit: int) -> int:
    """How many primes there are below `limit`, by trial division: slow on purpose."""
    primes = [2]
    for candidate in range(3, limit, 2):
        for prime in primes:
            if prime * prime > candidate:
                primes.append(candidate)
                break
            if candidate % prime == 0:
                break
    return len(primes) if limit > 2 else 0


@task("tasks.primes")
def primes(limit: int = 400_000) -> int:
    """Count prime numbers in pure Python. Holds the GIL: threads do not help, processes do.

    Args:
        limit: count the primes below this number; 400,000 take about 0.15 s, twice as many 2.5 times that.

    Returns:
        How many primes there are.

    """
    return count_primes(checks.whole("limit", limit, 2, 20_000_000))


@task("tasks.csv_total")
def csv_total(rows: int = 100_000, by: Column = "region") -> dict[str, float]:
    """Add up the sales in a csv file with the standard library. Holds the GIL.

    The file is made at the first use and kept in the user's cache folder.

    Args:
        rows: how many rows of the file to read, at most 200,000.
        by: the column to group by, "region" or "product".

    Returns:
        The sum of the amounts for each region or product, in cents exact.

    """
    checks.whole("rows", rows, 1, ROWS, "rows")
    checks.choice("by", by, get_args(Column))
    cents: dict[str, int] = {}
    with sales_csv().open(newline="", encoding="utf-8") as file:
        for row in islice(csv.DictReader(file), rows):
            cents[row[by]] = cents.get(row[by], 0) + round(float(row["amount"]) * 100)
    return {name: total / 100 for name, total in sorted(cents.items())}


@task("tasks.hash")
def hash_data(megabytes: int = 200, algorithm: Algorithm = "sha256") -> str:
    """Hash zeros. Releases the GIL while it computes: threads are as fast as processes here.

    Args:
        megabytes: how much to hash, in MiB.
        algorithm: "sha256", "sha512" or "blake2b".

    Returns:
        The digest in hexadecimal.

    """
    checks.whole("megabytes", megabytes, 1, 100_000, "MiB")
    digest = hashlib.new(checks.choice("algorithm", algorithm, get_args(Algorithm)))
    for _ in range(megabytes):
        digest.update(_BLOCK)
    return digest.hexdigest()
