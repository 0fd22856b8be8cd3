"""The csv file that `tasks.csv_total` reads: made once, kept in the user's cache folder."""

import csv
import os
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

import platformdirs

ROWS = 200_000
REGIONS = ("north", "south", "east", "west")
PRODUCTS = ("tea", "coffee", "cocoa", "maté", "cider")
# In the name, so that a file of an older layout is never taken for one of this.
FILE_NAME = f"sales-v1-{ROWS}.csv"


def sales_csv() -> Path:
    """The file of `ROWS` sales (about 5 MB); written first where it is not there yet.

    Any number of processes may ask at once: each that finds none writes its own and puts it in
    place in one step, and as all write the same, it does not matter whose stays.
    """
    path = _cache_folder() / "samples" / FILE_NAME
    if path.exists():
        return path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _put_in_place(path)
    except OSError as error:
        raise RuntimeError(
            f"The sample data could not be written to {path}: {error.strerror or error}. "
            "Make room there, or set CELERY_DESK_HOME to a folder that can be written."
        ) from None
    return path


def _cache_folder() -> Path:
    home = os.environ.get("CELERY_DESK_HOME")
    return Path(home) / "cache" if home else Path(platformdirs.user_cache_dir("celery-desk", appauthor=False))


def _put_in_place(path: Path) -> None:
    handle, unfinished = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.", suffix=".part")
    try:
        with os.fdopen(handle, "w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(_rows())
        os.replace(unfinished, path)
    except BaseException:
        os.unlink(unfinished)
        raise


def _rows() -> Iterator[tuple[str, str, int | str, float | str]]:
    draw = random.Random(1)  # the same rows on every machine
    yield ("region", "product", "quantity", "amount")
    for _ in range(ROWS):
        quantity = draw.randint(1, 20)
        amount = round(quantity * draw.uniform(0.8, 12.0), 2)
        yield (draw.choice(REGIONS), draw.choice(PRODUCTS), quantity, amount)
