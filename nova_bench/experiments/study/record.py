"""The store's record of a study, from which its report is rebuilt without the study file or a model."""

from __future__ import annotations

from typing import Any, Literal

from nova_bench.config.fields import SpecModel
from nova_bench.config.suite import PublishedSpec, ReportSpec, StatisticsSpec
from nova_bench.core.identity import digest
from nova_bench.experiments.study.spec import (
    BlockOutputsSpec,
    ConclusionSpec,
    CurvesSpec,
    OverviewSpec,
    StabilitySpec,
    StripsSpec,
    TrainingSpec,
)
from nova_bench.store.store import StoredRun, stored_run
from nova_bench.train.record import TrainingRecord


class ArmRecord(SpecModel):
    """One arm: the run that measured it, or the problem that prevented it."""

    label: str
    """The arm's label."""
    setting: str
    """Its group, or its own label."""
    seed: int | None
    """Seed of its training."""
    run: str
    """Id of its run in the same store; empty if nothing was measured."""
    problem: str
    """Why nothing was measured; empty if something was."""
    published: PublishedSpec | None
    """Published numbers of this arm."""
    trained_latents: int | None = None
    """Latent frames of the videos that its checkpoint was trained on; None without a checkpoint."""
    frames_per_latent: int | None = None
    """Frames that its checkpoint's autoencoder decodes from each latent frame after the first."""
    training: TrainingRecord | None = None
    """How it was trained; None without a record."""
    training_problem: str = ""
    """Why there is no record, if the study asks for one."""
    stability: tuple[TrainingRecord, ...] = ()
    """Trainings at high learning rates; of the first arm of a setting alone."""
    stability_problem: str = ""
    """Why some of them are missing, if the study asks for them."""


class DiagramRecord(SpecModel):
    """A diagram and the configuration it is drawn from."""

    figure: str
    """Which figure."""
    config: dict[str, Any]
    """Keys of `transformer/config.json`."""


class StudyRecord(SpecModel):
    """A study that was run."""

    kind: Literal["study"] = "study"
    """Distinguishes it from a benchmark's record."""
    name: str
    """The study's name."""
    title: str
    """Title of the report."""
    description: str
    """What is compared and why."""
    reference: str
    """Setting that differences are relative to."""
    arms: tuple[ArmRecord, ...]
    """All arms, in order."""
    published: tuple[PublishedSpec, ...]
    """Published numbers of the base."""
    statistics: StatisticsSpec
    """How intervals are made."""
    report: ReportSpec
    """Gallery and embedding."""
    curves: CurvesSpec | None = None
    """Scores per autoregressive step."""
    strips: StripsSpec | None = None
    """Frames of single videos side by side."""
    overview: OverviewSpec | None = None
    """Chosen metrics, one per column."""
    training: TrainingSpec | None = None
    """How the arms' trainings went."""
    stability: StabilitySpec | None = None
    """At which learning rates the arms diverge."""
    conclusion: ConclusionSpec | None = None
    """What the study is about, in one number."""
    block_outputs: BlockOutputsSpec | None = None
    """Magnitudes of block outputs while generating."""
    diagram: DiagramRecord | None = None
    """A diagram of what is compared."""
    diagram_problem: str = ""
    """Why there is no diagram, if the study asks for one."""

    @property
    def run_id(self) -> str:
        """Equal if the same arms, with the same trainings, were measured."""
        arms = [[arm.label, arm.setting, arm.seed, arm.run] for arm in self.arms]
        known = [record for arm in self.arms for record in (arm.training, *arm.stability) if record is not None]
        trainings = [record.model_dump(mode="json") for record in known]
        return digest("study", [self.name, arms, *([trainings] if trainings else [])])

    @property
    def run_name(self) -> str:
        """Name of the report's folder."""
        return f"{self.name}-{self.run_id[:6]}"

    def stored(self) -> StoredRun:
        """The record as the store takes it."""
        return stored_run(self.run_id, self.run_name, self.model_dump(mode="json"), [], [])
