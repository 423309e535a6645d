"""Suite -> Plan: the units of work with their digests and seeds, and the scorers with their identities.

Planning reads prompts and manifests, needs no torch and touches no device; it backs both `plan` and `run`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

from nova_bench.config.catalog import ADAPTERS, SCORERS
from nova_bench.config.fields import ScorerSettings
from nova_bench.config.paths import locate
from nova_bench.config.suite import KeepSpec, PromptEntry, ReferenceSpec, ScorerUse, Suite
from nova_bench.config.units import ExistingSample, Unit
from nova_bench.core.errors import UserError
from nova_bench.core.identity import digest, prompt_id, seed_for
from nova_bench.core.messages import shorten
from nova_bench.core.notices import unheard
from nova_bench.core.registry import nearest
from nova_bench.models.base import ModelAdapter
from nova_bench.pipeline.limit import limited
from nova_bench.pipeline.metadata import check_metadata
from nova_bench.prompts.reading import suite_prompts
from nova_bench.prompts.recipes import with_recipes
from nova_bench.scorers.base import ScorerInfo
from nova_bench.video.frame_folder import with_frame_folders
from nova_bench.video.limits import MediaLimits

MISSING = "missing"
"""Stands for the content digest of a file that can't be read."""
MOST_UNITS = 1_000_000
"""More samples than this in one suite are a mistake."""


@dataclass(frozen=True)
class Stated:
    """What a results file states of a metric: its value, which counts, and why its rows don't give it (or empty)."""

    value: float | None
    problem: str = ""


@dataclass(frozen=True)
class PlannedScorer:
    """A scorer of a plan. ``identity`` covers name, version, weights and settings: it is part of every row's key.

    ``keep`` decides which of its rows count, not their values; ``optional`` whether a run may do without its assets.
    ``aggregate`` names the aggregate of ``info``, which then has its average; empty for the scorer's own. ``stated`` is
    what the results file says that the rows were imported from.
    """

    info: ScorerInfo
    settings: ScorerSettings
    tags: frozenset[str]
    identity: str
    keep: KeepSpec | None = None
    optional: bool = False
    aggregate: str = ""
    stated: Stated | None = None

    @property
    def last_of(self) -> str:
        """The list among the rows' details whose last entry counts as the value; empty if the value itself does."""
        return self.info.aggregates[self.aggregate].last_of if self.aggregate else ""

    def applies_to(self, unit: Unit) -> bool:
        """Whether this scorer scores that unit."""
        return not self.tags or not self.tags.isdisjoint(unit.tags)

    def inputs(self, unit: Unit) -> str:
        """Digest of what a row of this scorer depends on besides the artifact; empty if there is nothing else."""
        parts = []
        if self.info.needs_reference:
            parts.append(["reference", unit.reference_digest])
        if self.info.needs_prompt:
            parts.append(["prompt", unit.prompt])
        if self.info.reads.model_fields:
            parts.append(["metadata", unit.metadata.only(self.info.reads.model_fields).text])
        return digest("inputs", parts) if parts else ""


@dataclass(frozen=True)
class Plan:
    """Everything a run will do. ``run_id`` is the same whenever the same work is planned.

    ``model`` is the digest of what makes the videos; a plan rebuilt from the store, for a report, has none.
    """

    suite: Suite
    units: tuple[Unit, ...]
    scorers: tuple[PlannedScorer, ...]
    run_id: str
    model: str = ""

    @property
    def run_name(self) -> str:
        """Name of the run's folder: the suite's name and six digits of the run's identity."""
        return f"{self.suite.name}-{self.run_id[:6]}"

    @property
    def filters(self) -> bool:
        """Whether scores decide which further samples are made, so that stages alternate."""
        return any(scorer.keep is not None for scorer in self.scorers)


def make_plan(
    suite: Suite,
    adapter: ModelAdapter,
    file_digest: Callable[[Path], str],
    asset_digest: Callable[[str], str],
    limit: int | None = None,
    notice: Callable[..., None] = unheard,
) -> Plan:
    """Plan all the work of a suite; with ``limit``, only so many units (:func:`nova_bench.pipeline.limit.limited`).

    ``notice(text, names)`` reports what is left out.

    UserError if two units would be the same, if prompts or metadata that a scorer reads are missing, or if there are
    absurdly many prompts.
    """
    file_digest = content_digest(suite.media, file_digest)
    model = adapter.digest()
    existing = adapter.existing()
    if existing is not None:
        if limit is not None:  # a few files to look at should be files that exist
            existing = sorted(existing, key=lambda sample: sample.path is None)
        _notice_limit(len(existing), limit, notice)
        existing = limited(existing, limit, suite.scorers, lambda sample: sample.tags)
        units = [_existing_unit(sample, suite, model, file_digest) for sample in existing]
    else:
        units = _generated_units(suite, model, file_digest, limit, notice)
    _refuse_same_units(units, suite)
    scorers = tuple(
        scorer for use in suite.scorers for scorer in plan_scorers(use, asset_digest, suite.reference, suite.media)
    )
    _refuse_twice(scorers, suite)
    _check_keepers(scorers, suite)
    check_metadata(units, scorers, suite.name)
    if suite.execution.shard:
        units = _shard(units, suite, notice)
    return Plan(suite, tuple(units), scorers, identify_run(suite, units, scorers), model)


