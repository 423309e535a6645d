"""Measure how often the reports' 95 % intervals contain the true mean.

    python benchmarks/interval_coverage.py [--out FOLDER]

Draws scores of C prompts from distributions with a known mean, asks `nova_bench.core.intervals` (as every report
does) for the interval, and counts how often it contains the mean. Scores are normal, gamma (skewness 1, 2 and 4) or
0/1; one sample of each prompt, or five, independent or with a correlation of 0.5 within a prompt; also one to five of
each prompt, and three trainings. The plain percentile bootstrap is included for comparison. The seed determines all
numbers.

Writes coverage.csv and coverage.png, and checks the coverage that the documentation promises (exit code 1 if it
doesn't hold). `--miniature` takes seconds.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import numpy as np

from nova_bench.config.suite import StatisticsSpec
from nova_bench.core.intervals import Method, cluster_means

PROMPTS = (2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 15, 20, 30, 50, 72, 100, 200, 500)
MANY_PROMPTS = tuple(sorted({*range(2, 61), *range(65, 101, 5), *range(110, 201, 10), 250, 300, 350, 400, 450, 500}))
"""For 0/1 scores, whose coverage jumps from one number of prompts to the next."""
SKEWNESS = {"normal": 0.0, "skewness 1": 1.0, "skewness 2": 2.0, "skewness 4": 4.0}
SHARES = {"0/1, p = 0.5": 0.5, "0/1, p = 0.9": 0.9, "0/1, p = 0.98": 0.98}
LAYOUTS = {
    "1 sample": (1, 0.0),
    "5 samples, independent": (5, 0.0),
    "5 samples, correlation 0.5": (5, 0.5),
    "1 to 5 samples, correlation 0.5": (5, 0.5),
    "3 trainings": (1, 0.0),
}
UNEQUAL, TRAININGS = "1 to 5 samples, correlation 0.5", "3 trainings"
BATCH = 500
LOW, HIGH, LEAST = 0.92, 0.98, 0.89


@dataclass(frozen=True)
class Coverage:
    """Share of repetitions with the true mean in the interval; ``plain``: of the plain percentile bootstrap."""

    scores: str
    layout: str
    prompts: int
    method: str
    repetitions: int
    coverage: float
    width: float
    plain: float | None


def draw(generator: np.random.Generator, scores: str, shape: tuple[int, ...], correlation: float) -> np.ndarray:
    """Draw scores [trainings, prompts, samples, repetitions] minus their true mean (0/1 scores keep it).

    A share ``correlation`` of the variance belongs to the prompt.
    """
    trainings, prompts, _, repetitions = shape
    of_prompt = (1, prompts, 1, repetitions)
    if scores in SHARES:
        share = np.full(of_prompt, SHARES[scores])
        if correlation:
            scale = 1 / correlation - 1
            share = generator.beta(SHARES[scores] * scale, (1 - SHARES[scores]) * scale, of_prompt)
        return (generator.random(shape) < share).astype(np.float64)
    if skewness := SKEWNESS[scores]:
        form = 4 / skewness**2
        own = generator.gamma(form * (1 - correlation), size=shape)
        return own + (generator.gamma(form * correlation, size=of_prompt) if correlation else 0.0) - form
    own = generator.normal(size=shape) * (1 - correlation) ** 0.5
    spread = generator.normal(size=(trainings, 1, 1, repetitions)) * 0.3 if trainings > 1 else 0.0
    return own + correlation**0.5 * generator.normal(size=of_prompt) + spread


def coverage(scores: str, layout: str, prompts: int, repetitions: int, seed: int, resamples: int) -> Coverage:
    """Simulate one kind of scores, one layout and one number of prompts."""
    samples, correlation = LAYOUTS[layout]
    trainings = 3 if layout == TRAININGS else 1
    binary, truth = scores in SHARES, SHARES.get(scores, 0.0)
    held, plain, width, methods = 0, 0, 0.0, []
    starts = range(0, repetitions, BATCH)
    for start in starts:
        count = min(BATCH, repetitions - start)
        generator = np.random.default_rng([seed, prompts, start, *scores.encode(), *layout.encode()])
        values = draw(generator, scores, (trainings, prompts, samples, count), correlation)
        weights = np.full((trainings, prompts, count), float(samples))
        if layout == UNEQUAL:
            taken = generator.integers(1, samples + 1, (trainings, prompts, count))
            values, weights = values * (np.arange(samples)[:, None] < taken[:, :, None]), taken.astype(np.float64)
        statistics = StatisticsSpec(resamples=resamples, seed=int(generator.integers(2**31)))
        means = cluster_means(values.sum(axis=2), weights, statistics, [binary] * count)
        found = means.intervals(statistics.confidence)
        held += int(((found.low <= truth) & (truth <= found.high)).sum())
        width += float((found.high - found.low).sum())
        methods += found.methods
        if not binary:
            low, high = np.quantile(means.draw(), [0.025, 0.975], axis=0)
            plain += int(((low <= truth) & (truth <= high)).sum())
    usual = max(set(methods), key=methods.count)
    return Coverage(
        scores,
        layout,
        prompts,
        str(usual),
        repetitions,
        held / repetitions,
        round(width / repetitions, 5),
        None if binary else plain / repetitions,
    )


def simulate(repetitions: int, seed: int, resamples: int, thin: Callable[[Sequence[int]], Sequence[int]]) -> Iterator:
    """Simulate all combinations. 0/1 scores need no bootstrap, so they get ten times the repetitions."""
    for layout in LAYOUTS:
        for scores in SHARES if layout != TRAININGS else ():
            for prompts in thin(MANY_PROMPTS):
                yield coverage(scores, layout, prompts, 10 * repetitions, seed, resamples)
        for scores in SKEWNESS if layout != TRAININGS else ("normal",):
            for prompts in thin(PROMPTS):
                yield coverage(scores, layout, prompts, repetitions, seed, resamples)


def promises(found: Sequence[Coverage], slack: float) -> list[tuple[str, bool]]:
    """Check the documentation's statements; ``slack`` is the tolerance for chance on either side."""
    moderate = [c for c in found if c.scores in ("normal", "skewness 1") and c.prompts >= 12]
    shares = [c for c in found if c.scores in SHARES and c.prompts >= 8]
    lowest, highest = min(c.coverage for c in moderate), max(c.coverage for c in moderate)
    worst = min(shares, key=lambda c: c.coverage)
    lines = [
        (
            f"normal and skewness 1, from 12 prompts on: {lowest:.1%} to {highest:.1%} (92 to 98 %)",
            LOW - slack <= lowest and highest <= HIGH + slack,
        ),
        (
            f"0/1, from 8 prompts on, lowest: {worst.coverage:.1%} ({worst.scores}, {worst.layout}, "
            f"{worst.prompts} prompts; 89 %)",
            worst.coverage >= LEAST - slack,
        ),
    ]
    for scores in SHARES:
        for layout in dict.fromkeys(c.layout for c in shares):
            chosen = [c for c in shares if (c.scores, c.layout) == (scores, layout) and c.prompts >= 12]
            average = average_over(chosen)
            lines.append(
                (
                    f"{scores}, {layout}: on average over 12 to 500 prompts {average:.1%} (92 to 98 %)",
                    LOW - slack <= average <= HIGH + slack,
                )
            )
    return lines


