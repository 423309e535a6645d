"""Measurements -> tables: Table 1 of the paper, the same part by part, the checks, and the points of the curves."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from nova_bench.core.visible_text import visible
from nova_bench.experiments.latency.comparison import CONFIDENCE, Comparison
from nova_bench.experiments.latency.naming import AXES, CLOCKS, PART_TITLES, setting_text
from nova_bench.experiments.latency.plan import LatencyPlan
from nova_bench.experiments.latency.spec import Change
from nova_bench.experiments.latency.store import Measured
from nova_bench.experiments.latency.summary import (
    ALL_PARTS,
    CLOSURE_LIMIT,
    COST_LIMIT,
    GENERATION,
    PARTS,
    Times,
    coverage,
)
from nova_bench.render.table import Cell, Column, Row, Table

RANDOM_NOTE = (
    "The weights are random: how long a network takes does not depend on their values, and no quality is shown."
)
_COLUMNS = {
    "temporal": ("temporal",),
    "spatial": ("spatial",),
    "head": ("head",),
    "spatial_and_head": ("spatial", "head"),
    "generation": GENERATION,
    "text": ("text",),
    "vae": ("vae",),
    "other": ("other",),
}
_TITLES = {**PART_TITLES, "spatial_and_head": "Spatial + head", "generation": "All three"}
# Hours of a large model and milliseconds of a small one are in the same tables.
_DIGITS = 4


def times_table(plan: LatencyPlan, measured: dict[str, Measured]) -> Table:
    """One row per setting, one column per part, seconds per video; published times in rows of their own."""
    columns = [Column("label", "Setting", "label")]
    columns += [Column(key, _TITLES[key], unit="s", digits=_DIGITS) for key in _COLUMNS]
    columns.append(Column("total", "Total", unit="s", higher_is_better=False, digits=_DIGITS))
    columns.append(Column("range", "Lowest and highest", "interval", of="total"))
    rows, calls = [], set()
    for row in plan.suite.rows:
        found = measured.get(plan.row(row).digest)
        cells = {"label": Cell(row.label)}
        if found is None or not found.ok:
            rows.append(Row({**cells, "total": Cell(None, note=why_missing(found))}))
            continue
        times = found.times
        calls.add(times.total_spread.calls)
        cells |= {key: Cell(times.part(*parts).value) for key, parts in _COLUMNS.items()}
        cells["total"] = Cell(times.total, ci=times.total_spread.interval, highlight=True, note="; ".join(times.doubts))
        rows.append(Row(cells))
    for published in plan.suite.published:
        values = {key: Cell(value, published=True, source=published.source) for key, value in published.values.items()}
        rows.append(Row({"label": Cell(published.label), **values}))
    return Table(
        id="inference_time",
        title=f"{plan.suite.title}: {plan.suite.model.name}",
        columns=tuple(columns),
        rows=tuple(rows),
        caption=plan.suite.description,
        notes=(
            "Seconds per video: those of a batch over its videos, in the call with the median total. Other is what no "
            "part claims.",
            *(f"{row.label}: {setting_text(measured[d].times.setting)}." for row, d in _done(plan, measured)),
            *_range_notes(calls),
            *((RANDOM_NOTE,) if plan.suite.nova.random_weights else ()),
        ),
    )


def _done(plan: LatencyPlan, measured: dict[str, Measured]) -> list[tuple[Change, str]]:
    """The rows of the table that have times, with the digests of their points."""
    rows = ((row, plan.row(row).digest) for row in plan.suite.rows)
    return [(row, digest) for row, digest in rows if digest in measured and measured[digest].ok]


def parts_table(plan: LatencyPlan, measured: dict[str, Measured]) -> Table:
    """Every part of every row: time with its range, share, operations, and share of the matrix-product bound."""
    rows, bounds = [], {}
    for row, digest in _done(plan, measured):
        found = measured[digest]
        times, matmul = found.times, found.details["matmul"]
        bounds[times.setting["dtype"]] = (
            f"Bound in {times.setting['dtype']}: {matmul['flops_per_second'] / 1e12:.4g} TFLOP/s, the fastest product "
            f"of two matrices of {matmul['side']} x {matmul['side']} in the same run."
        )
        for part in ALL_PARTS:
            spread = times.part(part)
            cells = {
                "part": Cell(PART_TITLES[part]),
                "seconds": Cell(spread.value, ci=spread.interval),
                "share": Cell(spread.value / times.total),
            }
            if part in PARTS:
                cells["flops"] = Cell(times.details["flops"][part] / 1e9)
                idle = "this part took no time here"
                cells["rate"] = Cell(times.rate(part), note="" if times.rate(part) else idle)
                cells["bound"] = Cell(times.share_of_bound(part), note="" if times.rate(part) else idle)
            rows.append(Row(cells, group=row.label))
    return Table(
        id="parts",
        title="Where the time goes",
        columns=(
            Column("part", "Part", "label"),
            Column("seconds", "Seconds per video", digits=_DIGITS),
            Column("range", "Lowest and highest", "interval", of="seconds"),
            Column("share", "Share of the total", unit="%", scale=100, digits=1),
            Column("flops", "GFLOP per video", digits=3),
            Column("rate", "TFLOP/s", scale=1e-12, digits=_DIGITS),
            Column("bound", "Share of the bound", unit="%", scale=100, digits=1),
        ),
        rows=tuple(rows),
        notes=(
            "GFLOP: multiplications and additions of matrix products, attention and convolutions, as executed.",
            *bounds.values(),
        ),
    )


def checks_table(plan: LatencyPlan, measured: dict[str, Measured]) -> Table:
    """Plausibility of the times: closure, overhead of the stopwatch, warm-up, memory, clocks."""
    rows = []
    for row, digest in _done(plan, measured):
        found = measured[digest]
        times, details = found.times, found.details
        memory = details["peak_memory"]
        rows.append(
            Row(
                {
                    "label": Cell(row.label),
                    "calls": Cell(len(times.observed)),
                    "total": Cell(times.total),
                    "closure": Cell(times.closure),
                    "cost": Cell(times.cost),
                    "warmup": Cell(sum(details["warmup"])),
                    "memory": Cell(memory, note="" if memory else "not measured: this system doesn't tell"),
                    "clocks": Cell(_clocks_text(details["clocks"])),
                }
            )
        )
    return Table(
        id="checks",
        title="Whether the times can be believed",
        columns=(
            Column("label", "Setting", "label"),
            Column("calls", "Timed calls", digits=0),
            Column("total", "Total", unit="s", digits=_DIGITS),
            Column("closure", "Parts / total - 1", unit="%", scale=100, digits=2),
            Column("cost", "Stopwatch / total", unit="%", scale=100, digits=4),
            Column("warmup", "Warm-up", unit="s", digits=2),
            Column("memory", "Peak memory", unit="MiB", scale=2**-20, digits=0),
            Column("clocks", "Clocks before | after", "label"),
        ),
        rows=tuple(rows),
        notes=(
            f"Wanted: named parts within {CLOSURE_LIMIT:.0%} of the total, stopwatch below {COST_LIMIT:.0%}. "
            "Stopwatch: regions entered times what an empty one takes.",
            "Peak memory: tensors on a GPU; on the CPU the whole process, weights included.",
        ),
    )


def overhead_table(plan: LatencyPlan, row: Change, found: Measured | None) -> Table:
    """Overhead of measuring: calls with and without a stopwatch, in the row where it is highest."""
    rows = []
    notes: tuple[str, ...] = ()
    if found is None or not found.ok:
        asked = plan.suite.measure.overhead is not None
        note = why_missing(found) if asked else "not measured: measure.overhead is null"
        rows.append(Row({"label": Cell(row.label), "cost": Cell(None, note=note)}))
    else:
        comparison = Comparison(found.details)
        notes = (
            "The setting whose stopwatch has most to do per second, in short calls from prompts to latents (decoding "
            "is a single region); it weighs less on whole calls and on the other settings. A block is without, with, "
            "with, without, or the other way round; shown is the median over blocks, with the distribution-free "
            "interval of a median.",
            f"The calls: {setting_text(found.details['setting'])}.",
            "On a CPU the verdict is about processor time: the stopwatch works there and nowhere else, and what other "
            "programs do lengthens wall time.",
        )
        for clock in found.details["blocks"][0]:
            cells = {
                "label": Cell(row.label),
                "clock": Cell(CLOCKS[clock]),
                "blocks": Cell(len(found.details["blocks"])),
                "cost": Cell(comparison.cost(clock), ci=comparison.interval(clock)),
            }
            if clock == comparison.clock:
                cells["verdict"] = Cell(comparison.verdict)
            rows.append(Row(cells))
    return Table(
        id="overhead",
        title="What measuring costs",
        columns=(
            Column("label", "Setting", "label"),
            Column("clock", "Clock", "label"),
            Column("blocks", "Blocks of four calls", digits=0),
            Column("cost", "With / without stopwatch - 1", unit="%", scale=100, digits=2),
            Column("interval", f"{CONFIDENCE:.0%} CI", "interval", of="cost"),
            Column("verdict", "Verdict", "label"),
        ),
        rows=tuple(rows),
        notes=notes,
    )


def curves_table(plan: LatencyPlan, measured: dict[str, Measured]) -> Table:
    """The numbers behind the figures."""
    rows = []
    for curve in plan.suite.curves:
        for line in curve.lines:
            for value, point in zip(curve.values, plan.curve(curve, line), strict=True):
                found = measured.get(point.digest)
                cells = {"line": Cell(line.label), "value": Cell(str(value))}
                if found is not None and found.ok:
                    cells |= {part: Cell(found.times.part_alone(part).value) for part in ALL_PARTS}
                    cells["total"] = Cell(found.times.total, ci=found.times.total_spread.interval)
                else:
                    cells["total"] = Cell(None, note=why_missing(found))
                rows.append(Row(cells, group=f"{curve.id}: {AXES[curve.vary]}"))
    return Table(
        id="scaling",
        title="Scaling",
        columns=(
            Column("line", "Line", "label"),
            Column("value", "Value", "label"),
            *(Column(part, PART_TITLES[part], unit="s", digits=_DIGITS) for part in ALL_PARTS),
            Column("total", "Total", unit="s", digits=_DIGITS),
            Column("range", "Lowest and highest", "interval", of="total"),
        ),
        rows=tuple(rows),
        notes=(
            "Medians, each part's its own: they need not add up to the total's.",
            *((RANDOM_NOTE,) if plan.suite.nova.random_weights else ()),
        ),
    )


def why_missing(found: Measured | None) -> str:
    """Why a measurement has no number."""
    return "not measured yet: run the suite again to continue" if found is None else f"not measured: {found.problem}"


def _range_notes(calls: set[int]) -> list[str]:
    notes = [
        f"Lowest and highest of {count} calls: they enclose the median of such calls with probability "
        f"{coverage(count):.3g}."
        for count in sorted(calls)
        if count > 1
    ]
    return [*notes, "Without a range: a single call."] if 1 in calls else notes


def _clocks_text(clocks: dict[str, dict[str, str]]) -> str:
    before, after = (", ".join(f"{key} {value}" for key, value in clocks[when].items()) for when in ("before", "after"))
    return f"{before} | {after}" if before or after else "unknown"


def calls_csv(points: Sequence[Times], comparison: Comparison | None) -> str:
    """Every call of every measurement, in seconds of the whole batch: the raw numbers, for any other tool.

    The calls of the comparison with and without a stopwatch come last; only their total is known.
    """
    stream = io.StringIO()
    fields = list(points[0].setting) if points else []
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([*fields, "stopwatch", "call", "total", "processor", *PARTS])
    for times in points:
        setting = [times.setting[field] for field in fields]
        for index, call in enumerate(times.observed):
            parts = (repr(call.get(part, 0.0)) for part in PARTS)
            writer.writerow([*setting, "with", index, repr(call["total"]), "", *parts])
    if comparison is not None:
        setting = [comparison.details["setting"][field] for field in fields]
        for index, block in enumerate(comparison.details["blocks"]):
            for side in ("without", "with"):
                processor = block.get("processor", {}).get(side, ("", ""))
                for total, spent in zip(block["wall"][side], processor, strict=True):
                    writer.writerow([*setting, side, index, repr(total), spent, *("" for _ in PARTS)])
    return visible(stream.getvalue())