def part_of_plan(plan: Plan, keep: Callable[[Unit], bool]) -> Plan:
    """The same plan for only some of its units: a run of its own, whose samples and scores are the same."""
    units = tuple(unit for unit in plan.units if keep(unit))
    return replace(plan, units=units, run_id=identify_run(plan.suite, units, plan.scorers))


def identify_run(suite: Suite, units: Sequence[Unit], scorers: Sequence[PlannedScorer]) -> str:
    """The run's id, from what decides its samples and scores."""
    return digest(
        "run",
        [
            suite.name,
            [[unit.digest, sorted(unit.tags), *_metadata_read(unit, scorers)] for unit in units],
            [[s.identity, sorted(s.tags), *_counted(s)] for s in scorers],
        ],
    )


def _counted(scorer: PlannedScorer) -> list[Any]:
    """What decides how a scorer's rows count; empty if nothing does."""
    kept = [scorer.keep.model_dump()] if scorer.keep else []
    return [*kept, scorer.aggregate] if scorer.aggregate else kept


def content_digest(media: MediaLimits, file_digest: Callable[[Path], str]) -> Callable[[Path], str]:
    """How a plan digests a sample, a first frame or a reference: a file, a folder of frames, a file yet to be made."""
    return with_frame_folders(with_recipes(file_digest), media)


def _metadata_read(unit: Unit, scorers: Sequence[PlannedScorer]) -> list[str]:
    """The metadata of a unit that any of its scorers reads; empty if none reads any."""
    names = {name for scorer in scorers if scorer.applies_to(unit) for name in scorer.info.reads.model_fields}
    return [unit.metadata.only(names).text] if names else []


def plan_scorers(
    use: ScorerUse, asset_digest: Callable[[str], str], reference: ReferenceSpec, media: MediaLimits
) -> tuple[PlannedScorer, ...]:
    """A scorer as a suite uses it, and those that it brings along. Of the media limits only the use of truncated files
    enters an identity."""
    info = SCORERS.get(use.name)
    if use.aggregate not in ("", *info.aggregates):
        known = list(info.aggregates)
        remedy = f"one of: {', '.join(known)}" if known else "remove `aggregate`: the scorer has only one"
        hint = nearest(use.aggregate, known)
        raise UserError(f"scorer {use.name}: unknown aggregate {use.aggregate!r}{hint}", remedy)
    return tuple(_planned(metric, use, asset_digest, reference, media) for metric in info.metrics(use.settings))


def _planned(
    info: ScorerInfo,
    use: ScorerUse,
    asset_digest: Callable[[str], str],
    reference: ReferenceSpec,
    media: MediaLimits,
) -> PlannedScorer:
    # Only a value other than the default is included, so that scores from before the option keep their identity.
    alignment = reference.model_dump(exclude_defaults=True) if info.needs_reference else {}
    identity = digest(
        "scorer",
        [
            info.rows_of or info.name,
            info.version,
            {name: asset_digest(name) for name in info.assets},
            use.settings.model_dump(mode="json"),
            *([alignment] if alignment else []),
            *(["truncated videos allowed"] if media.allow_truncated else []),
        ],
    )
    info = info.aggregated(use.aggregate)
    return PlannedScorer(info, use.settings, frozenset(use.tags), identity, use.keep, use.optional, use.aggregate)


def with_own_rows(scorers: Iterable[PlannedScorer]) -> list[PlannedScorer]:
    """The scorers without those that share the rows of an earlier one."""
    first: dict[str, PlannedScorer] = {}
    for scorer in scorers:
        first.setdefault(scorer.identity, scorer)
    return list(first.values())


def _refuse_twice(scorers: Iterable[PlannedScorer], suite: Suite) -> None:
    names = [scorer.info.name for scorer in scorers]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UserError(f"suite {suite.name}: scorer {twice[0]!r} appears twice", "keep one use of it")


def _check_keepers(scorers: Sequence[PlannedScorer], suite: Suite) -> None:
    free = [scorer.info.name for scorer in scorers if scorer.keep is None]
    for scorer in scorers:
        if scorer.keep and scorer.keep.scorer not in free:
            raise UserError(
                f"suite {suite.name}: {scorer.info.name} keeps what {scorer.keep.scorer!r} gives 1, which is not a "
                f"scorer of the suite without `keep`{nearest(scorer.keep.scorer, free)}",
                "add it to the scorers, with the same tags",
            )


