"""Measure how often a comparison's verdict is wrong, and what it can detect.

    python benchmarks/gate_errors.py --out results/gate           # 15 minutes on two idle cores; --miniature: seconds
    python benchmarks/gate_errors.py --estimate RUN RUN           # writes results/gate/nova_tiny.json

Simulates comparisons of two checkpoints (simulated_pairs.py) and drives the functions that `compare` and `check` use
(`nova_bench.gate.statistics`), with fresh sign flips for each comparison. Either B is as good as A, or it is worse: by
exactly the margin, or by a multiple of it. Naive tests see the same data. The seed determines all numbers.

Writes errors.csv, power.csv, looks.csv and errors.png, prints the tables of docs/gate.md, and checks the error rates
that it promises (exit code 1 if one doesn't hold).
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, replace
from itertools import product
from pathlib import Path

import numpy as np
import pandas
from gate_figures import draw_figure, markdown
from simulated_pairs import CONTINUOUS, ESTIMATED, SHARES, Setting, draw, estimate, standard_errors

from nova_bench.gate.statistics.boundary import Boundary
from nova_bench.gate.statistics.decision import ALPHA, Assessment, Verdict, assess, verdicts
from nova_bench.gate.statistics.flips import random_signs, studentized
from nova_bench.gate.statistics.looks import Looks, ends
from nova_bench.gate.statistics.paired import Paired

PROMPTS, SAMPLES, METRICS = (72, 93, 248, 944), (1, 5), 16
MARGINS = {False: (0.5,), True: (0.05, 0.1)}
"""Of continuous metrics, in standard deviations of a sample around its prompt's mean; and of 0/1 metrics."""
FLIPS = 199
"""Fresh for each repetition. `compare` uses 9,999; the level is exact with either, and fewer make q scatter more."""
CURVES, LOSSES = ("normal", "0/1, p = 0.9"), (0.0, 0.5, 1.0, 1.5, 2.0, 3.0)
"""What the power curves show, with losses in margins."""
EARLY = (("normal", 72, 4), ("0/1, p = 0.9", 72, 1))
"""Scores, prompts and metrics of runs that may end early."""
BATCH, FEW, PART = 50, 8, 500
LOSSES_EVERY = 10
"""A loss needs fewer repetitions than no change: its rate is one of metrics, of which each repetition has 16."""
NORMAL_QUANTILE = 1.96
KEYS = ["scores", "prompts", "samples", "metrics", "spread", "margin"]


def judged(
    setting: Setting, paired: Paired, values: np.ndarray, centred: np.ndarray, margins: Sequence[float]
) -> Iterator[dict]:
    """Outcomes of all metrics as one family, then of each metric as a comparison of its own, a row for each margin."""
    together = assess(paired, values, centred, ALPHA, Boundary(), Boundary())
    yield from outcomes(setting, paired, together, margins)
    apart = replace(paired, gating=np.zeros_like(paired.gating))
    alone = assess(apart, values, centred, ALPHA, Boundary(), Boundary())
    yield from outcomes(replace(setting, metrics=1), paired, alone, margins)


def outcomes(setting: Setting, paired: Paired, assessment: Assessment, margins: Sequence[float]) -> Iterator[dict]:
    """Sums over comparisons: of 1 if any metric has the outcome, or (``of_metric``) of the share of metrics that do."""
    estimates = paired.estimates
    significant = {"": assessment.rejected, "uncorrected_": assessment.p <= ALPHA}
    for name, error in zip(("unpaired_", "videos_"), standard_errors(setting, paired), strict=True):
        significant[name] = np.abs(estimates) > NORMAL_QUANTILE * error
    for margin in margins:
        found = verdicts(estimates, assessment.bounds, np.full(estimates.shape[-1], margin))
        regressed, passed = found == Verdict.REGRESSED, (found == Verdict.PASS) | (found == Verdict.IMPROVED)
        has = {
            "regressed": regressed,
            "threshold_significant": estimates <= -margin,
            **{f"{name}significant": of_metric for name, of_metric in significant.items()},
        }
        of_metric = {
            "pass_of_metric": passed,
            "regressed_of_metric": regressed,
            "threshold_misses": estimates > -margin,
            **{f"{name}misses": ~(worse & (estimates < 0)) for name, worse in significant.items() if name},
        }

        def families(array: np.ndarray) -> np.ndarray:
            return array.reshape(-1, setting.metrics)

        yield {
            **names_of(setting, margin),
            "repetitions": len(families(estimates)),
            "all_pass": families(passed).all(axis=-1).sum(),
            **{name: families(array).any(axis=-1).sum() for name, array in has.items()},
            **{name: families(array).mean(axis=-1).sum() for name, array in of_metric.items()},
        }


def names_of(setting: Setting, margin: float) -> dict:
    """What identifies a row; the loss is in margins."""
    return {**asdict(setting), "loss": setting.loss / margin, "margin": margin}


