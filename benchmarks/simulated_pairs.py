"""Simulated comparisons of two checkpoints for gate_errors.py, with variances estimated from nova-tiny.

Two checkpoints of equal quality are not the same: some prompts got better and others worse. Samples of a prompt scatter
around its mean. A loss is spread evenly over the prompts, or a few prompts carry all of it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from scipy import stats

from nova_bench.gate.statistics.paired import Paired

ESTIMATED = Path(__file__).parents[1] / "results" / "gate" / "nova_tiny.json"
"""What `gate_errors.py --estimate` found."""
SHARES = {"0/1, p = 0.5": 0.5, "0/1, p = 0.9": 0.9, "0/1, p = 0.98": 0.98}
CONTINUOUS = ("normal", "exponential", "nova-tiny")
INTERACTION = 0.5
"""Variance between prompts of a continuous metric's true change, in variances of one sample within its prompt."""
REDRAWN = 0.1
"""Share of prompts whose success probability in B has nothing to do with that in A (0/1 metrics)."""
FEW = {"few prompts": 0.1, "few prompts alone": 0.05}
"""Share of prompts that carry all of a continuous metric's loss, if few do. "Alone": nothing else changes."""


@dataclass(frozen=True)
class Setting:
    """One kind of comparison. ``spread`` is "none", "even" or one of FEW, ``loss`` the true loss of each metric."""

    scores: str
    prompts: int
    samples: int
    metrics: int
    spread: str = "none"
    loss: float = 0.0


def estimate(runs: Sequence[Path]) -> dict:
    """Variances of nova-tiny's scores, from two runs of suites/shapes.yaml with several samples and different seeds."""
    import pandas

    import nova_bench

    frames = [nova_bench.load(run).to_frame() for run in runs]
    scores = pandas.concat(frames, keys=range(len(runs)), names=["run"]).reset_index()

    def by_prompt(metric: str) -> pandas.DataFrame:
        of_metric = scores[scores.metric == metric]
        return of_metric.pivot_table(index="prompt", columns=["run", "sample_index"], values="value").dropna()

    alike = {}
    for metric in ("shapes/all", "dynamic_degree_dis"):
        table = by_prompt(metric)
        within = table.var(axis=1).mean()
        between = table.mean(axis=1).var() - within / table.shape[1]
        alike[metric] = round(float(between / (between + within)), 3)
    table = by_prompt("temporal_flickering")
    residuals = table.sub(table.mean(axis=1), axis=0).to_numpy() * (table.shape[1] / (table.shape[1] - 1)) ** 0.5
    deviation = float((residuals**2).mean() ** 0.5)
    between = float(table.mean(axis=1).std())
    return {
        "prompts": len(table),
        "samples": table.shape[1],
        "0/1: share of the variance between prompts": alike,
        "temporal_flickering: standard deviation within prompts": round(deviation, 7),
        "temporal_flickering: standard deviation between prompts": round(between, 7),
        "temporal_flickering: samples around their prompt's mean, in standard deviations": [
            [round(float(value), 2) for value in row] for row in residuals / deviation
        ],
    }


@cache
def estimated() -> dict:
    """The committed estimates."""
    return json.loads(ESTIMATED.read_text(encoding="utf-8"))


@cache
def alike() -> float:
    """Share of a 0/1 metric's variance that lies between prompts: the mean of nova-tiny's metrics."""
    return float(np.mean(list(estimated()["0/1: share of the variance between prompts"].values())))


@cache
def _residuals() -> np.ndarray:
    """[prompts, samples] with mean square 1."""
    return np.array(estimated()["temporal_flickering: samples around their prompt's mean, in standard deviations"])


@cache
def _probabilities(share: float) -> np.ndarray:
    """Success probabilities of prompts: the quantiles of a beta distribution."""
    scale = 1 / alike() - 1
    return stats.beta.ppf((np.arange(2**14) + 0.5) / 2**14, share * scale, (1 - share) * scale)


