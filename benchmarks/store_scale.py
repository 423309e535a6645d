"""Time opening and resuming a large store: python benchmarks/store_scale.py [--units 100000] [--scorers 4]

Builds a store with as many artifacts and rows (unsynced, since building is not measured), then times everything before
the first missing sample is processed, and the reads of a `report`.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from unittest import mock

from null_parts import null_plan

from nova_bench.config.units import Unit
from nova_bench.pipeline.aggregate import collect
from nova_bench.pipeline.plan import Plan
from nova_bench.pipeline.run import record_of
from nova_bench.pipeline.score import missing_jobs
from nova_bench.store import Artifact, Draft, Row, Status, Store

BATCH = 1000


def build(plan: Plan, root: Path) -> None:
    """Fill a store with an artifact per unit and a row per unit and scorer; the last unit stays missing."""
    units = plan.units[:-1]
    with mock.patch.object(os, "fsync"), Store.writer(root) as store:
        store.add_run(record_of(plan))
        for start in range(0, len(units), BATCH):
            artifacts = store.add_units([_draft(unit) for unit in units[start : start + BATCH]])
            store.add_rows(
                Row(artifact.sha256, scorer.identity, "", scorer.info.name, "1", Status.OK, 0.5, details={"frames": 17})
                for artifact in artifacts
                for scorer in plan.scorers
            )


def _draft(unit: Unit) -> Draft:
    return Draft(unit.digest, ".mp4", lambda path: path.write_text(unit.digest), 1.0, {"seconds": 1.0})


def timed(results: dict[str, float], name: str, work: Callable[[], object]) -> object:
    started = time.perf_counter()
    value = work()
    results[name] = time.perf_counter() - started
    return value


def measure(units: int, scorers: int, root: Path) -> dict[str, float]:
    results: dict[str, float] = {}
    plan = timed(results, "plan", lambda: null_plan(units, scorers))
    timed(results, "(build the store)", lambda: build(plan, root))
    timed(results, "open and back up, all new", lambda: back_up(root))
    writer = Store.writer(root)
    store = timed(results, "open to write", writer.__enter__)
    try:
        timed(results, "record the run again", lambda: store.add_run(record_of(plan)))
        found = timed(results, "find missing samples", lambda: store.artifacts(unit.digest for unit in plan.units))
        assert sum(isinstance(artifact, Artifact) for artifact in found.values()) == units - 1
        jobs, there = timed(results, "find missing rows", lambda: missing_jobs(plan, plan.scorers, store))
        assert not jobs
        assert there == (units - 1) * scorers
        timed(results, "back up, nothing new", store.back_up)
    finally:
        writer.__exit__(None, None, None)
    resumed = ("plan", "open to write", "record the run again", "find missing samples", "find missing rows")
    results["resume, in all"] = sum(results[name] for name in resumed)
    reader = Store.reader(root)
    store = timed(results, "open to read", reader.__enter__)
    try:
        rows = timed(
            results, "read all rows, with details", lambda: store.rows((s.identity for s in plan.scorers), details=True)
        )
        timed(results, "collect", lambda: [collect(plan.units, scorer, found, rows) for scorer in plan.scorers])
        timed(results, "read the stored run", lambda: store.run(plan.run_id))
    finally:
        reader.__exit__(None, None, None)
    results["MB of database"] = (root / "store.sqlite").stat().st_size / 1e6
    return results


def back_up(root: Path) -> None:
    with Store.writer(root) as store:
        store.back_up()


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--units", type=int, default=100_000)
    parser.add_argument("--scorers", type=int, default=4)
    parser.add_argument("--folder", type=Path, help="where to build the store (default: a temporary folder)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        results = measure(options.units, options.scorers, Path(folder) / "store")
    if options.json:
        print(json.dumps(results))
        return
    print(f"{options.units} units, {options.scorers} scorers")
    for name, value in results.items():
        print(f"{name:30} {value:8.2f}{'' if 'MB' in name else ' s'}")


if __name__ == "__main__":
    main()
