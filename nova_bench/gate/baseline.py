"""Baselines: what a blessed run measured, as canonical JSON that is small and can be compared line by line.

Each prompt is one line. The file carries a digest of its own content, so that only `bless` changes one, and the values
of the first baseline of its line, so that `check` also sees many small losses that each passed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from nova_bench import __version__
from nova_bench.config.suite import GateSpec
from nova_bench.core.atomic_files import write_atomic
from nova_bench.core.errors import UserError
from nova_bench.core.identity import canonical_json, digest
from nova_bench.core.json_text import parse_json
from nova_bench.core.messages import expectation
from nova_bench.core.regular_files import read_text
from nova_bench.gate.card import MetricCard
from nova_bench.gate.side import MetricData, Sample, Side
from nova_bench.store import Status

FORMAT = 1
_FAILED = "failed"
_NOT_MEASURABLE = "not measurable"
Value = float | tuple[float, float] | Literal["failed", "not measurable"] | None
"""One sample's value, with its weight if the metric is a weighted mean, or why there is none; null: no such sample."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class BlessedMetric(_Part):
    """A metric and how it was computed."""

    unit: str
    digits: int
    higher_is_better: bool
    range: tuple[float | None, float | None]
    binary: bool
    weighted: bool
    identity: str
    version: str
    weights: dict[str, str]
    settings: dict[str, Any]
    judge: str
    keep: str


class BlessedPrompt(_Part):
    """A prompt: its values by metric, one per sample index."""

    id: str
    text: str
    model_text: str | None
    samples: int
    values: dict[str, list[Value]]
    inputs: dict[str, str] = {}


class BlessedSide(_Part):
    """What a run measured; see :class:`nova_bench.gate.side.Side`."""

    blessed: str
    nova_bench: str
    label: str
    run: str
    model: str | None
    seed: int | None
    packages: dict[str, str | None]
    card: dict[str, Any]
    metrics: dict[str, BlessedMetric]
    composites: tuple[str, ...]
    filters: tuple[str, ...]
    requested: int
    failed: int
    prompts: tuple[BlessedPrompt, ...]


class Baseline(_Part):
    """A baseline's file. ``digest`` is of all else; ``first`` is the first baseline of the line, None in the first."""

    format: int
    digest: str
    suite: str
    title: str
    gate: GateSpec
    blessings: int
    side: BlessedSide
    first: BlessedSide | None

    def as_side(self, name: str, which: Literal["side", "first"] = "side") -> Side:
        """The blessed values as one side of a comparison; ``name`` is the file's."""
        part = self.first or self.side if which == "first" else self.side
        return _side(part, name, self.suite, self.title)


def new_baseline(side: Side, gate: GateSpec, blessed: str, before: Baseline | None) -> Baseline:
    """Bless what a run measured; ``before`` is the baseline that it replaces."""
    content = {
        "format": FORMAT,
        "suite": side.suite,
        "title": side.title,
        "gate": gate.model_dump(mode="json"),
        "blessings": before.blessings + 1 if before else 1,
        "side": _blessed(side, blessed).model_dump(mode="json"),
        "first": (before.first or before.side).model_dump(mode="json") if before else None,
    }
    return Baseline.model_validate({**content, "digest": _digest(content)})


def read_baseline(path: Path) -> Baseline:
    """Read a baseline. UserError if there is none, if it isn't one, or if its content doesn't match its digest."""
    try:
        content = parse_json(read_text(path))
    except OSError as error:
        raise UserError(
            f"{path}: no baseline: {error.strerror or error}", "python -m nova_bench bless SUITE --baseline FILE"
        ) from error
    except ValueError as error:
        raise UserError(f"{path}: not a baseline: {error}", "give a file that `bless` wrote") from error
    if not isinstance(content, dict) or "format" not in content:
        raise UserError(f"{path}: not a baseline", "give a file that `bless` wrote")
    if content["format"] != FORMAT:
        raise UserError(
            f"{path}: a baseline of format {content['format']!r}; this version reads {FORMAT}",
            "use the nova_bench version that wrote it, or bless again",
        )
    if content.get("digest") != _digest({name: part for name, part in content.items() if name != "digest"}):
        raise UserError(f"{path}: changed by something other than `bless`", "restore it, or bless --update")
    try:
        return Baseline.model_validate(content)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        where = ".".join(map(str, problem["loc"]))
        raise UserError(f"{path}: {where}: {expectation(problem)}", "restore it, or bless --update") from error


