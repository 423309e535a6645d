"""Which samples of a run are exported, and under which index: those that a filter keeps are numbered from 0."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nova_bench.config.metadata import ITEM
from nova_bench.config.units import Unit
from nova_bench.pipeline.aggregate import collect
from nova_bench.pipeline.plan import Plan
from nova_bench.pipeline.sample_filter import filter_of, required_plan
from nova_bench.store import Artifact, FailedUnit, Row, Status
from nova_bench.store.export import Export


@dataclass(frozen=True)
class ExportOrder:
    """``samples`` with the indices to export them under. ``undecided``: units whose filter has no verdict, with its
    name. ``dropped``: number of samples that a filter doesn't keep."""

    samples: tuple[Export, ...]
    undecided: tuple[tuple[Unit, str], ...]
    dropped: int


def export_order(
    plan: Plan, artifacts: Mapping[str, Artifact | FailedUnit], rows: Mapping[tuple[str, str, str], Row]
) -> ExportOrder:
    """Replace the candidates of a metric with `keep: {first: N}` by the kept ones, with the indices 0 to N - 1.

    That is what VBench's static filter leaves for the official evaluator. Samples that another scorer uses, too, keep
    their own index, as all others do.
    """
    plan = required_plan(plan, artifacts, rows)
    verdicts = {
        scorer.info.name: {score.unit.digest: score for score in collect(plan.units, scorer, artifacts, rows)}
        for scorer in plan.scorers
    }
    samples: list[Export] = []
    undecided: list[tuple[Unit, str]] = []
    given: dict[str, int] = {}
    dropped = 0
    for unit in sorted(plan.units, key=lambda unit: str(unit.sample_index)):
        keep = filter_of(unit, plan.scorers)
        verdict = verdicts[keep.scorer].get(unit.digest) if keep else None
        if keep is None or not isinstance(artifacts.get(unit.digest), Artifact):
            item = str(unit.metadata.values().get(ITEM, ""))
            samples.append(Export(unit.digest, unit.prompt, unit.sample_index, item))
        elif verdict is None or verdict.status != Status.OK:
            undecided.append((unit, keep.scorer))
        elif verdict.value == 1:
            given[unit.prompt_id] = given.get(unit.prompt_id, -1) + 1
            samples.append(Export(unit.digest, unit.prompt, given[unit.prompt_id]))
        else:
            dropped += 1
    return ExportOrder(tuple(samples), tuple(undecided), dropped)
