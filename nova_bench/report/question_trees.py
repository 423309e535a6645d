"""Prompts with the questions that a judge answered about their images: what it said, and what made what count as no."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean
from typing import TYPE_CHECKING

from nova_bench.config.metadata import ITEM
from nova_bench.core.progress import Progress
from nova_bench.pipeline.aggregate import MetricSummary, SampleScore, by_prompt
from nova_bench.pipeline.plan import Plan
from nova_bench.render.grid import format_number
from nova_bench.render.html.trees import GivenAnswer, QuestionTree, TreeImage, TreeQuestion
from nova_bench.report.answers import judged_answers, said_yes
from nova_bench.report.sources import Sources
from nova_bench.store import Artifact, FailedUnit, Status

if TYPE_CHECKING:
    from nova_bench.scorers.base import ScorerInfo

_Metric = tuple["ScorerInfo", Mapping[str, Sequence[SampleScore]]]
"""A metric, and the results of each prompt's samples."""
_RULES = {"corrected": "zeroed_by", "official": "official_zeroed_by"}
"""Rule -> its key in the details of an answer."""


def question_trees(
    plan: Plan,
    summaries: Sequence[MetricSummary],
    artifacts: Mapping[str, Artifact | FailedUnit],
    sources: Sources,
    progress: Progress,
) -> tuple[tuple[QuestionTree, ...], str]:
    """The prompts with the lowest scores, as many as the suite's gallery has room for, and which these are.

    None if no row has answers. A prompt with answers of several judges appears once for each.
    """
    chosen: dict[str, list[MetricSummary]] = {}
    for summary in summaries:
        if any(judged_answers(score) for score in summary.samples):
            chosen.setdefault(summary.scorer.identity, []).append(summary)
    most = max((len(prompt) for found in chosen.values() for prompt in by_prompt(found[0].samples)), default=1)
    limit = plan.suite.report.gallery // most
    trees, total = [], 0
    with progress.stage("questions", min(limit, len({unit.prompt_id for unit in plan.units})) * len(chosen)) as advance:
        for same_rows in chosen.values():
            metrics = [summary for summary in same_rows if summary.scorer.info.breakdown] or same_rows[:1]
            by_id = [(s.scorer.info, {one[0].unit.prompt_id: one for one in by_prompt(s.samples)}) for s in metrics]
            prompts = sorted(by_id[0][1].values(), key=_rank)
            total += len(prompts)
            for prompt in prompts[:limit]:
                trees.append(_tree(prompt, by_id, artifacts, sources))
                advance(1)
    if len(trees) == total:
        return tuple(trees), f"All {total:,} prompts, the lowest score first."
    return tuple(trees), f"The {len(trees):,} of {total:,} prompts with the lowest scores. More: report.gallery."


def _rank(prompt: Sequence[SampleScore]) -> tuple[bool, float]:
    """Lowest score first, prompts without one last."""
    value = _mean(prompt)
    return value is None, value or 0.0


def _mean(prompt: Sequence[SampleScore]) -> float | None:
    known = [score.value for score in prompt if score.status == Status.OK]
    return fmean(known) if known else None


def _tree(
    prompt: Sequence[SampleScore],
    metrics: Sequence[_Metric],
    artifacts: Mapping[str, Artifact | FailedUnit],
    sources: Sources,
) -> QuestionTree:
    unit = prompt[0].unit
    first = next((told for score in prompt if (told := judged_answers(score))), [])
    return QuestionTree(
        prompt=unit.prompt,
        name=str(unit.metadata.values().get(ITEM, "")),
        judge=str(next((score.row.details.get("judge", "") for score in prompt if score.row), "")),
        notes=tuple(_scores(unit.prompt_id, metrics)),
        images=tuple(_image(score, artifacts.get(score.unit.digest), sources) for score in prompt),
        questions=tuple(
            TreeQuestion(
                number=int(asked["number"]),
                parents=tuple(asked.get("parents", ())),
                category=str(asked.get("category", "")),
                text=str(asked["question"]),
                answers=tuple(_given(score, place) for score in prompt),
            )
            for place, asked in enumerate(first)
        ),
    )


def _scores(prompt_id: str, metrics: Sequence[_Metric]) -> Iterator[str]:
    """The prompt's score in each metric, or why it has none."""
    for info, prompts in metrics:
        prompt = prompts.get(prompt_id, [])
        value = _mean(prompt)
        if value is not None:
            yield f"{info.name}: {format_number(value, info.digits)} {info.unit}".rstrip()
        elif prompt:
            yield f"{info.name}: {prompt[0].row.message if prompt[0].row else 'not scored'}"


def _image(score: SampleScore, artifact: Artifact | FailedUnit | None, sources: Sources) -> TreeImage:
    told = judged_answers(score)
    notes = [] if score.unit.source else [f"seed {score.unit.seed}"]
    yes = sum(map(said_yes, told))
    notes.append(f"{yes} of {len(told)} answered yes" if told else _problem(score))
    return TreeImage(tuple(notes), sources.file(artifact), sources.poster(artifact))


def _problem(score: SampleScore) -> str:
    return (score.row.message if score.row else score.problem) or "no answers yet"


def _given(score: SampleScore, place: int) -> GivenAnswer | None:
    told = judged_answers(score)
    if place >= len(told):
        return None
    answer = told[place]
    zeroed = {rule: int(answer[key]) for rule, key in _RULES.items() if answer.get(key) is not None}
    return GivenAnswer(str(answer["answer"]), answer.get("p"), zeroed)
