"""A model and scorers without cost, to measure the harness alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from nova_bench.config.catalog import ADAPTERS, SCORERS
from nova_bench.config.fields import ScorerSettings
from nova_bench.config.suite import ExecutionSpec, ModelSpec, PromptEntry, PromptsSpec, SamplingSpec, ScorerUse, Suite
from nova_bench.config.units import Unit
from nova_bench.models.base import AdapterInfo, Output
from nova_bench.pipeline.plan import Plan, make_plan
from nova_bench.scorers.base import Sample, Score, ScorerContext, ScorerInfo


class NullSpec(ModelSpec):
    """No settings."""


class NullModel:
    """Generates images of 16 x 16 pixels, striped in two colours that depend on the unit's seed."""

    def digest(self) -> str:
        return "null"

    def existing(self) -> None:
        return None

    def generate(self, units: Sequence[Unit]) -> Iterator[Output]:
        import torch

        for unit in units:
            colours = torch.tensor(list(unit.seed.to_bytes(8, "big")[-6:]), dtype=torch.uint8)
            yield Output(unit, frames=colours.view(1, 1, 2, 3).repeat(1, 16, 8, 1))


class NullScorer:
    """Always 0.5."""

    def __init__(self, settings: ScorerSettings, context: ScorerContext):
        pass

    def score(self, batch: Sequence[Sample]) -> list[Score]:
        return [Score(0.5) for _ in batch]


NULL = AdapterInfo("null", "striped images", NullSpec, "null_parts:NullModel")
ALWAYS_HALF = ScorerInfo(
    name="null",
    summary="always 0.5",
    version="1",
    unit="",
    range=(0.0, 1.0),
    higher_is_better=True,
    source="benchmarks",
    factory="null_parts:NullScorer",
)


def null_plan(units: int, scorers: int, batch_size: int = 8) -> Plan:
    """Make a plan of ``units`` samples (five per prompt, as in VBench), each scored by ``scorers`` scorers."""
    ADAPTERS.built_in["null"] = f"{__name__}:NULL"
    names = [f"null_{index}" for index in range(scorers)]
    for name in names:
        globals()[name] = replace(ALWAYS_HALF, name=name)
        SCORERS.built_in[name] = f"{__name__}:{name}"
    prompts = tuple(PromptEntry(text=f"prompt number {index}", tags=("all",)) for index in range(-(-units // 5)))
    suite = Suite(
        name="null",
        title="The harness alone",
        model=NullSpec(adapter="null"),
        prompts=PromptsSpec(entries=prompts, samples_per_prompt=5),
        sampling=SamplingSpec(num_frames=1, height=16, width=16),
        scorers=tuple(ScorerUse(name=name) for name in names),
        execution=ExecutionSpec(device="cpu", batch_size=batch_size),
    )
    return make_plan(suite, NullModel(), lambda path: "", lambda name: "", units)
