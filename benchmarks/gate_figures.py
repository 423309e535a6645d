"""The figure and the tables of gate_errors.py."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pandas
from tabulate import tabulate

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Tables = dict[str, pandas.DataFrame]

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
NAIVE = {
    "significant": "compare",
    "uncorrected_significant": "each metric at 5 %",
    "videos_significant": "videos as independent",
    "unpaired_significant": "unpaired z",
    "threshold_significant": "fixed threshold",
}
MISSES = {
    "significant": "pass_of_metric",
    "uncorrected_significant": "uncorrected_misses",
    "videos_significant": "videos_misses",
    "unpaired_significant": "unpaired_misses",
    "threshold_significant": "threshold_misses",
}


def markdown(tables: Tables) -> Iterator[str]:
    """The tables of docs/gate.md, in per cent."""
    errors, power, looks = tables["errors"], tables["power"], tables["looks"]
    unchanged, lost = errors[errors.loss == 0], errors[errors.loss == 1]
    rows: list[list[object]] = []
    for scores in errors.scores.unique():
        of, after = unchanged[unchanged.scores == scores], lost[lost.scores == scores]
        sizes = [_range(of[of.metrics == metrics].significant) for metrics in (1, 16)]
        passes = [_range(after[(after.metrics == 1) & (after.spread == spread)].pass_of_metric) for spread in SPREADS]
        rows.append([scores, *sizes, f"{of.regressed.max():.1%}", *passes])
    heads = [
        "scores",
        "significant, 1 metric",
        "any of 16",
        "regressed, at most",
        "passes a loss of m: even",
        "few prompts",
        "few prompts alone",
    ]
    yield tabulate(rows, heads, tablefmt="github", disable_numparse=True)

    rows = []
    for scores in ("normal", "0/1, p = 0.9"):
        for name, label in NAIVE.items():
            of = unchanged[(unchanged.scores == scores) & (unchanged.metrics == 16) & (unchanged.samples == 5)]
            after = lost[(lost.scores == scores) & (lost.metrics == 1) & (lost.samples == 5) & (lost.spread == "even")]
            of, after = (part[part.margin == part.margin.min()] for part in (of, after))
            rows.append([scores, label, _range(of[name]), _range(after[MISSES[name]])])
    heads = ["scores", "rule", "alarm in any of 16 unchanged metrics", "misses a loss of m"]
    yield tabulate(rows, heads, tablefmt="github", disable_numparse=True)

    keys = ["scores", "samples", "prompts"]
    wide = (
        power[power.metrics == power.metrics.max()]
        .assign(loss=power.loss.round(1))
        .pivot_table(index=keys, columns="loss", values=["regressed_of_metric", "pass_of_metric"])
    )
    rows = []
    for key, row in wide.iterrows():
        cells = [f"{row['pass_of_metric'][loss]:.0%}" for loss in (0.0, 0.5, 1.0)]
        rows.append([*key, *cells, *(f"{row['regressed_of_metric'][loss]:.0%}" for loss in (1.5, 2.0, 3.0))])
    heads = [*keys, "passes: no loss", "0.5 m", "1 m", "regressed: 1.5 m", "2 m", "3 m"]
    yield tabulate(rows, heads, tablefmt="github", disable_numparse=True)

    rows = [
        [
            one.scores,
            one.prompts,
            one.metrics,
            f"{one.loss:.0f} m",
            *(f"{value:.1%}" for value in (one.regressed, one.all_pass, one.cost)),
        ]
        for one in looks.itertuples()
    ]
    heads = ["scores", "prompts", "metrics", "loss", "regressed", "all pass", "mean share of the prompts used"]
    yield tabulate(rows, heads, tablefmt="github", disable_numparse=True)


SPREADS = ("even", "few prompts", "few prompts alone")


def _range(values: pandas.Series) -> str:
    if not len(values):
        return ""
    low, high = f"{values.min():.1%}", f"{values.max():.1%}"
    return low if low == high else f"{low} to {high}"


def draw_figure(tables: Tables, path: Path) -> None:
    """Six panels: errors without a change, errors at a loss of the margin, naive tests, power, and early looks."""
    from matplotlib.figure import Figure

    errors, power, looks = tables["errors"], tables["power"], tables["looks"]
    unchanged, lost = errors[errors.loss == 0], errors[errors.loss == 1]
    figure = Figure(figsize=(12, 7.5), layout="constrained")
    axes = figure.subplots(2, 3).ravel()
    kinds = list(errors.scores.unique())
    for axis, samples in zip(axes[:2], (1, 5), strict=True):
        rows = unchanged[(unchanged.samples == samples) & (unchanged.metrics == 16)].drop_duplicates(
            ["scores", "prompts"]
        )
        _lines(axis, rows, kinds, "significant")
        axis.axhspan(0.04, 0.06, color="#DDDDDD", lw=0)
        axis.set(title=f"No change, 16 metrics, {samples} sample{'s' * (samples > 1)}", ylim=(0, 0.08))
        axis.set_ylabel("any metric significant")
    axes[0].legend(fontsize=7, ncols=2)

    rows = (
        lost[(lost.metrics == 1) & (lost.spread != SPREADS[2])]
        .groupby(["scores", "prompts"], sort=False, as_index=False)
        .pass_of_metric.max()
    )
    _lines(axes[2], rows, kinds, "pass_of_metric")
    axes[2].axhline(0.05, color="#888888", lw=0.8)
    axes[2].set(title="Loss of exactly the margin, 1 metric", ylim=(0, 0.08), ylabel="passes (worst setting)")

    naive = unchanged[(unchanged.scores == "normal") & (unchanged.metrics == 16) & (unchanged.samples == 5)]
    for (name, label), color in zip(NAIVE.items(), COLORS, strict=False):
        _line(axes[3], naive, name, color, label)
    axes[3].axhline(0.05, color="#888888", lw=0.8)
    axes[3].set(title="No change, 16 normal metrics, 5 samples", ylabel="alarm for any metric", ylim=(0, 1))
    axes[3].legend(fontsize=7, loc=(0.03, 0.12))

    curves = power[(power.scores == "normal") & (power.samples == 1) & (power.metrics == 16)]
    for (prompts, rows), color in zip(curves.groupby("prompts"), COLORS, strict=False):
        axes[4].plot(rows.loss, rows.regressed_of_metric, color=color, label=f"{prompts} prompts: regressed")
        axes[4].plot(rows.loss, rows.pass_of_metric, color=color, ls="--", label="pass")
    axes[4].set(title="16 normal metrics, 1 sample", xlabel="true loss in margins", ylabel="verdicts of a metric")
    axes[4].legend(fontsize=7, loc="center right")

    labels = [
        f"{one.scores}\n{one.prompts} prompts\n{one.metrics} metric{'s' * (one.metrics > 1)}"
        for one in looks[looks.loss == 0].itertuples()
    ]
    for offset, (loss, color) in enumerate(zip((0, 1, 2), COLORS, strict=False)):
        cost = looks[looks.loss.round() == loss].cost
        axes[5].bar(
            [index + (offset - 1) * 0.27 for index in range(len(cost))], cost, 0.25, color=color, label=f"loss {loss} m"
        )
    axes[5].set_xticks(range(len(labels)), labels, fontsize=7)
    axes[5].set(title="Looks at 1/2, 3/4 and all prompts", ylabel="mean share of the prompts used", ylim=(0, 1.2))
    axes[5].legend(fontsize=7, ncols=3)
    for axis in axes:
        axis.grid(color="#EEEEEE", lw=0.5)
        axis.set_axisbelow(True)
    figure.savefig(path, dpi=110)


def _lines(axis: Axes, rows: pandas.DataFrame, kinds: Sequence[str], value: str) -> None:
    for kind, color in zip(kinds, COLORS, strict=False):
        _line(axis, rows[rows.scores == kind], value, color, kind)


def _line(axis: Axes, rows: pandas.DataFrame, value: str, color: str, label: str) -> None:
    """Numbers of prompts at equal distances: 72 and 93 would touch otherwise."""
    axis.plot(rows.prompts.astype(str), rows[value], color=color, marker="o", ms=3, label=label)
    axis.set_xlabel("prompts")
