"""`nova_bench store`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from nova_bench.cli import options
from nova_bench.cli.ending import ends_with_code
from nova_bench.cli.run import show_tables
from nova_bench.config.catalog import FILE_NAMES
from nova_bench.config.suite import StatisticsSpec
from nova_bench.core.atomic_files import write_atomic
from nova_bench.core.errors import ExitCode, UserError
from nova_bench.core.standard_streams import print_line
from nova_bench.experiments.registry import BENCHMARK
from nova_bench.pipeline.aggregate import needs_details
from nova_bench.pipeline.export_order import export_order
from nova_bench.pipeline.official_results import stated_results
from nova_bench.pipeline.record import plan_of
from nova_bench.pipeline.results import read_results
from nova_bench.report.run_list import listed_runs, runs_table
from nova_bench.store import Store
from nova_bench.store.export import Exported, export_grids, export_units
from nova_bench.store.merge import merge
from nova_bench.store.repair import restore
from nova_bench.store.store import StoredRun

app = typer.Typer(
    help="Maintain a store: list runs, export videos, verify files, merge stores, restore a damaged database.",
    no_args_is_help=True,
)


@app.command("runs")
@ends_with_code
def list_runs(folder: options.StoreFolder = options.DEFAULT_STORE) -> ExitCode:
    """The runs in a store, newest first."""
    with Store.reader(folder) as store:
        show_tables([runs_table(listed_runs(store))])
    return ExitCode.PASS


@app.command("verify")
@ends_with_code
def verify_store(folder: options.StoreFolder = options.DEFAULT_STORE) -> ExitCode:
    """Read every video again and compare it with its SHA-256."""
    damaged = 0
    with Store.reader(folder) as store:
        for path, problem in store.verify():
            print_line(f"{path}: {problem}")
            damaged += 1
    print(f"{damaged} damaged" if damaged else "all files are intact")
    if damaged:
        print("delete the damaged files inside the store: the next run makes them again")
    return ExitCode.INCOMPLETE if damaged else ExitCode.PASS


@app.command("export")
@ends_with_code
def export_run(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Name or folder of a run.")],
    target: Annotated[Path, typer.Argument(metavar="TARGET", help="Folder to export to.")],
    layout: Annotated[
        str,
        typer.Option(
            "--layout", help="How files are named: vbench ({prompt}-{index}.mp4), dpg ({item}.png, 2x2 grids)."
        ),
    ],
    folder: options.StoreFolder = options.DEFAULT_STORE,
    copy: Annotated[bool, typer.Option("--copy", help="Copies instead of hard links.")] = False,
) -> ExitCode:
    """Export a run's videos under the names that another tool expects; existing files are not overwritten.

    Of a metric that counts only the first samples that a filter keeps, these are exported, numbered from 0. The run's
    scores go into a results file of the tool, such as TARGET_eval_results.json.
    """
    names = FILE_NAMES.get(layout)
    with Store.reader(folder) as store:
        plan = plan_of(_benchmark(store.run(Path(run).name)))
        artifacts = store.artifacts(unit.digest for unit in plan.units)
        rows = store.rows((scorer.identity for scorer in plan.scorers), needs_details(plan.scorers))
        order = export_order(plan, artifacts, rows)
        if names.grids:
            exported = export_grids(order.samples, artifacts, target, names.file_name)
        else:
            exported = list(export_units(order.samples, artifacts, target, names.file_name, copy))
        paths = {s.digest: str(e.path) for s, e in zip(order.samples, exported, strict=True) if e.path}
        form = names.results_file()
        # Few resamples: the file has no intervals.
        results = read_results(plan, store, StatisticsSpec(resamples=100)) if form and plan.scorers else None
        text = form.write(stated_results(results, paths)) if form and results else ""
    exported += [Exported(u.prompt, u.sample_index, None, f"{name} has no verdict") for u, name in order.undecided]
    left_out = [sample for sample in exported if sample.path is None]
    for sample in left_out:
        print_line(f"left out: {sample.prompt!r} sample {sample.sample_index}: {sample.problem}", sys.stderr)
    print_line(f"{len(exported) - len(left_out)} of {len(exported)} samples are in {target}")
    if order.dropped:
        print_line(f"{order.dropped} more samples are not exported, since the suite's filter doesn't keep them")
    complete = not left_out
    if form and text:
        complete &= _write_results(target.absolute().with_name(target.absolute().name + form.ending), text)
    return ExitCode.PASS if complete else ExitCode.INCOMPLETE


def _write_results(path: Path, text: str) -> bool:
    """Write a results file beside the exported folder: the tool takes every file in the folder for a video."""
    if path.exists() and path.read_bytes() != text.encode():
        print_line(f"left out: results: {path.name} already exists with different content", sys.stderr)
        return False
    write_atomic(path, text.encode())
    print_line(f"results are in {path.name}, beside the folder")
    return True


def _benchmark(run: StoredRun) -> StoredRun:
    """A run of the kind "benchmark". UserError for another one, which has no samples of its own."""
    if (kind := run.suite.get("kind", BENCHMARK)) != BENCHMARK:
        raise UserError(f"run {run.name} is a {kind}, not a benchmark", "export the runs of its arms or parts")
    if any(unit.get("imported") for unit in run.units):
        raise UserError(f"run {run.name} has imported scores and no videos", "use the videos where they are")
    return run


@app.command("merge")
@ends_with_code
def merge_stores(
    sources: Annotated[list[Path], typer.Argument(metavar="STORE...", help="Stores to take from; they stay as is.")],
    folder: options.StoreFolder = options.DEFAULT_STORE,
) -> ExitCode:
    """Copy what other stores have into --store, such as the parts of an array job: afterwards one run finds everything.

    Files and scores are taken, not runs: run the suite on the merged store, without --shard, for its report.
    """
    complete = True
    for source in sources:
        if source.resolve() == folder.resolve():
            raise UserError(f"{source}: is --store itself", "name the stores to take from")
        if not Store.exists(source):
            raise UserError(f"{source}: no store here", "name folders that `run` wrote as --store")
    with Store.writer(folder) as target:
        for source in sources:
            with Store.reader(source) as store:
                merged = merge(target, store)
            print_line(f"{source}: {merged.units} samples and {merged.rows} scores taken")
            if merged.other:
                what = f"{len(merged.other)} samples differ from those in {folder}, which keeps its own"
                print_line(f"{source}: {what}, such as unit {merged.other[0]}", sys.stderr)
            if merged.gone:
                print_line(f"{source}: {len(merged.gone)} files are gone, such as {merged.gone[0]}", sys.stderr)
            complete &= not (merged.other or merged.gone)
        target.back_up()
    return ExitCode.PASS if complete else ExitCode.INCOMPLETE


@app.command("restore")
@ends_with_code
def restore_store(
    folder: options.StoreFolder = options.DEFAULT_STORE,
    force: Annotated[bool, typer.Option("--force", help="Replace even an undamaged database.")] = False,
) -> ExitCode:
    """Replace a damaged database with the last backup; the damaged file is kept."""
    restored = restore(folder, force)
    print(
        "restored from the backup of the last finished run"
        if restored.from_backup
        else "no intact backup: started a new database"
    )
    print(f"further videos found: {restored.videos}")
    for kept in restored.kept:
        print_line(f"the database that was here is kept as {kept}")
    return ExitCode.PASS