def write_baseline(baseline: Baseline, path: Path) -> Path:
    """Write the file atomically: sorted keys, one line per prompt."""
    content = baseline.model_dump(mode="json")
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_atomic(path, (_text(content, 0) + "\n").encode())


def _text(content: Any, depth: int) -> str:
    """JSON with sorted keys: mappings and lists of mappings spread over lines to a depth of three, the rest compact."""
    indent, end = " " * (depth + 1), " " * depth
    if isinstance(content, Mapping) and content and depth < 3:
        lines = [f"{indent}{json.dumps(key)}: {_text(content[key], depth + 1)}" for key in sorted(content)]
        return "{\n" + ",\n".join(lines) + f"\n{end}}}"
    if isinstance(content, list) and content and isinstance(content[0], Mapping):
        return "[\n" + ",\n".join(f"{indent}{canonical_json(item)}" for item in content) + f"\n{end}]"
    return canonical_json(content)


def _digest(content: Mapping[str, Any]) -> str:
    return digest("baseline", content)


def _blessed(side: Side, blessed: str) -> BlessedSide:
    prompts = []
    for prompt, text in side.prompts.items():
        values = {
            name: [_value(samples.get(index), metric.weighted) for index in range(max(samples) + 1)]
            for name, metric in side.metrics.items()
            if (samples := metric.samples.get(prompt))
        }
        inputs = {name: metric.inputs[prompt] for name, metric in side.metrics.items() if prompt in metric.inputs}
        prompts.append(
            BlessedPrompt(
                id=prompt,
                text=text,
                model_text=side.texts.get(prompt),
                samples=side.counts[prompt],
                values=values,
                inputs=inputs,
            )
        )
    return BlessedSide(
        blessed=blessed,
        nova_bench=__version__,
        label=side.label,
        run=side.name,
        model=side.model,
        seed=side.seed,
        packages=dict(side.packages),
        card=dict(side.card),
        metrics={name: _metric(metric) for name, metric in side.metrics.items()},
        composites=side.composites,
        filters=side.filters,
        requested=side.requested,
        failed=side.failed,
        prompts=tuple(prompts),
    )


def _metric(metric: MetricData) -> BlessedMetric:
    return BlessedMetric(
        unit=metric.unit,
        digits=metric.digits,
        higher_is_better=metric.higher_is_better,
        range=metric.range,
        binary=metric.binary,
        weighted=metric.weighted,
        **{**vars(metric.card), "weights": dict(metric.card.weights), "settings": dict(metric.card.settings)},
    )


def _value(sample: Sample | None, weighted: bool) -> Value:
    if sample is None or sample.status is None:
        return None
    if sample.status != Status.OK or sample.value is None:
        return "failed" if sample.status == Status.FAILED else "not measurable"
    return (sample.value, sample.weight) if weighted else sample.value


def _sample(value: Value) -> Sample:
    if value == _FAILED:
        return Sample(Status.FAILED)
    if value == _NOT_MEASURABLE:
        return Sample(Status.NOT_MEASURABLE)
    if isinstance(value, tuple):
        return Sample(Status.OK, *value)
    assert isinstance(value, float), "null stands for no sample"
    return Sample(Status.OK, value)


def _side(part: BlessedSide, name: str, suite: str, title: str) -> Side:
    metrics = {}
    for metric_name, known in part.metrics.items():
        card = MetricCard(known.identity, known.version, known.weights, known.settings, known.judge, known.keep)
        metrics[metric_name] = MetricData(
            name=metric_name,
            unit=known.unit,
            digits=known.digits,
            higher_is_better=known.higher_is_better,
            range=known.range,
            binary=known.binary,
            weighted=known.weighted,
            card=card,
            samples={
                prompt.id: {i: _sample(value) for i, value in enumerate(values) if value is not None}
                for prompt in part.prompts
                if (values := prompt.values.get(metric_name)) is not None
            },
            inputs={p.id: p.inputs[metric_name] for p in part.prompts if metric_name in p.inputs},
        )
    return Side(
        label=part.label,
        what="baseline",
        name=name,
        suite=suite,
        title=title,
        card=part.card,
        prompts={prompt.id: prompt.text for prompt in part.prompts},
        texts={prompt.id: prompt.model_text for prompt in part.prompts},
        metrics=metrics,
        counts={prompt.id: prompt.samples for prompt in part.prompts},
        composites=part.composites,
        filters=part.filters,
        created=part.blessed,
        model=part.model,
        seed=part.seed,
        packages=part.packages,
        requested=part.requested,
        failed=part.failed,
    )
