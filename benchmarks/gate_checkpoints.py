"""Ask the gate about real checkpoints: nova-tiny with other seeds, and copies damaged in known ways.

    python benchmarks/gate_checkpoints.py --out results/gate     # half an hour on two cores

Blesses nova-tiny on 72 prompts of suites/shapes.yaml, then runs `check`, with early looks, on nova-tiny with 20 other
seeds and on each damaged copy (damaged_checkpoints.py). Afterwards all prompts are measured and compared: neighbouring
seeds with each other, each copy with nova-tiny, and nova-tiny with its most damaged copy as the old side. Runs, copies
and verdicts stay in --work; an interrupted call continues.

Writes checkpoints.csv (a row per comparison and metric) and checkpoints.md (the tables of docs/gate.md), and checks
what docs/gate.md promises (exit code 1 if it doesn't hold). `--miniature` takes seconds and promises nothing.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import pairwise
from pathlib import Path

import pandas
import torch
from checkpoint_tables import copies_table, metrics_table, rows_of, seeds_table
from damaged_checkpoints import EARLY_STEPS, ORIGINAL, damaged, int8, noised, trained_shortly, without_text

from nova_bench import __version__
from nova_bench.core.progress import Progress
from nova_bench.experiments.base import Request
from nova_bench.experiments.benchmark.load import load_benchmark
from nova_bench.gate.check import CheckRequest, bless, check
from nova_bench.gate.compare import Options, compare_sides
from nova_bench.gate.operands import Operand, measured
from nova_bench.gate.verdict_file import VerdictFile

SUITE, PROMPTS, SEED = "shapes", 72, 1337
NOISES = (0.1, 0.3, 1.0)
STRONGEST, NO_TEXT = f"block noised, strength {NOISES[-1]:g}", "text dropped"
MINIATURE = ("sampling.num_frames=5", "sampling.num_inference_steps=2", "sampling.num_diffusion_steps=2")


@dataclass(frozen=True)
class Case:
    """A checkpoint to measure. ``model`` makes its folder, given one; None: nova-tiny itself."""

    name: str
    model: Callable[[Path], Path] | None = None
    settings: tuple[str, ...] = ()
    accept: tuple[str, ...] = ()


DAMAGES = (
    Case(f"trained for {EARLY_STEPS} steps", trained_shortly),
    *(
        Case(f"block noised, strength {noise:g}", partial(damaged, change=partial(noised, strength=noise)))
        for noise in NOISES
    ),
    Case(NO_TEXT, partial(damaged, change=without_text)),
    Case("guidance 1 instead of 3", None, ("sampling.guidance_scale=1",), ("sampler",)),
    Case("guidance 10 instead of 3", None, ("sampling.guidance_scale=10",), ("sampler",)),
    Case("12 diffusion steps instead of 25", None, ("sampling.num_diffusion_steps=12",), ("sampler",)),
    Case("int8 weights", partial(damaged, change=int8)),
)


@dataclass(frozen=True)
class Measured:
    """A case on all prompts, and what `check` said of it in ``seconds``, loading included."""

    case: Case
    operand: Operand
    early: VerdictFile
    seconds: float


def request_of(case: Case, work: Path, settings: Sequence[str]) -> Request:
    """The request of a case, with a store of its own, so that its `check` begins with nothing."""
    folder = work / case.name.replace(" ", "-").replace(",", "")
    model = str(case.model(folder / "model")) if case.model else ORIGINAL
    return Request(SUITE, folder / "store", model, (*settings, *case.settings))


def measure(case: Case, work: Path, settings: Sequence[str]) -> Measured:
    """Check a case against the baseline, then measure the prompts that `check` didn't need."""
    request, quiet = request_of(case, work, settings), Progress(quiet=True)
    record = request.store.parent / "check.json"
    if not record.exists():
        shutil.rmtree(request.store, ignore_errors=True)
        started = time.perf_counter()
        file = check(CheckRequest(request, work / "baseline.json", case.accept), quiet).file
        seconds = time.perf_counter() - started
        record.write_text(json.dumps({"seconds": seconds, "verdict": file.model_dump(mode="json")}), encoding="utf-8")
    found = json.loads(record.read_text(encoding="utf-8"))
    operand = measured(load_benchmark(request), request.store, None, quiet)
    return Measured(case, operand, VerdictFile.model_validate(found["verdict"]), found["seconds"])


def measure_all(cases: Sequence[Case], work: Path, settings: Sequence[str], processes: int) -> Iterator[Measured]:
    """Measure all cases, in this process or in several of one thread each."""
    task = partial(measure, work=work, settings=settings)
    if processes == 1:
        yield from map(task, cases)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context, torch.set_num_threads, (1,)) as pool:
        yield from pool.map(task, cases)


def compared(a: Operand, b: Operand, accept: tuple[str, ...] = ()) -> VerdictFile:
    """What `compare` says of two measured cases."""
    return compare_sides(a.side, b.side, Options(b.gate, accept))


