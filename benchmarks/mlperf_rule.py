"""Measure how often MLPerf's accuracy rule for text-to-video accepts a checkpoint that is worse.

    python benchmarks/mlperf_rule.py --out results/mlperf           # half a minute on one core; --miniature: seconds

MLPerf compares one number, vbench_score of 248 videos, with 99 % of the reference's. This simulates a reference and a
submission whose true score is lower by a known share, and applies that rule and the verdict of `compare` with a margin
of 1 % (`nova_bench.gate.statistics`) to the same videos. The seed determines all numbers.

Assumed, since nobody publishes scores of single videos: means that give the reference's 70.48, and how much videos
scatter (DIMENSIONS). Two kinds of submission: `other seeds` draws every video anew from its prompt's distribution.
`same latents`, which MLPerf prescribes, keeps the reference's videos and draws only a share anew, because other
arithmetic changes some outcomes; the share makes scores scatter as much as those of PUBLISHED do.

Writes rule.csv and prints the table of docs/vbench.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas

from nova_bench.gate.statistics.boundary import Boundary
from nova_bench.gate.statistics.decision import ALPHA, Verdict, assess, verdicts
from nova_bench.gate.statistics.flips import random_signs, studentized
from nova_bench.gate.statistics.paired import Paired
from nova_bench.protocols.vbench.mlperf import REFERENCE, SCORE

PUBLISHED = (
    *(70.1617, 70.3040, 70.2730, 70.2024, 69.78, 69.89, 69.8098, 69.8853),
    *(70.3453, 70.7974, 69.8883, 70.6549, 70.0891, 70.2488),
)
"""vbench_score of the closed division's 14 results of Wan2.2 in MLPerf Inference 6.0, in pairs of one system each:
mlcommons/inference, tools/submission/tests/__snapshots__/test_snapshot/test_summary_csv_matches_snapshot.csv."""
ALIKE = 0.5
"""Assumed share of the variance between videos that lies between prompts."""
LOSSES = (0.0, 0.005, 0.01, 0.02, 0.03, 0.05)
"""Shares of its score that the submission truly loses, in every dimension."""
KINDS = ("same latents", "other seeds")
FLIPS, BATCH = 199, 50


@dataclass(frozen=True)
class Dimension:
    """Mean and standard deviation of a dimension's videos; ``group`` numbers the prompts it shares with others.

    Without a deviation a video scores 0 or 1. (A video's share of captions in scene is nearly 0 or 1.)
    """

    mean: float
    deviation: float | None
    group: int


DIMENSIONS = {
    "subject_consistency": Dimension(0.945, 0.05, 0),
    "background_consistency": Dimension(0.955, 0.035, 1),
    "motion_smoothness": Dimension(0.98, 0.012, 0),
    "dynamic_degree": Dimension(0.70, None, 0),
    "scene": Dimension(0.4438, None, 1),
    "appearance_style": Dimension(0.205, 0.025, 2),
}
GROUPS = (72, 86, 90)
"""Prompts of each group."""
PROMPTS = sum(GROUPS)
OF_GROUP = np.repeat(np.arange(len(GROUPS)), GROUPS)
HAS = np.stack([dimension.group == OF_GROUP for dimension in DIMENSIONS.values()], axis=1)
SHARES = HAS / HAS.sum(axis=0)
BINARY = np.array([dimension.deviation is None for dimension in DIMENSIONS.values()])


def prompt_means(count: int, generator: np.random.Generator) -> np.ndarray:
    """What the videos of each prompt score on average, [count, prompts, dimensions]."""
    columns = []
    for dimension in DIMENSIONS.values():
        if dimension.deviation is None:
            scale = 1 / ALIKE - 1
            drawn = generator.beta(dimension.mean * scale, (1 - dimension.mean) * scale, (count, PROMPTS))
        else:
            drawn = generator.normal(dimension.mean, dimension.deviation * ALIKE**0.5, (count, PROMPTS))
        columns.append(drawn)
    return np.stack(columns, axis=-1)


def videos(means: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """One video of each prompt, shaped as ``means``."""
    columns = []
    for index, dimension in enumerate(DIMENSIONS.values()):
        mean = means[..., index]
        if dimension.deviation is None:
            columns.append((generator.random(mean.shape) < mean).astype(float))
        else:
            columns.append(generator.normal(mean, dimension.deviation * (1 - ALIKE) ** 0.5))
    return np.stack(columns, axis=-1)


def worse(scores: np.ndarray, loss: float, generator: np.random.Generator) -> np.ndarray:
    """The same videos with each dimension's mean lower by ``loss``: a part of the ones becomes zeros."""
    kept = generator.random(scores.shape) >= loss
    return np.where(BINARY, scores * kept, scores * (1 - loss))


def score_of(scores: np.ndarray) -> np.ndarray:
    """vbench_score, [count]."""
    means = dict(zip(DIMENSIONS, np.moveaxis((scores * SHARES).sum(axis=-2), -1, 0), strict=True))
    return SCORE.value(means)


def published_spread() -> float:
    """Standard deviation of PUBLISHED. A lower bound: results below the threshold were not published."""
    return float(np.std(PUBLISHED, ddof=1))


def redrawn_share(seed: int) -> float:
    """The share of videos drawn anew with which submissions scatter around the reference like the published scores.

    If a share f is drawn anew, (2 - f) f of the variance within prompts lies between a submission and the reference.
    """
    generator = np.random.default_rng([seed, 1])
    means = prompt_means(400, generator)
    within = float((score_of(videos(means, generator)) - score_of(means)).std())
    return 1 - (1 - min(1.0, published_spread() / within) ** 2) ** 0.5


def submissions(kind: str, count: int, share: float, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Videos of a reference and of an equally good submission, both [count, prompts, dimensions]."""
    means = prompt_means(count, generator)
    reference, other = videos(means, generator), videos(means, generator)
    if kind == "other seeds":
        return reference, other
    anew = generator.random((count, PROMPTS, 1)) < share
    return reference, np.where(anew, other, reference)


def verdict_of_compare(reference: np.ndarray, other: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """The verdict on vbench_score of each comparison, with 1 % of the reference's score as its margin."""
    count, metrics = len(reference), len(DIMENSIONS)
    differences = np.where(HAS, other - reference, 0.0)
    slope = np.full((metrics, 1), SCORE.scale / metrics)
    only_binary = np.where(BINARY, differences, 0.0)
    paired = Paired(
        differences=differences,
        shares=SHARES,
        slopes=np.concatenate([np.eye(metrics), slope], axis=1),
        binary=BINARY,
        samples=HAS.astype(float),
        gains=(only_binary > 0).astype(float),
        losses=(only_binary < 0).astype(float),
        spread=np.full((count, metrics), np.nan),
        gating=np.arange(metrics + 1) == metrics,
    )
    signs = random_signs(PROMPTS, FLIPS, generator)
    found = assess(
        paired, studentized(paired, signs), studentized(paired.centred, signs), ALPHA, Boundary(), Boundary()
    )
    margins = np.full(metrics + 1, 0.01 * REFERENCE)
    return verdicts(paired.estimates, found.bounds, margins)[..., -1]


def outcomes(kind: str, loss: float, repetitions: int, share: float, seed: int) -> Iterator[dict]:
    """Rows of one kind of submission with one loss, a row for each batch."""
    generator = np.random.default_rng([seed, KINDS.index(kind), round(1e6 * loss)])
    for _ in range(-(-repetitions // BATCH)):
        reference, other = submissions(kind, BATCH, share, generator)
        other = worse(other, loss, generator)
        found = verdict_of_compare(reference, other, generator)
        yield {
            "submission": kind,
            "loss": loss,
            "repetitions": BATCH,
            "mlperf_passes": int((score_of(other) >= 0.99 * score_of(reference)).sum()),
            "compare_passes": int(np.isin(found, [Verdict.PASS, Verdict.IMPROVED]).sum()),
            "compare_inconclusive": int((found == Verdict.INCONCLUSIVE).sum()),
            "compare_regressed": int((found == Verdict.REGRESSED).sum()),
            "squares": float(((score_of(other) - (1 - loss) * score_of(reference)) ** 2).sum()),
        }


def simulate(repetitions: int, seed: int, losses: Sequence[float] = LOSSES) -> pandas.DataFrame:
    """One row per kind of submission and loss: how often each outcome happens, and how much scores scatter."""
    share = redrawn_share(seed)
    rows = [row for kind in KINDS for loss in losses for row in outcomes(kind, loss, repetitions, share, seed)]
    table = pandas.DataFrame(rows).groupby(["submission", "loss"], sort=False, as_index=False).sum()
    table["spread"] = (table.pop("squares") / table["repetitions"]) ** 0.5
    for name in [name for name in table if name.startswith(("mlperf", "compare"))]:
        table[name] = table[name] / table["repetitions"]
    table["redrawn"] = np.where(table["submission"] == KINDS[0], share, 1.0)
    return table.round(4)


def markdown(table: pandas.DataFrame) -> str:
    """The table of docs/vbench.md."""
    lines = [
        "| submission | true loss | MLPerf's rule passes it | `compare`: pass | inconclusive | regressed |",
        "|---|---|---|---|---|---|",
    ]
    for row in table.itertuples():
        rates = (row.mlperf_passes, row.compare_passes, row.compare_inconclusive, row.compare_regressed)
        lines.append(f"| {row.submission} | {row.loss:.1%} | " + " | ".join(f"{rate:.0%}" for rate in rates) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, help="folder for rule.csv")
    parser.add_argument("--repetitions", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--miniature", action="store_true", help="50 repetitions: looks right, says little")
    given = parser.parse_args()
    table = simulate(BATCH if given.miniature else given.repetitions, given.seed)
    if given.out:
        given.out.mkdir(parents=True, exist_ok=True)
        table.to_csv(given.out / "rule.csv", index=False)
    print(markdown(table))
    print(f"\nstandard deviation of published scores {published_spread():.2f}; redrawn {table['redrawn'][0]:.1%}")
    print(table[["submission", "loss", "spread"]].to_string(index=False))


if __name__ == "__main__":
    main()
