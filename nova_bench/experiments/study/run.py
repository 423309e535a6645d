"""Run a study: every arm like a suite of its own, in one store, then the joint report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nova_bench.assets import asset_digest
from nova_bench.config.catalog import ADAPTERS
from nova_bench.config.suite import Suite
from nova_bench.core.device import resolve_device
from nova_bench.core.errors import MissingAsset, StoreError, UserError
from nova_bench.core.notices import unheard
from nova_bench.core.progress import Progress
from nova_bench.experiments.base import Request
from nova_bench.experiments.benchmark.report import write_run_report
from nova_bench.experiments.study.diagram import diagram_record
from nova_bench.experiments.study.load import LoadedStudy, load_study
from nova_bench.experiments.study.record import ArmRecord, StudyRecord
from nova_bench.experiments.study.report import write_study_report
from nova_bench.experiments.study.spec import Arm, DiagramSpec, StabilitySpec
from nova_bench.models.nova import CheckpointSpec, video_lengths
from nova_bench.pipeline.generate_worker import build_adapter
from nova_bench.pipeline.plan import make_plan
from nova_bench.pipeline.run import measure_suite
from nova_bench.report.reported import Reported
from nova_bench.store import Store
from nova_bench.train.record import read_record


def run_study(request: Request, progress: Progress) -> Reported:
    """Run a suite of the kind "study". An arm that can't be measured is reported, and the others are measured.

    Raises UserError if no arm can be measured and none has a training to show, and for problems that concern all of
    them (the study file, the store).
    """
    loaded = load_study(request)
    with Store.writer(request.store) as store:
        runs: list[str] = [""] * len(loaded.suites)
        problems: list[UserError | None] = [None] * len(loaded.suites)
        if not loaded.study.trainings_only:
            runs, problems = _measure_all(loaded, store, request.limit, progress)
        record = record_of(loaded, runs, problems)
        if not any(runs) and not any(arm.training or arm.stability for arm in record.arms):
            # Mistakes are reported before missing weights: fetching those would not help.
            told = sorted((p for p in problems if p is not None), key=lambda p: isinstance(p, MissingAsset))
            nothing = f"study {loaded.study.name}: no arm has a record of its training"
            raise told[0] if told else UserError(nothing, "state arms' `training`")
        store.add_run(record.stored())
        store.back_up()
        with progress.stage("report", 0):
            folder = store.run_folder(record.run_name)
            return write_study_report(record, store, folder, progress)


def _measure_all(
    loaded: LoadedStudy, store: Store, limit: int | None, progress: Progress
) -> tuple[list[str], list[UserError | None]]:
    """Measure every arm that can be measured: its run id, or what prevented it."""
    # All are planned before the first is measured, so that missing parts are reported now, not hours later.
    problems = [_obstacle(suite, store, limit, progress) for suite in loaded.suites]
    for arm, problem in zip(loaded.study.arms, problems, strict=True):
        if problem is not None:
            progress.warn(f"{arm.label}: not computed: {problem}")
    runs = []
    for index, suite in enumerate(loaded.suites):
        run = ""
        if problems[index] is None:
            for notice in loaded.left_out[index]:
                progress.notice(notice.text, notice.names, asked=True)
            run, problems[index] = _measure(suite, store, limit, progress)
        runs.append(run)
    return runs, problems


def _obstacle(suite: Suite, store: Store, limit: int | None, progress: Progress) -> UserError | None:
    """Why an arm can't be measured; None if no obstacle is known."""
    execution = suite.execution.model_copy(update={"device": resolve_device(suite.execution.device)})
    suite = suite.model_copy(update={"execution": execution})
    try:
        if missing := list(ADAPTERS.get(suite.model.adapter).missing(suite.model)):
            return MissingAsset(f"needs {'; '.join(missing)}")
        make_plan(suite, build_adapter(suite, store.file_digest, unheard), store.file_digest, asset_digest, limit)
    except StoreError:
        raise
    except UserError as error:
        return error
    return None


def _measure(suite: Suite, store: Store, limit: int | None, progress: Progress) -> tuple[str, UserError | None]:
    """Measure one arm and write its own report; its run id, or what prevented it."""
    progress.say(f"arm {suite.name}")
    try:
        plan, folder = measure_suite(suite, store, limit, progress)
    except StoreError:
        raise
    except UserError as error:
        progress.warn(f"{suite.name}: not computed: {error}")
        return "", error
    write_run_report(plan, store, folder, progress)
    return plan.run_id, None


def record_of(loaded: LoadedStudy, runs: list[str], problems: list[UserError | None]) -> StudyRecord:
    """The store's record of a study."""
    study, first = loaded.study, loaded.suites[0]
    first_of_settings = list({arm.group or arm.label: arm for arm in reversed(study.arms)}.values())
    return StudyRecord(
        name=study.name,
        title=study.title,
        description=study.description,
        reference=study.reference or study.arms[0].group or study.arms[0].label,
        arms=tuple(
            ArmRecord(
                label=arm.label,
                setting=arm.group or arm.label,
                seed=arm.seed,
                run=run,
                problem="" if problem is None else " ".join(str(problem).split()),
                published=arm.published,
                **(_lengths(suite) if run else {}),
                **(_training(arm, suite) if study.training else {}),
                **(_stability(arm, study.stability) if study.stability and arm in first_of_settings else {}),
            )
            for arm, suite, run, problem in zip(study.arms, loaded.suites, runs, problems, strict=True)
        ),
        published=first.published,
        statistics=first.statistics,
        report=first.report,
        curves=study.curves,
        strips=study.strips,
        overview=study.overview,
        training=study.training,
        stability=study.stability,
        conclusion=study.conclusion,
        block_outputs=study.block_outputs,
        **(_diagram(study.diagram) if study.diagram else {}),
    )


def _diagram(asked: DiagramSpec) -> dict[str, Any]:
    """The diagram's record, or why it is missing; nothing else depends on it."""
    from nova_bench.nova.errors import NOVAError

    try:
        return {"diagram": diagram_record(asked)}
    except (UserError, NOVAError) as error:
        return {"diagram_problem": f"needs the configuration of {asked.checkpoint}: {error}"}


def _training(arm: Arm, suite: Suite) -> dict[str, Any]:
    """The record of an arm's training, or why it isn't there; empty if the arm states none."""
    if arm.training is None:
        return {}
    try:
        return {"training": read_record(Path(arm.training))}
    except UserError as error:
        remedy = getattr(suite.model, "made_by", "") or error.remedy
        return {"training_problem": f"{error.message} ({remedy})"}


def _stability(arm: Arm, asked: StabilitySpec) -> dict[str, Any]:
    """The records of an arm's trainings at high learning rates, and why any is missing; empty if it states none."""
    if arm.stability is None:
        return {}
    found, problem = [], ""
    for rate in asked.rates:
        try:
            found.append(read_record(Path(arm.stability.replace("{rate}", f"{rate:g}"))))
        except UserError as error:
            problem = problem or f"{error.message} ({error.remedy})"
    return {"stability": tuple(found), "stability_problem": problem}


def _lengths(suite: Suite) -> dict[str, Any]:
    """What curves need to know about an arm's checkpoint; empty if it has none."""
    if not isinstance(suite.model, CheckpointSpec):
        return {}
    trained, per_latent = video_lengths(suite.model)
    return {"trained_latents": trained, "frames_per_latent": per_latent}