def provenance(settings: Sequence[str], chain: Sequence[Operand]) -> str:
    """When and with what the numbers were made."""
    seeds = [operand.side.seed for operand in chain]
    versions = ", ".join(f"{name} {chain[0].side.packages.get(name)}" for name in ("torch", "numpy", "scipy"))
    return (
        f"nova_bench {__version__}, {versions}, {datetime.now(UTC):%Y-%m-%d}; {SUITE}, {settings[0]}, "
        f"seeds {seeds[0]} to {seeds[-1]}"
    )


def promises(pairs: Sequence[VerdictFile], copies: dict[str, VerdictFile], back: VerdictFile) -> dict[str, bool]:
    """What docs/gate.md says of these comparisons."""
    alarms = sum(file.verdict == "regressed" for file in pairs)
    kept = {f"{alarms} of {len(pairs)} pairs of seeds regressed (at most 1 of 20)": alarms * 20 <= len(pairs)}
    for name in (name for name in (STRONGEST, NO_TEXT) if name in copies):
        kept[f"{name}: {copies[name].verdict} (regressed)"] = copies[name].verdict == "regressed"
    gating = [metric for metric in back.metrics if metric.gating]
    better = sum(metric.verdict == "improved" for metric in gating)
    worse = sum(metric.verdict in ("regressed", "not comparable") for metric in gating)
    kept[f"nova-tiny after it: {better} of {len(gating)} metrics improved, {worse} regressed"] = better > 0 == worse
    return kept


def results(
    original: Operand, others: Sequence[Measured], damages: Sequence[Measured], out: Path, settings: Sequence[str]
) -> dict[str, bool]:
    """Compare all that was measured and write the tables; returns what docs/gate.md promises, and whether it holds."""
    chain = [original, *(found.operand for found in others)]
    pairs = {f"{a.side.seed} and {b.side.seed}": compared(a, b) for a, b in pairwise(chain)}
    copies = {found.case.name: compared(original, found.operand, found.case.accept) for found in damages}
    (strongest,) = (found.operand for found in damages if found.case.name == STRONGEST)
    back = compared(strongest, original)
    checks = {found.case.name: (found.early, found.seconds) for found in (*others, *damages)}
    rows = [row for name, file in pairs.items() for row in rows_of("neighbouring seeds", name, file)]
    rows += [row for name, file in copies.items() for row in rows_of("damaged", name, file)]
    rows += rows_of("repaired", STRONGEST, back)
    rows += [row for name, check in checks.items() for row in rows_of("early looks", name, *check)]
    frame = pandas.DataFrame(rows).convert_dtypes()
    frame.to_csv(out / "checkpoints.csv", index=False, lineterminator="\n", float_format="%.6g")
    neighbours = list(pairs.values())
    tables = (
        provenance(settings, chain),
        seeds_table(neighbours, [checks[found.case.name] for found in others]),
        metrics_table(neighbours),
        copies_table({**copies, f"nova-tiny, compared with: {STRONGEST}": back}, checks),
    )
    text = "\n\n".join(tables)
    (out / "checkpoints.md").write_text(text + "\n", encoding="utf-8")
    print(text)
    return promises(neighbours, copies, back)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, compare, write the results, and report which statements hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("gate"), help="folder for the tables")
    parser.add_argument("--work", type=Path, default=Path("runs/gate_checkpoints"), help="folder for copies and runs")
    parser.add_argument("--seeds", type=int, default=20, help="besides the suite's own")
    parser.add_argument("--processes", type=int, default=2, help="that measure at once")
    parser.add_argument("--miniature", action="store_true", help="few prompts, steps and cases; promises nothing")
    options = parser.parse_args(arguments)
    small, quiet = options.miniature, Progress(quiet=True)
    settings = (f"prompts.shapes.count={4 if small else PROMPTS}", *(MINIATURE if small else ()))
    damages = [case for case in DAMAGES if not small or case.name == STRONGEST]
    numbers = range(SEED + 1, SEED + 1 + (1 if small else options.seeds))
    others = [Case(f"seed {seed}", settings=(f"seed={seed}",)) for seed in numbers]
    for folder in (options.out, options.work):
        folder.mkdir(parents=True, exist_ok=True)
    baseline, first = options.work / "baseline.json", request_of(Case(ORIGINAL), options.work, settings)
    if not baseline.exists():
        bless(first, baseline, update=False, allow_failed=False, progress=quiet)
    original = measured(load_benchmark(first), first.store, None, quiet)
    found = []
    for each in measure_all([*damages, *others], options.work, settings, options.processes):
        found.append(each)
        print(f"{each.case.name}: check: {each.early.verdict}, {each.seconds:.0f} s", flush=True)
    kept = results(original, found[len(damages) :], found[: len(damages)], options.out, settings)
    for line, holds in kept.items() if not small else ():
        print(f"{'holds' if holds else 'FAILS'}: {line}")
    return 0 if small or all(kept.values()) else 1


if __name__ == "__main__":
    raise SystemExit(main())
