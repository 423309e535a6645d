"""A benchmark's own results files as a run in the store, so that `report`, `compare` and the rest take them as any run.

A file's aggregate counts. Its videos give an interval if they also give the aggregate. Paths of videos are only text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from nova_bench.config.catalog import COMPOSITES, SCORERS
from nova_bench.config.loading import load_suite
from nova_bench.config.suite import ModelSpec, SamplingSpec, ScorerUse, Suite
from nova_bench.config.units import Unit
from nova_bench.core.errors import UserError
from nova_bench.core.identity import digest, prompt_id
from nova_bench.core.notices import Notice
from nova_bench.core.regular_files import read_text, why_unread
from nova_bench.pipeline.composite import leaf_metrics
from nova_bench.pipeline.plan import Plan, PlannedScorer, Stated, identify_run
from nova_bench.pipeline.record import record_of
from nova_bench.prompts.file_names import meaning
from nova_bench.protocols.base import ResultRow, ResultsFile, StatedResult
from nova_bench.scorers.base import ScorerInfo
from nova_bench.store import Row, Status, Store

TOLERANCE = 1e-6
"""Largest difference between a file's aggregate and the one that its videos give."""
NAME = "{}_imported"
"""Name of the suite of imported results, from that of the benchmark's suite."""
NOT_FINITE = "the results file has no finite number for it"


@dataclass(frozen=True)
class _Read:
    """The metrics of all files, a digest of their content, and the JSON files that hold none."""

    metrics: Mapping[str, StatedResult]
    content: str
    left_out: tuple[str, ...]


def import_results(path: Path, form: ResultsFile, suite: str, label: str, store: Store) -> Plan:
    """Record the results in a file, or in all files of a folder, as a run; the same results are the same run.

    ``suite`` has the final scores and the published numbers to show. UserError for a file that can't be read or is
    damaged, a folder without results, and two files with one metric. If ``label`` is empty, the model is called as the
    file or the folder.
    """
    read, base = _read(path, form), load_suite(suite)
    uses = [_use(name, base) for name in dict.fromkeys([*_needed(base), *read.metrics])]
    metrics = {use.name: read.metrics.get(use.name, StatedResult(use.name, None, ())) for use in uses}
    keys = {name: [_key(path, name, row) for row in metric.rows] for name, metric in metrics.items()}
    units = _units(metrics, keys, read.content)
    scorers = [_scorer(read, use, metrics[use.name], len(set(keys[use.name])) < len(keys[use.name])) for use in uses]
    imported = _suite(base, uses, label or path.absolute().name.removesuffix(form.ending))
    run = identify_run(imported, [*units.values()], scorers)
    plan = Plan(imported, tuple(units.values()), tuple(scorers), run)
    store.add_rows(
        _row(row, units[key], scorer)
        for scorer in scorers
        for key, row in zip(keys[scorer.info.name], metrics[scorer.info.name].rows, strict=True)
    )
    store.add_run(record_of(plan))
    store.set_notices(plan.run_id, [*_notices(plan, read), *_other_aggregates(uses, scorers)])
    store.back_up()
    return plan


def _suite(base: Suite, uses: Sequence[ScorerUse], label: str) -> Suite:
    """The suite of imported results: final scores, published numbers and rules are those of ``base``."""
    return base.model_copy(
        update={
            "name": NAME.format(base.name),
            "title": f"{base.title}: imported results",
            "description": "The aggregates are those of the results file. Intervals come from its videos.",
            "model": ModelSpec(adapter="files", label=label),
            "prompts": None,
            "sampling": SamplingSpec(),
            "scorers": tuple(uses),
        }
    )


def _needed(suite: Suite) -> Iterator[str]:
    """The metrics that the suite's final scores rest on."""
    for score in suite.derived:
        yield from leaf_metrics(COMPOSITES.get(score), COMPOSITES.all())


def _use(name: str, suite: Suite) -> ScorerUse:
    """How a metric is imported: with the aggregate of the suite, and without a filter, which was applied before."""
    aggregate = next((use.aggregate for use in suite.scorers if use.name == name), "")
    return ScorerUse(name=name, settings=SCORERS.get(name).settings(), aggregate=aggregate)


def _read(path: Path, form: ResultsFile) -> _Read:
    if not path.is_dir():
        metrics, text = _metrics(path, form)
        if not metrics:
            raise UserError(f"{path}: no {form.title} results", f"name a file NAME{form.ending}")
        return _Read({result.metric: result for result in metrics}, digest("results", [text]), ())
    files = sorted(file for file in path.rglob("*.json") if not file.name.startswith("."))
    found: dict[str, tuple[Path, StatedResult]] = {}
    texts, left_out = [], []
    for file in files:
        metrics, text = _metrics(file, form)
        if not metrics:
            left_out.append(str(file.relative_to(path)))
            continue
        texts.append(text)
        for result in metrics:
            other, _ = found.setdefault(result.metric, (file, result))
            if other != file:
                raise UserError(f"{path}: {result.metric} is in {other.name} and in {file.name}", "name one file")
    if not found:
        raise UserError(f"{path}: no {form.title} results", f"name a folder with files NAME{form.ending}")
    results = {name: result for name, (_, result) in found.items()}
    return _Read(results, digest("results", texts), tuple(left_out))


