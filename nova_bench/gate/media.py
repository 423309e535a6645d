"""Where the videos of both sides are, for the page of a comparison."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from nova_bench.config.units import Unit
from nova_bench.gate.outputs.page import Media
from nova_bench.gate.pairing import common_prompts
from nova_bench.gate.side import Side
from nova_bench.pipeline.record import plan_of
from nova_bench.report.sources import Sources
from nova_bench.store import Artifact, Store


@dataclass(frozen=True)
class Samples:
    """The samples of one side: a store and the run in it; ``missing`` says why there are none."""

    store: Path | None = None
    run: str = ""
    missing: str = ""

    @cached_property
    def files(self) -> dict[tuple[str, int], Path | str]:
        """(prompt id, sample index) -> the file, or why it can't be shown; read when a page asks for the first."""
        if self.store is None:
            return {}
        with Store.reader(self.store) as store:
            plan = plan_of(store.run(self.run))
            sources = Sources(store, plan.suite.media)
            found = store.recorded_artifacts(unit.digest for unit in plan.units)
            return {(u.prompt_id, u.sample_index): _file(u, found, sources) for u in plan.units}


def media_of(new: Samples, old: Samples, b: Side | None = None, a: Side | None = None) -> Media:
    """The files of both sides by B's prompt ids; sides ``a`` and ``b`` translate if they pair prompts by name."""
    translate: Mapping[str, str] = {}
    if a is not None and b is not None:
        ours, theirs = common_prompts(a, b)
        translate = {theirs[key]: ours[key] for key in theirs}

    def find(prompt: str, index: int) -> tuple[Path | str, Path | str]:
        absent = "no such sample"
        there = old.files.get((translate.get(prompt, prompt), index), old.missing or absent)
        return new.files.get((prompt, index), new.missing or absent), there

    return find


def _file(unit: Unit, found: Mapping[str, object], sources: Sources) -> Path | str:
    if unit.imported:
        return "imported scores: there is no video here"
    artifact = found.get(unit.digest)
    if not isinstance(artifact, Artifact):
        return getattr(artifact, "error", "not made yet")
    return sources.file(artifact) or sources.problem(artifact)