def draw(
    setting: Setting, losses: Sequence[tuple[str, float]], count: int, generator: np.random.Generator
) -> list[Paired]:
    """``count`` comparisons for each (spread, loss), with the same noise: leading dimension [count]."""
    shape = (count, setting.prompts, setting.metrics)
    if setting.scores in SHARES:
        return _zero_one(setting, losses, shape, generator)
    noise = _noise(setting.scores, setting.samples, shape, generator)
    change = INTERACTION**0.5 * generator.normal(size=shape)
    drawn, nothing = generator.random(shape), np.zeros(shape)
    found = []
    for spread, loss in losses:
        share = FEW.get(spread, 1.0)
        lost = np.where(drawn < share, loss / share, 0.0) if spread in FEW else loss
        other = 0.0 if spread == "few prompts alone" else change
        found.append(_paired(noise + other - lost, setting.samples, False, nothing, nothing))
    return found


def _noise(scores: str, samples: int, shape: tuple[int, ...], generator: np.random.Generator) -> np.ndarray:
    """Difference of two means of samples with variance 1 each."""
    if scores == "normal":
        return generator.normal(0.0, (2 / samples) ** 0.5, shape)
    if scores == "exponential":
        return (generator.standard_gamma(samples, shape) - generator.standard_gamma(samples, shape)) / samples
    residuals = _residuals()
    chosen = generator.integers(len(residuals), size=shape)
    total = np.zeros(shape)
    for sample in range(2 * samples):
        value = residuals[chosen, generator.integers(residuals.shape[1], size=shape)]
        total += value if sample % 2 else -value
    return total / samples


def _zero_one(
    setting: Setting, losses: Sequence[tuple[str, float]], shape: tuple[int, ...], generator: np.random.Generator
) -> list[Paired]:
    share = SHARES[setting.scores]
    pool = _probabilities(share)
    of_a = pool[generator.integers(len(pool), size=shape)]
    redrawn = generator.random(shape) < REDRAWN
    changed = np.where(redrawn, pool[generator.integers(len(pool), size=shape)], of_a)
    pairs = [generator.random(shape) for _ in range(setting.samples)]
    failing = generator.random(shape)
    found = []
    for spread, loss in losses:
        lost = np.where(failing < loss / share, 1.0, 0.0) if spread in FEW else loss / share
        b = (of_a if spread == "few prompts alone" else changed) * (1 - lost)
        gain, fall = b * (1 - of_a), 1 - of_a * (1 - b)
        gains = sum((pair < gain for pair in pairs), start=np.zeros(shape))
        falls = sum((pair > fall for pair in pairs), start=np.zeros(shape))
        found.append(_paired((gains - falls) / setting.samples, setting.samples, True, gains, falls))
    return found


def _paired(differences: np.ndarray, samples: int, binary: bool, gains: np.ndarray, losses: np.ndarray) -> Paired:
    prompts, metrics = differences.shape[-2:]
    return Paired(
        differences=differences,
        shares=np.full((prompts, metrics), 1 / prompts),
        slopes=np.eye(metrics),
        binary=np.full(metrics, binary),
        samples=np.full((prompts, metrics), float(samples)),
        gains=gains,
        losses=losses,
        spread=np.full(metrics, np.nan),
        gating=np.ones(metrics, dtype=bool),
    )


def standard_errors(setting: Setting, paired: Paired) -> tuple[np.ndarray, np.ndarray]:
    """What naive tests divide by, [..., M]: of two unrelated sets of prompts; of sample pairs taken as independent."""
    count, samples = setting.prompts, setting.samples
    if setting.scores in SHARES:
        share, of_pair = SHARES[setting.scores], _pair_variance(paired)
        of_prompt = share * (1 - share) * (alike() + (1 - alike()) / samples)
        return np.full(of_pair.shape, (2 * of_prompt / count) ** 0.5), (of_pair / (count * samples)) ** 0.5
    values = estimated()
    between, within = (values[f"temporal_flickering: standard deviation {of} prompts"] for of in ("between", "within"))
    shape = paired.estimates.shape
    unpaired = (2 * ((between / within) ** 2 + 1 / samples) / count) ** 0.5
    return np.full(shape, unpaired), np.full(shape, ((2 + INTERACTION) / (count * samples)) ** 0.5)


def _pair_variance(paired: Paired) -> np.ndarray:
    pairs = paired.samples.sum(axis=0)
    gains, losses = paired.gains.sum(axis=-2) / pairs, paired.losses.sum(axis=-2) / pairs
    return gains + losses - (gains - losses) ** 2
