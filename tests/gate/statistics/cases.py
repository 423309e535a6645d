"""Paired differences for tests."""

from __future__ import annotations

import numpy as np

from nova_bench.gate.statistics.paired import Paired


def continuous(differences, shares=None, slopes=None, gating=None, samples=1.0, spread=np.nan) -> Paired:
    """Metrics [P] or [P, M] that are not 0/1; equal shares, no composites and all gating unless stated."""
    differences = np.asarray(differences, np.float64)
    differences = differences[:, None] if differences.ndim == 1 else differences
    shares = np.full(differences.shape, 1 / len(differences)) if shares is None else shares
    slopes = np.eye(differences.shape[1]) if slopes is None else slopes
    return Paired(
        differences=differences * (shares > 0),
        shares=shares,
        slopes=slopes,
        binary=np.zeros(differences.shape[1], bool),
        samples=samples * (shares > 0),
        gains=np.zeros_like(shares),
        losses=np.zeros_like(shares),
        spread=np.full(differences.shape[1], spread),
        gating=np.ones(slopes.shape[1], bool) if gating is None else np.asarray(gating),
    )


def zero_one(a, b, slopes=None, gating=None) -> Paired:
    """0/1 metrics from the samples' scores [P, S] or [P, S, M] of A and of B."""
    a, b = (np.asarray(side, np.float64) for side in (a, b))
    a, b = (side[:, :, None] if side.ndim == 2 else side for side in (a, b))
    prompts, samples, metrics = a.shape
    slopes = np.eye(metrics) if slopes is None else slopes
    return Paired(
        differences=(b - a).mean(axis=1),
        shares=np.full((prompts, metrics), 1 / prompts),
        slopes=slopes,
        binary=np.ones(metrics, bool),
        samples=np.full((prompts, metrics), float(samples)),
        gains=(b > a).sum(axis=1).astype(np.float64),
        losses=(a > b).sum(axis=1).astype(np.float64),
        spread=(b - a).var(axis=1, ddof=1).mean(axis=0) if samples > 1 else np.full(metrics, np.nan),
        gating=np.ones(slopes.shape[1], bool) if gating is None else np.asarray(gating),
    )


def one_sample(gains: int, losses: int, prompts: int) -> Paired:
    """A 0/1 metric with one sample per prompt and these many prompts that only B, or only A, gets right."""
    a, b = np.ones((2, prompts, 1))
    a[:gains], b[gains : gains + losses] = 0.0, 0.0
    return zero_one(a, b)


def several(generator: np.random.Generator, prompts: int = 10) -> Paired:
    """Three metrics that overlap unevenly, and two composites of them; the last column is information."""
    has = np.ones((prompts, 3), bool)
    has[: prompts // 3, 0] = has[-(prompts // 4) :, 1] = False
    shares = has * generator.uniform(0.5, 2.0, has.shape)
    slopes = np.array([[1, 0, 0, 0.5, 0.2], [0, 1, 0, 0.5, 0.0], [0, 0, 1, 0.0, -0.8]])
    differences = generator.normal(size=has.shape) * [1.0, 0.1, 5.0] - [0.5, 0.1, 1.0]
    gating = [True, True, True, True, False]
    return continuous(differences, shares / shares.sum(axis=0), slopes, gating)