def _metrics(file: Path, form: ResultsFile) -> tuple[list[StatedResult], str]:
    try:
        text = read_text(file)
        return form.read(text), text
    except OSError as error:
        raise UserError(f"{file}: {why_unread(error)}", f"name a file NAME{form.ending}, or a folder") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{file}: not a text file", "unpack an archive first, and name its folder") from error
    except ValueError as error:
        raise UserError(f"{file}: no results file: {error}", "use the file that the evaluator wrote") from error


def _key(path: Path, metric: str, row: ResultRow) -> tuple[str, int]:
    """Prompt and index of a video, as its file name states them."""
    try:
        prompt, index = meaning(Path(row.path.replace("\\", "/")), "prompt-index")
    except UserError as error:
        raise UserError(f"{path}: {metric}: {error.message}", error.remedy) from error
    if not prompt:
        raise UserError(f"{path}: {metric}: {row.path!r} names no video", "use the file that the evaluator wrote")
    return prompt, index


def _units(
    metrics: Mapping[str, StatedResult], keys: Mapping[str, Sequence[tuple[str, int]]], content: str
) -> dict[tuple[str, int], Unit]:
    """A unit for each video, tagged with the metrics that list it."""
    units: dict[tuple[str, int], Unit] = {}
    for name, metric in metrics.items():
        for (prompt, index), row in zip(keys[name], metric.rows, strict=True):
            own = digest("imported", [content, prompt, index])
            unit = units.get((prompt, index)) or Unit(
                digest=own,
                prompt_id=prompt_id(prompt),
                prompt=prompt,
                model_text=prompt,
                sample_index=index,
                seed=0,
                source=row.path,
                content_digest=own,
                imported=True,
            )
            units[prompt, index] = replace(unit, tags=tuple(dict.fromkeys((*unit.tags, name))))
    return units


def _scorer(read: _Read, use: ScorerUse, result: StatedResult, repeated: bool) -> PlannedScorer:
    info = SCORERS.get(use.name)
    if use.name not in read.metrics:
        aggregate, problem = use.aggregate, "not in the results file"
    elif repeated:
        aggregate, problem = use.aggregate, "the results file lists a video twice"
    else:
        aggregate, problem = _agreement(result, info, use.aggregate)
    return PlannedScorer(
        info=info.aggregated(aggregate),
        settings=info.settings(),
        tags=frozenset([use.name]),
        identity=digest("imported scorer", [read.content, use.name]),
        aggregate=aggregate,
        stated=Stated(result.value, problem),
    )


def _agreement(result: StatedResult, info: ScorerInfo, wanted: str) -> tuple[str, str]:
    """The aggregate by which the videos give the stated value, and why none does (or empty)."""
    if result.value is None:
        return wanted, NOT_FINITE
    if not result.rows:
        return wanted, "the results file lists no videos"
    if any(row.value is None for row in result.rows):
        return wanted, "the results file has a video without a finite number"
    given = {name: _aggregate(result.rows, info, name) for name in dict.fromkeys([wanted, "", *info.aggregates])}
    for name, value in given.items():
        if value is not None and abs(value - result.value) <= TOLERANCE:
            return name, ""
    return wanted, f"the results file states {result.value:.6g}, but its videos give {given['']:.6g}"


def _aggregate(rows: Sequence[ResultRow], info: ScorerInfo, name: str) -> float | None:
    """What rows with values give by an aggregate of the scorer; None if they lack what it counts."""
    weighted = info.aggregated(name).average == "weighted"
    last_of = info.aggregates[name].last_of if name else ""
    if last_of and any(last_of not in row.details for row in rows):
        return None
    weights = [row.weight if weighted else 1.0 for row in rows]
    values = [float(row.details[last_of][-1] if last_of else row.value or 0.0) for row in rows]
    return sum(value * weight for value, weight in zip(values, weights, strict=True)) / sum(weights)


def _row(row: ResultRow, unit: Unit, scorer: PlannedScorer) -> Row:
    return Row(
        artifact=unit.content_digest,
        identity=scorer.identity,
        inputs=scorer.inputs(unit),
        scorer=scorer.info.name,
        version="imported",
        status=Status.FAILED if row.value is None else Status.OK,
        value=row.value,
        weight=row.weight,
        message=NOT_FINITE if row.value is None else "",
        details=dict(row.details),
    )


def _notices(plan: Plan, read: _Read) -> Iterator[Notice]:
    yield Notice("imported scores: the videos were not looked at, and nothing is known of how they were made")
    if absent := [name for name in _needed(plan.suite) if name not in read.metrics]:
        yield Notice(f"no final score that needs {', '.join(dict.fromkeys(absent))}: not in the results")
    if read.left_out:
        count = len(read.left_out)
        yield Notice(f"{count} JSON file{'s' if count > 1 else ''} without results left out", read.left_out)


def _other_aggregates(uses: Sequence[ScorerUse], scorers: Sequence[PlannedScorer]) -> Iterator[Notice]:
    for use, scorer in zip(uses, scorers, strict=True):
        if use.aggregate != scorer.aggregate:
            stated, wanted = (name or "the scorer's own" for name in (scorer.aggregate, use.aggregate))
            yield Notice(f"{use.name}: the results file's aggregate is {stated}, the suite's {wanted}")
