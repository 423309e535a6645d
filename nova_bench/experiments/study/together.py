"""Runs that exist, as the arms of a study: several models of one benchmark in one report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from nova_bench.core.errors import UserError
from nova_bench.experiments.registry import BENCHMARK
from nova_bench.experiments.study.record import ArmRecord, StudyRecord
from nova_bench.pipeline.record import plan_of
from nova_bench.report.naming import model_name
from nova_bench.store.store import StoredRun

NAME = "together"


def study_of_runs(runs: Sequence[StoredRun]) -> StudyRecord:
    """The record of a study whose arms are these runs, named after their models; rules are those of the first.

    Raises UserError for a run that isn't of the kind `benchmark`, or that is named twice.
    """
    for run in runs:
        if run.suite.get("kind", BENCHMARK) != BENCHMARK:
            raise UserError(f"run {run.name} is a {run.suite['kind']}", "name runs of single models")
    if twice := [name for name, count in Counter(run.name for run in runs).items() if count > 1]:
        raise UserError(f"run {twice[0]} is named twice", "name each run once")
    plans = [plan_of(run) for run in runs]
    names = [model_name(plan) for plan in plans]
    labels = [name if names.count(name) == 1 else f"{name} ({run.name})" for name, run in zip(names, runs, strict=True)]
    first = plans[0].suite
    return StudyRecord(
        name=NAME,
        title=first.title if len({plan.suite.title for plan in plans}) == 1 else "Several runs",
        description="",
        reference=labels[0],
        arms=tuple(
            ArmRecord(label=label, setting=label, seed=None, run=run.run, problem="", published=None)
            for label, run in zip(labels, runs, strict=True)
        ),
        published=first.published,
        statistics=first.statistics,
        report=first.report,
    )
