"""Measure the harness's own cost per sample: python benchmarks/harness_overhead.py [--units 4730] [--scorers 16]

A null model and null scorers run through the code of a real run: plan, encode, store, journal, rows, aggregate. The
store's timings exclude waiting for the decoder; the scorers return at once. The floor is the cost of the same bytes in
a plain loop that writes, syncs and renames one file per sample, and appends and syncs the rows of each batch. 4730
samples are VBench's (946 prompts, five samples of each).
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from null_parts import NullModel, null_plan

from nova_bench.core.progress import Progress
from nova_bench.pipeline.aggregate import collect, summarise
from nova_bench.pipeline.failures import Failures
from nova_bench.pipeline.generate import generate
from nova_bench.pipeline.generate_worker import GenerateWorker
from nova_bench.pipeline.places import Places
from nova_bench.pipeline.plan import Plan
from nova_bench.pipeline.run import record_of
from nova_bench.pipeline.score import score
from nova_bench.pipeline.staffing import Staff
from nova_bench.report.tables import metrics_table, samples_csv
from nova_bench.store import Store


def measure(units: int, scorers: int, batch_size: int, root: Path) -> dict[str, float]:
    """Seconds of each stage."""
    import torch  # noqa: F401  (importing it is not part of any stage)

    from nova_bench.video import read_clip  # noqa: F401

    stages: dict[str, float] = {}

    def timed(name: str, work: Callable[[], object]) -> object:
        started = time.perf_counter()
        value = work()
        stages[name] = time.perf_counter() - started
        return value

    progress = Progress(quiet=True)
    failures = Failures(progress)
    plan: Plan = timed("plan", lambda: null_plan(units, scorers, batch_size))
    opened = Store.writer(root)
    store = timed("open the store, record the run", opened.__enter__)
    try:
        timed("open the store, record the run", lambda: store.add_run(record_of(plan)))
        staff = Staff(plan.suite.execution, store, progress)
        model = GenerateWorker(plan.suite, NullModel(), plan.model)
        timed("generate: encode, store, journal", lambda: generate(plan, model, staff, store, progress, failures))
        timed("score: rows", lambda: score(plan, plan.scorers, staff, store, progress, failures))
        timed("back up", store.back_up)
        stages["score: rows"] -= units * store.seconds_per_item()["score", "decode", "cpu"]
        timed("aggregate and tables", lambda: _aggregate(plan, store))
        resumed = time.perf_counter()
        generate(plan, model, staff, store, progress, failures)
        score(plan, plan.scorers, staff, store, progress, failures)
        stages["resume with nothing to do"] = time.perf_counter() - resumed
    finally:
        opened.__exit__(None, None, None)
    return stages


def _aggregate(plan: Plan, store: Store) -> None:
    artifacts = store.artifacts(unit.digest for unit in plan.units)
    rows = store.rows((scorer.identity for scorer in plan.scorers), details=True)
    summaries = summarise(
        plan.scorers, [collect(plan.units, scorer, artifacts, rows) for scorer in plan.scorers], plan.suite.statistics
    )
    assert all(summary.value == 0.5 and summary.n_ok == len(plan.units) for summary in summaries)
    metrics_table(plan, summaries)
    samples_csv(summaries, artifacts, Places(store.root, plan.units))


def floor(units: int, scorers: int, batch_size: int, root: Path, content: bytes) -> float:
    """Measure the seconds of a plain loop for the same bytes."""
    root.mkdir()
    row = json.dumps({"artifact": "0" * 64, "scorer": "null", "value": 0.5})
    folder = os.open(root, os.O_RDONLY)
    started = time.perf_counter()
    with (root / "rows.jsonl").open("w") as rows:
        for index in range(units):
            with (root / "part").open("wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(root / "part", root / f"{index}.png")
            if (index + 1) % batch_size == 0 or index + 1 == units:
                os.fsync(folder)
                rows.write(f"{row}\n" * (scorers * batch_size))
                rows.flush()
                os.fsync(rows.fileno())
    os.close(folder)
    return time.perf_counter() - started


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--units", type=int, default=4730)
    parser.add_argument("--scorers", type=int, default=16)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--folder", type=Path, help="where to work (default: a temporary folder)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        root = Path(folder)
        stages = measure(options.units, options.scorers, options.batch_size, root / "store")
        content = next((root / "store" / "artifacts").glob("*/*.png")).read_bytes()
        least = floor(options.units, options.scorers, options.batch_size, root / "floor", content)
    total = sum(stages.values())
    if options.json:
        print(json.dumps({"stages": stages, "total": total, "floor": least}))
        return
    print(f"{options.units} samples, {options.scorers} scorers, batches of {options.batch_size}")
    for name, seconds in [*stages.items(), ("in all", total), ("floor: plain synced files", least)]:
        print(f"{name:34} {seconds:8.2f} s {1e3 * seconds / options.units:8.3f} ms/sample")
    print(f"ratio to the floor: {total / least:.2f}")


if __name__ == "__main__":
    main()