def _existing_unit(
    sample: ExistingSample, suite: Suite, adapter_digest: str, file_digest: Callable[[Path], str]
) -> Unit:
    content = _digest_or_missing(sample.path, file_digest) if sample.path else MISSING
    identity = prompt_id(sample.prompt)
    known = content if content != MISSING else [MISSING, sample.path]
    return Unit(
        digest=digest("unit", [adapter_digest, known, sample.prompt, sample.sample_index]),
        prompt_id=identity,
        prompt=sample.prompt,
        model_text=sample.model_text or sample.prompt,
        sample_index=sample.sample_index,
        seed=seed_for(suite.seed, identity, sample.sample_index),
        tags=sample.tags,
        source=sample.path,
        metadata=sample.metadata,
        content_digest="" if content == MISSING else content,
        reference=sample.reference,
        reference_digest=_digest_or_missing(sample.reference, file_digest) if sample.reference else "",
    )


def _generated_units(
    suite: Suite,
    adapter_digest: str,
    file_digest: Callable[[Path], str],
    limit: int | None,
    notice: Callable[..., None],
) -> list[Unit]:
    # What all units share is digested once, so that planning thousands of them takes milliseconds. What a suite leaves
    # to the model is not included, so that a setting added to nova_bench later changes no digest.
    shared = digest("sampling", [adapter_digest, suite.sampling.model_dump(mode="json", exclude_none=True)])
    entries = suite_prompts(suite, file_digest, notice)
    uses_reference = ADAPTERS.get(suite.model.adapter).uses_reference
    count = sum(entry.samples or 1 for entry in entries)
    _notice_limit(count, limit, notice)
    if limit is None and count > MOST_UNITS:
        raise UserError(f"suite {suite.name}: {count} samples, more than {MOST_UNITS}", "correct samples_per_prompt")
    most = MOST_UNITS if limit is None else limit
    samples = [(entry, index) for entry in entries for index in range(min(entry.samples or 1, most))]
    units: list[Unit] = []
    for entry, group in groupby(limited(samples, limit, suite.scorers, lambda s: s[0].tags), key=itemgetter(0)):
        image_digest = _first_frame_digest(entry, file_digest)
        identity = prompt_id(entry.text, image_digest)
        reference = str(locate(entry.reference)) if entry.reference else None
        reference_digest = _digest_or_missing(reference, file_digest) if reference else ""
        text = entry.model_text or entry.text
        for _, index in group:
            seed = seed_for(suite.seed, identity, index)
            content = [shared, text, image_digest, seed, *([reference_digest] if uses_reference else [])]
            units.append(
                Unit(
                    digest=digest("unit", content),
                    prompt_id=identity,
                    prompt=entry.text,
                    model_text=text,
                    sample_index=index,
                    seed=seed,
                    tags=entry.tags,
                    image=str(locate(entry.image)) if entry.image else None,
                    reference=reference,
                    reference_digest=reference_digest,
                    metadata=entry.metadata,
                )
            )
    return units


def _shard(units: Sequence[Unit], suite: Suite, notice: Callable[..., None]) -> list[Unit]:
    """The units of every n-th prompt: a prompt's samples stay together, since a filter may choose among them."""
    number, count = map(int, suite.execution.shard.split("/"))
    prompts = list(dict.fromkeys(unit.prompt_id for unit in units))
    if count > len(prompts):
        raise UserError(
            f"suite {suite.name}: {len(prompts)} prompts can't be shared among {count} parts",
            f"--shard I/{len(prompts)} at most",
        )
    kept = set(prompts[number - 1 :: count])
    part = [unit for unit in units if unit.prompt_id in kept]
    notice(f"part {number} of {count}: {len(part)} of {len(units)} samples (--shard)", asked=True)
    return part


def _notice_limit(count: int, limit: int | None, notice: Callable[..., None]) -> None:
    if limit is not None and limit < count:
        notice(f"limited to {limit} of {count} samples (--limit)", asked=True)


def _refuse_same_units(units: Sequence[Unit], suite: Suite) -> None:
    seen: set[str] = set()
    for unit in units:
        if unit.digest in seen:
            raise UserError(
                f"suite {suite.name}: prompt {shorten(unit.prompt)}, sample {unit.sample_index} is planned twice",
                "keep one of them",
            )
        seen.add(unit.digest)


def _first_frame_digest(entry: PromptEntry, file_digest: Callable[[Path], str]) -> str:
    if entry.image is None:
        return ""
    try:
        return file_digest(locate(entry.image))
    except OSError as error:
        raise UserError(
            f"prompt {shorten(entry.text)}: first frame {entry.image} can't be read: {error.strerror or error}",
            "correct `image` of that prompt",
        ) from error


def _digest_or_missing(path: str, file_digest: Callable[[Path], str]) -> str:
    try:
        return file_digest(Path(path))
    except OSError:
        return MISSING