def errors_of(prompts: int, repetitions: int, seed: Sequence[int]) -> list[dict]:
    """Simulate all kinds of scores, with no change and with a loss of exactly the margin."""
    settings = []
    for samples, scores in product(SAMPLES, (*CONTINUOUS, *SHARES)):
        margins = MARGINS[scores in SHARES]
        losses = [("none", 0.0), *((spread, margin) for margin in margins for spread in ("even", "few prompts"))]
        settings.append((Setting(scores, prompts, samples, METRICS), losses, margins))
    return comparisons(settings, repetitions, seed, LOSSES_EVERY)


def alone_of(prompts: int, repetitions: int, seed: Sequence[int]) -> list[dict]:
    """Simulate the hardest losses: few prompts carry all of it, and nothing else changes."""
    settings = []
    for samples, scores in product(SAMPLES, ("normal", *SHARES)):
        margins = MARGINS[scores in SHARES]
        losses = [("few prompts alone", margin) for margin in margins]
        settings.append((Setting(scores, prompts, samples, METRICS), losses, margins))
    return comparisons(settings, repetitions, [*seed, 1])


def power_of(prompts: int, repetitions: int, seed: Sequence[int]) -> list[dict]:
    """Simulate losses from none to three margins, spread evenly."""
    settings = []
    for samples, scores in product(SAMPLES, CURVES):
        margin = MARGINS[scores in SHARES][-1]
        losses = [("even", loss * margin) for loss in LOSSES]
        settings.append((Setting(scores, prompts, samples, METRICS), losses, (margin,)))
    return comparisons(settings, repetitions, seed)


def comparisons(settings: Sequence[tuple], repetitions: int, seed: Sequence[int], every: int = 1) -> list[dict]:
    """Simulate (setting, losses, margins); all have the same number of prompts and see the same flips.

    Losses are simulated in one of ``every`` batches.
    """
    prompts = settings[0][0].prompts
    generator, rows = np.random.default_rng([*seed, prompts]), []
    for batch, start in enumerate(range(0, repetitions, BATCH)):
        count = min(BATCH, repetitions - start)
        signs = np.stack([random_signs(prompts, FLIPS, generator) for _ in range(count)])
        for setting, losses, margins in settings:
            now = losses if batch % every == 0 else losses[:1]
            for (spread, loss), paired in zip(now, draw(setting, now, count, generator), strict=True):
                values, centred = studentized(paired, signs), studentized(paired.centred, signs)
                one = replace(setting, spread=spread, loss=loss)
                rows += judged(one, paired, values, centred, [loss] if loss in margins else margins)
        rows = summed(rows)
    return rows


