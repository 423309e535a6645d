"""What a study states: a common base and its arms. Independent of files, models and torch."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from nova_bench.config import ranges
from nova_bench.config.fields import Frames, Seed, SpecModel
from nova_bench.config.paths import SuitePath
from nova_bench.config.suite import PublishedSpec


class Arm(SpecModel):
    """One model or setting of a study: the base suite with some values changed."""

    label: str = Field(min_length=1)
    """The arm's name in tables and figures."""
    group: str = ""
    """Arms of one group are pooled, for example trainings that differ only in their seed. Empty: not pooled."""
    seed: Seed | None = None
    """Seed of this arm's training. It only distinguishes the arms of a group."""
    seeds: tuple[Seed, ...] = ()
    """Stands for an arm per seed, all of one group; `{seed}` in `model`, `set` and `training` is filled in."""
    model: dict[str, Any] | None = None
    """Model section of this arm, instead of the base's; `--model` doesn't replace it."""
    set: dict[str, Any] = Field(default_factory=dict)
    """Values that differ from the base: dotted key -> value, as `--set` takes them."""
    published: PublishedSpec | None = None
    """Published numbers for this arm (for a group: in any of its arms)."""
    training: SuitePath | None = None
    """Record of this arm's training, or the folder of the run; shown if the study asks for `training`."""
    stability: SuitePath | None = None
    """Record of a training at a high learning rate, `{rate}` in place of each of the study's `stability.rates`."""

    @model_validator(mode="after")
    def _one_way(self) -> Arm:
        if self.seed is not None and self.seeds:
            raise ValueError("give either `seed` or `seeds`")
        return self


class TrainingSpec(SpecModel):
    """Losses, gradient norms and block outputs of the arms' trainings (App. A and B)."""

    points: int = Field(default=50, ge=2, le=ranges.STEPS)
    """Points of a curve over training; each is the mean (for gradient norms, the median) over its range of steps."""


class StabilitySpec(SpecModel):
    """At which learning rates short trainings diverge, arrangement by arrangement (App. B)."""

    rates: tuple[Annotated[float, Field(gt=0)], ...] = Field(min_length=1)
    """Peak learning rates, from low to high."""


class ConclusionSpec(SpecModel):
    """The difference that a study is about: its sentence heads the study's page and its part of a collection."""

    about: str
    """A metric, or what the training table calls a number, such as `accumulated error`."""
    of: str
    """The setting that is compared with the reference."""


class BlockOutputsSpec(SpecModel):
    """Magnitudes of block outputs along the generated videos; the model needs `block_outputs: true`."""


class OverviewColumn(SpecModel):
    """One column of an overview."""

    metric: str
    """Name of a metric, or `seconds`: time to generate one video."""
    title: str = ""
    """Title of the column. Empty: the metric's name."""
    percent: bool = False
    """Show a share from 0 to 1 in percent."""
    note: str = ""
    """Why there is no measured value, if the study has no such metric."""


class OverviewSpec(SpecModel):
    """One row per setting and per published setting, as in the paper's tables."""

    title: str
    """Title of the table."""
    columns: tuple[OverviewColumn, ...] = Field(min_length=1)
    """The columns, in order."""


class CurvesSpec(SpecModel):
    """Scores per autoregressive step, for metrics that have a number per frame."""

    metrics: tuple[str, ...] = ()
    """Metrics to show. Empty: all that have a number per frame."""
    frames_per_step: Frames | None = None
    """Frames that a step adds. Default: those that the checkpoint's autoencoder decodes from a latent frame."""
    steps: Frames | None = None
    """Number of steps shown. Default: all."""
    marks: tuple[float, ...] = (3.0,)
    """Vertical lines at these multiples of the checkpoint's training length."""
    baseline: str = ""
    """Label of the setting that the others should be better than, such as the first frame repeated: a table says until
    which step they are. Empty: no such table."""


class StripsSpec(SpecModel):
    """Frames of single videos, each setting under the ground truth."""

    samples: tuple[Annotated[int, Field(ge=0)], ...] = (0, 1, 2)
    """Positions of the videos in the plan, from 0."""
    steps: tuple[Annotated[int, Field(ge=0)], ...] = ()
    """Autoregressive steps shown, 0 for the given frame. Empty: evenly spread."""
    columns: int = Field(default=8, ge=2, le=1000)
    """Number of steps shown if `steps` is empty."""


class DiagramSpec(SpecModel):
    """A figure of the appendix, drawn from the configuration of a checkpoint."""

    figure: Literal["scale_and_shift", "normalization"]
    """scale_and_shift: Figure 1 (App. A); normalization: Figure 2 (App. B)."""
    checkpoint: str = "nova-tiny"
    """Checkpoint of the configuration: name or hub id (`nova_bench assets list`)."""


class Study(SpecModel):
    """Several models or settings, measured on the same prompts and compared."""

    kind: Literal["study"]
    """Which kind of suite this is: several arms, compared."""
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")]
    """Short name: lower-case letters, digits, - and _. Names the folders of the runs."""
    title: str
    """Title of the report."""
    description: str = ""
    """What is compared and why, in a sentence or two."""
    base: dict[str, Any]
    """A suite that all arms share (`extends` another, or all of its keys); it needs neither name nor title."""
    arms: tuple[Arm, ...] = Field(min_length=1)
    """What is compared."""
    reference: str = ""
    """Arm or group that differences are relative to. Empty: the first."""
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
    diagram: DiagramSpec | None = None
    """A diagram of what is compared."""
    trainings_only: bool = False
    """Only show how the arms' trainings went: this needs their records, but no checkpoints."""
    block_outputs: BlockOutputsSpec | None = None
    """Magnitudes of block outputs while generating."""