def average_over(found: Sequence[Coverage]) -> float:
    """Mean coverage over all numbers of prompts, equally weighted and interpolated linearly between simulated ones."""
    prompts = [c.prompts for c in found]
    every = np.arange(min(prompts), max(prompts) + 1)
    return float(np.interp(every, prompts, [c.coverage for c in found]).mean())


def write_csv(found: Sequence[Coverage], path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow([field.name for field in fields(Coverage)])
        writer.writerows(astuple(c) for c in found)


def write_figure(found: Sequence[Coverage], folder: Path) -> None:
    """Draw a panel for each kind of scores and a line for each layout."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import FixedLocator, NullLocator, PercentFormatter

    kinds = [kind for kind in (*SKEWNESS, *SHARES) if any(c.scores == kind for c in found)]
    figure = Figure(figsize=(11, 6), layout="constrained")
    axes = figure.subplots(2, 4, sharex=True, sharey=True).ravel()
    colors = dict(zip(LAYOUTS, ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00"), strict=True))
    for axis, kind in zip(axes, kinds, strict=False):
        axis.axhspan(LOW, HIGH, color="#DDDDDD", lw=0)
        axis.axhline(0.95, color="#888888", lw=0.8)
        for layout, color in colors.items():
            line = [c for c in found if (c.scores, c.layout) == (kind, layout)]
            if line:
                x = [c.prompts for c in line]
                axis.plot(x, [c.coverage for c in line], color=color, lw=1.2, label=layout)
            if line and layout == "1 sample" and line[0].plain is not None:
                axis.plot(x, [c.plain for c in line], color="black", ls=":", lw=1.2, label="plain bootstrap, 1 sample")
        axis.set(title=kind, xscale="log", ylim=(0.6, 1.005))
        axis.xaxis.set_major_locator(FixedLocator([2, 5, 12, 30, 100, 500]))
        axis.xaxis.set_minor_locator(NullLocator())
        axis.xaxis.set_major_formatter("{x:.0f}")
        axis.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        axis.grid(color="#EEEEEE", lw=0.5)
    handles = {label: line for axis in axes for line, label in zip(*axis.get_legend_handles_labels(), strict=True)}
    axes[-1].axis("off")
    axes[3].tick_params(labelbottom=True)
    axes[-1].legend(handles.values(), handles, loc="center", frameon=False, fontsize=9)
    figure.supxlabel("prompts")
    figure.supylabel("intervals that hold the true mean")
    figure.savefig(folder / "coverage.png", dpi=110)


def main(arguments: Sequence[str] | None = None) -> int:
    """Simulate, write the results, and report which statements hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("coverage"), help="folder for the table and the figure")
    parser.add_argument("--repetitions", type=int, default=2000, help="of each combination; ten times as many for 0/1")
    parser.add_argument("--resamples", type=int, default=StatisticsSpec().resamples)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--miniature", action="store_true", help="few repetitions of few combinations")
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    few = (2, 5, 8, 12, 30, 60)
    repetitions, resamples = (200, 1000) if options.miniature else (options.repetitions, options.resamples)
    thin = (lambda prompts: [count for count in prompts if count in few]) if options.miniature else (lambda all_: all_)
    found = list(simulate(repetitions, options.seed, resamples, thin))
    write_csv(found, options.out / "coverage.csv")
    write_figure(found, options.out)
    kept = promises(found, slack=4 * (0.95 * 0.05 / repetitions) ** 0.5 if options.miniature else 0.0)
    for line, holds in kept:
        print(f"{'holds' if holds else 'FAILS'}: {line}")
    unstated = sum(c.method not in (Method.T, Method.BOOTSTRAP, Method.WILSON, Method.WELCH) for c in found)
    print(f"{len(found)} combinations, {unstated} without an interval as a rule; written to {options.out}")
    return 0 if all(holds for _, holds in kept) else 1


if __name__ == "__main__":
    raise SystemExit(main())