def looks_of(scores: str, prompts: int, metrics: int, repetitions: int, seed: Sequence[int]) -> list[dict]:
    """Simulate runs that may end at an early look, with five samples per prompt."""
    generator = np.random.default_rng([*seed, prompts, metrics, *scores.encode()])
    setting, margin = Setting(scores, prompts, 5, metrics, "even"), MARGINS[scores in SHARES][-1]
    losses, rows = [("even", loss * margin) for loss in (0.0, 1.0, 2.0)], []
    for batch in range(-(-repetitions // FEW)):
        plan, now = int(generator.integers(2**31)), losses if batch % 5 == 0 else losses[:2]
        for (_, loss), paired in zip(now, draw(setting, now, FEW, generator), strict=True):
            looks = Looks(np.ones((prompts, metrics), dtype=bool), seed=plan)
            running = np.ones(FEW, dtype=bool)
            row = dict.fromkeys(("regressed", "all_pass", "pass_of_metric", "cost"), 0.0)
            for look, seen in enumerate(looks.counts):
                part = first_prompts(paired, looks.prompts(look))
                assessment = looks.assess(part)
                found = verdicts(part.estimates, assessment.bounds, np.full(metrics, margin))
                ended = running & np.array([look == len(looks.counts) - 1 or ends(list(one)) for one in found])
                passed = (found == Verdict.PASS) | (found == Verdict.IMPROVED)
                row["regressed"] += (found == Verdict.REGRESSED).any(axis=-1)[ended].sum()
                row["all_pass"] += passed.all(axis=-1)[ended].sum()
                row["pass_of_metric"] += passed.mean(axis=-1)[ended].sum()
                row["cost"] += ended.sum() * seen / prompts
                running &= ~ended
            rows.append({**names_of(replace(setting, loss=loss), margin), "repetitions": FEW, **row})
        rows = summed(rows)
    return rows


def first_prompts(paired: Paired, prompts: np.ndarray) -> Paired:
    """Some prompts with equal shares."""
    shares = np.full((len(prompts), paired.metrics), 1 / len(prompts))
    names = ("differences", "gains", "losses")
    cut = {name: getattr(paired, name)[:, prompts] for name in names}
    return replace(paired, shares=shares, samples=paired.samples[prompts], **cut)


def summed(rows: list[dict]) -> list[dict]:
    """One row per setting."""
    return pandas.DataFrame(rows).groupby([*KEYS, "loss"], sort=False, as_index=False).sum().to_dict("records")


def work(task: tuple[str, tuple, int, tuple[int, int]]) -> tuple[str, list[dict]]:
    """One part of the simulation, in a process of its own."""
    part, setting, repetitions, seed = task
    parts: dict[str, tuple[str, Callable[..., list[dict]]]] = {
        "errors": ("errors", errors_of),
        "alone": ("errors", alone_of),
        "power": ("power", power_of),
        "looks": ("looks", looks_of),
    }
    table, function = parts[part]
    return table, function(*setting, repetitions, seed)


def tasks(
    repetitions: int, seed: int, prompts: Sequence[int], early: Sequence[tuple]
) -> list[tuple[str, tuple, int, tuple[int, int]]]:
    """All parts, the longest first. What is a rate of metrics needs a tenth of the repetitions."""
    settings = [("errors", (count,), repetitions) for count in sorted(prompts, reverse=True)]
    settings += [("looks", one, repetitions) for one in early]
    settings += [(name, (count,), repetitions // 10) for name in ("power", "alone") for count in prompts]
    return [
        (table, setting, min(PART, wanted), (seed, number))
        for table, setting, wanted in settings
        for number in range(-(-wanted // PART))
    ]


def simulate(parts: Sequence[tuple], jobs: int) -> dict[str, pandas.DataFrame]:
    """The tables, with rates instead of sums."""
    found: dict[str, list[dict]] = {"errors": [], "power": [], "looks": []}
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn")) as pool:
        for number, (table, rows) in enumerate(pool.map(work, parts), 1):
            found[table] += rows
            print(f"{number} of {len(parts)} parts", file=sys.stderr, flush=True)
    return {name: rates(rows) for name, rows in found.items()}


def rates(rows: list[dict]) -> pandas.DataFrame:
    """A row per setting, with rates instead of sums."""
    frame = pandas.DataFrame(summed(rows)).sort_values(["prompts", "samples", "metrics"], kind="stable")
    sums = frame.columns[list(frame.columns).index("repetitions") + 1 :]
    frame[sums] = frame[sums].div(frame["repetitions"], axis=0).round(5)
    return frame


def promises(tables: dict[str, pandas.DataFrame]) -> Iterator[tuple[str, bool]]:
    """What docs/gate.md promises, and whether it holds within two simulation errors."""
    errors, looks = tables["errors"], tables["looks"]
    alone = errors.spread == "few prompts alone"
    unchanged, lost, hardest = errors[errors.loss == 0], errors[(errors.loss == 1) & ~alone], errors[alone]
    continuous = unchanged[~unchanged.scores.isin(SHARES)]
    shares = unchanged[unchanged.scores.isin(SHARES)]

    def line(what: str, rows: pandas.DataFrame, name: str, low: float, high: float) -> tuple[str, bool]:
        slack = 2 * (high * (1 - high) / rows.repetitions) ** 0.5
        holds = bool(((rows[name] >= low - slack) & (rows[name] <= high + slack)).all())
        return f"{what}: {rows[name].min():.2%} to {rows[name].max():.2%} ({low:.0%} to {high:.0%})", holds

    yield line("continuous, no change: some metric significant", continuous, "significant", 0.04, 0.06)
    yield line("0/1, no change: some metric significant", shares, "significant", 0.0, 0.06)
    yield line("no change: some metric regressed", unchanged, "regressed", 0.0, 0.05)
    yield line("loss of exactly the margin: a metric passes", lost, "pass_of_metric", 0.0, 0.05)
    yield line("the same, few prompts alone, 0/1", hardest[hardest.scores.isin(SHARES)], "pass_of_metric", 0.0, 0.05)
    yield line("early looks, no change: some metric regressed", looks[looks.loss == 0], "regressed", 0.0, 0.05)
    yield line("early looks, loss of the margin: a metric passes", looks[looks.loss == 1], "pass_of_metric", 0.0, 0.05)


def main(arguments: Sequence[str] | None = None) -> int:
    """Simulate, write the results, and report which promises hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("gate_errors"), help="folder for the tables and the figure")
    parser.add_argument("--repetitions", type=int, default=10_000, help="of each combination")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--miniature", action="store_true", help="few repetitions of few combinations")
    parser.add_argument("--estimate", type=Path, nargs=2, metavar="RUN", help="only estimate variances from two runs")
    options = parser.parse_args(arguments)
    if options.estimate:
        ESTIMATED.write_text(json.dumps(estimate(options.estimate)) + "\n", encoding="utf-8")
        return 0
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # for the processes, which are as many as there are cores
    if options.miniature:
        parts = tasks(BATCH, options.seed, PROMPTS[:1], EARLY[1:])
    else:
        parts = tasks(options.repetitions, options.seed, PROMPTS, EARLY)
    tables = simulate(parts, options.jobs)
    options.out.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        table.to_csv(options.out / f"{name}.csv", index=False, lineterminator="\n")
    draw_figure(tables, options.out / "errors.png")
    print(*markdown(tables), sep="\n\n", end="\n\n")
    kept = list(promises(tables))
    for statement, holds in kept:
        print(f"{'holds' if holds else 'FAILS'}: {statement}")
    return 0 if all(holds for _, holds in kept) else 1


if __name__ == "__main__":
    raise SystemExit(main())
