"""Reads one side of a comparison from a stored run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from nova_bench.assets import asset_digest
from nova_bench.config.catalog import ADAPTERS
from nova_bench.config.suite import SamplingSpec, Suite
from nova_bench.config.units import Unit
from nova_bench.core.errors import MediaError, UserError
from nova_bench.core.identity import SEED_RULE, digest
from nova_bench.core.judge_names import judge_label
from nova_bench.experiments.registry import BENCHMARK
from nova_bench.gate.card import MetricCard
from nova_bench.gate.side import MetricData, Sample, Side
from nova_bench.pipeline.aggregate import SampleScore, collect, needs_details
from nova_bench.pipeline.manifest import read_manifest
from nova_bench.pipeline.needs import absent_assets, fetch_line
from nova_bench.pipeline.plan import Plan, PlannedScorer
from nova_bench.pipeline.record import plan_of
from nova_bench.pipeline.sample_filter import filter_samples, required_plan
from nova_bench.store import Artifact, FailedUnit, Status, Store
from nova_bench.store.store import StoredRun
from nova_bench.video import MediaInfo, MediaLimits, probe

MOST_PROBED = 200
"""Files whose headers are read for the card; of more, as many that are evenly spaced."""
SAMPLER = ("num_inference_steps", "num_diffusion_steps", "guidance_scale", "motion_flow", "negative_prompt")


def side_of_run(run: StoredRun, store: Store) -> Side:
    """What a run of the kind "benchmark" measured. UserError for another kind of run."""
    if (kind := run.suite.get("kind", BENCHMARK)) != BENCHMARK:
        raise UserError(f"run {run.name} is a {kind}, not a benchmark", "compare runs of its arms or parts instead")
    plan = plan_of(run)
    artifacts = store.recorded_artifacts(unit.digest for unit in plan.units)
    rows = store.rows((scorer.identity for scorer in plan.scorers), needs_details(plan.scorers))
    required = required_plan(plan, artifacts, rows).units
    scores = [collect(plan.units, scorer, artifacts, rows) for scorer in plan.scorers]
    filtered = zip(*filter_samples(plan.scorers, scores), strict=True)
    counted = {scorer.info.name: samples for scorer, samples in filtered}
    manifest = read_manifest(store.root / run.name)
    computed = {s.info.name: s for s in plan.scorers if _has_rows(counted[s.info.name]) and not _unfounded(s)}
    waiting = {scorer.info.name: _needs(scorer) for scorer in plan.scorers if scorer.info.name not in computed}
    made = [found for found in artifacts.values() if isinstance(found, Artifact)]
    files = any(unit.source for unit in plan.units)
    # A metric that can't be computed here is one gap; the samples that lack it are not missing one by one.
    wanted = [counted[name] for name in computed] + [counted[name] for name, why in waiting.items() if not why]
    return Side(
        label=plan.suite.model.name,
        what="folder" if files else "run",
        name=run.name,
        suite=plan.suite.name,
        title=plan.suite.title,
        card=_run_card(run, plan, made),
        prompts={unit.prompt_id: unit.prompt for unit in plan.units},
        texts={
            unit.prompt_id: None if unit.source else digest("model text", unit.model_text)[:12] for unit in plan.units
        },
        metrics={
            name: _metric(scorer, counted[name], plan.suite, manifest.get("assets", {}))
            for name, scorer in computed.items()
        },
        counts=Counter(unit.prompt_id for unit in plan.units),
        composites=plan.suite.derived,
        filters=tuple({scorer.keep.scorer for scorer in plan.scorers if scorer.keep}),
        created=run.created,
        model=manifest.get("model_digest") or None,
        seed=None if files else plan.suite.seed,
        packages=_packages(manifest),
        not_computed={name: why or "not computed yet" for name, why in waiting.items() if not _optional(plan, name)},
        requested=len(required),
        failed=len(_units(wanted, Status.FAILED)),
        missing=len(_units(wanted, None) | {unit.digest for unit in required if _is_missing(unit, artifacts)}),
    )


def _is_missing(unit: Unit, artifacts: Mapping[str, Artifact | FailedUnit]) -> bool:
    return not unit.imported and unit.digest not in artifacts


def _optional(plan: Plan, name: str) -> bool:
    return any(scorer.optional for scorer in plan.scorers if scorer.info.name == name)


def _has_rows(scores: Iterable[SampleScore]) -> bool:
    return any(score.row is not None for score in scores)


def _unfounded(scorer: PlannedScorer) -> str:
    """Why the samples of imported results can't be compared: they don't give the stated value. Else empty."""
    return scorer.stated.problem if scorer.stated else ""


def _needs(scorer: PlannedScorer) -> str:
    """What a metric without any row needs; empty if nothing is missing."""
    if problem := _unfounded(scorer):
        return problem
    absent = absent_assets(scorer.info.assets)
    return f"needs {fetch_line(absent)}" if absent else ""


def _units(metrics: Iterable[Iterable[SampleScore]], status: Status | None) -> set[str]:
    return {score.unit.digest for scores in metrics for score in scores if score.status == status}


def _packages(manifest: Mapping[str, Any]) -> dict[str, str | None]:
    invocations = manifest.get("invocations") or [{}]
    return {"nova_bench": invocations[-1].get("nova_bench"), **invocations[-1].get("packages", {})}


def _metric(
    scorer: PlannedScorer, scores: Iterable[SampleScore], suite: Suite, assets: Mapping[str, Any]
) -> MetricData:
    scores, info = list(scores), scorer.info
    samples: dict[str, dict[int, Sample]] = {}
    inputs: dict[str, str] = {}
    for score in scores:
        prompt = score.unit.prompt_id
        ok = score.status == Status.OK
        sample = Sample(score.status, score.value, score.scored.weight) if ok else Sample(score.status)
        samples.setdefault(prompt, {})[score.unit.sample_index] = sample
        if (info.needs_reference or info.reads.model_fields) and not scorer.stated:
            inputs[prompt] = scorer.inputs(score.unit)[:12]
    settings: dict[str, Any] = scorer.settings.model_dump(mode="json")
    if info.needs_reference:
        settings |= suite.reference.model_dump(exclude_defaults=True)
    if suite.media.allow_truncated:
        settings["truncated videos"] = "allowed"
    if scorer.aggregate:
        settings["aggregate"] = scorer.aggregate
    card = MetricCard(
        identity=scorer.identity,
        version=next((score.row.version for score in scores if score.row), info.version),
        weights={name: assets.get(name, {}).get("sha256") or asset_digest(name) for name in info.assets},
        settings=settings,
        judge=judge_label(str(settings.get("judge", ""))),
        keep=digest("keep", scorer.keep.model_dump())[:12] if scorer.keep else "",
    )
    return MetricData(
        name=info.name,
        unit=info.unit,
        digits=info.digits,
        higher_is_better=info.higher_is_better,
        range=info.range,
        binary=info.binary,
        weighted=info.average == "weighted",
        card=card,
        samples=samples,
        inputs=inputs,
    )


def _run_card(run: StoredRun, plan: Plan, made: Sequence[Artifact]) -> dict[str, Any]:
    sampling, files = plan.suite.sampling, any(unit.source for unit in plan.units)
    facts = media_facts(made, plan.suite.media)
    stated = {} if files else _stated(sampling)
    adapter = ADAPTERS.get(run.suite["model"]["adapter"])
    own = adapter.protocol(run.suite["model"], plan.suite.execution.device)
    sampler = sampling.model_dump(include={*SAMPLER}, exclude_none=True) | dict(own.get("sampler", {}))
    if sampling.lossless:
        sampler["lossless"] = True
    return {
        "seed rule": None if files else SEED_RULE,
        **{name: facts[name] or stated.get(name) for name in ("frames", "fps", "size")},
        "precision": own.get("precision"),
        "sampler": None if files else sampler,
    }


def _stated(sampling: SamplingSpec) -> dict[str, str | None]:
    """What a suite says of the videos it makes: it counts if no file says so."""
    return {
        "frames": str(sampling.num_frames) if sampling.num_frames else None,
        "fps": "0" if sampling.num_frames == 1 else str(sampling.fps),
        "size": f"{sampling.width}x{sampling.height}" if sampling.width and sampling.height else None,
    }


def media_facts(made: Sequence[Artifact], limits: MediaLimits) -> dict[str, str | None]:
    """Frames, frame rate and size of files, from their headers: a value, or ``LEAST to MOST``; None if unknown.

    Files that are gone or can't be read are left out; a fact is unknown if any header doesn't state it.
    """
    step = max(1, -(-len(made) // MOST_PROBED))
    read: list[MediaInfo] = []
    for artifact in made[::step]:
        with suppress(MediaError, OSError):
            read.append(probe(artifact.path, limits))
    return {
        "frames": _span([info.frames if info.fps is not None else 1 for info in read]),
        "fps": _span([float(info.fps) if info.fps is not None else 0.0 for info in read]),
        "size": _spanned([f"{info.width}x{info.height}" for info in read], [info.width * info.height for info in read]),
    }


def _span(values: Sequence[float | None]) -> str | None:
    known = [value for value in values if value is not None]
    return _spanned([f"{value:g}" for value in known], known) if known and len(known) == len(values) else None


def _spanned(names: Sequence[str], sizes: Sequence[float]) -> str | None:
    if not names:
        return None
    ranked = [name for _, name in sorted(zip(sizes, names, strict=True))]
    return ranked[0] if ranked[0] == ranked[-1] else f"{ranked[0]} to {ranked[-1]}"
