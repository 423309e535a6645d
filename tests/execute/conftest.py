"""Runs through the library, and the rows they leave."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from nova_bench.config.loading import load_suite
from nova_bench.core.progress import Progress
from nova_bench.experiments.benchmark.run import run_suite
from nova_bench.store import Store


@pytest.fixture
def run_library(write_suite, tmp_path) -> Callable[..., dict[str, Any]]:
    """Run the test suite in this process with assignments; returns what every row says but how long it took."""

    def run(store: str, *assignments: str) -> dict[str, Any]:
        suite = load_suite(str(write_suite()), [*assignments, "execution.device=cpu"])
        run_suite(suite, tmp_path / store, None, Progress(quiet=True))
        return rows_of(tmp_path / store)

    return run


@pytest.fixture
def rows() -> Callable[[Path], dict[str, Any]]:
    return rows_of


def rows_of(root: Path) -> dict[str, Any]:
    with Store.reader(root) as store:
        ((_, run, _),) = store.run_names()
        found = store.rows((scorer["identity"] for scorer in store.run(run).scorers), details=True)
    return {
        key: (row.status, row.value if row.value is None else row.value.hex(), row.weight, row.message, row.details)
        for key, row in found.items()
    }


def forget_rows(store: Path) -> None:
    """Remove the scores from a store, so that they are computed again."""
    with closing(sqlite3.connect(store / "store.sqlite")) as database:
        database.execute("DELETE FROM rows")
        database.commit()
