"""What a study says: a common base and its arms. Knows nothing of files, models or torch."""

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
    """How tables and figures call this arm."""
    group: str = ""
    """Arms of one group are pooled, for example trainings that differ by their seed only. Alone where empty."""
    seed: Seed | None = None
    """Seed of this arm's training. It tells the arms of a group apart and changes nothing."""
    seeds: tuple[Seed, ...] = ()
    """Stands for an arm per seed, all of one group; `{seed}` in `model`, `set` and `training` is filled in."""
    model: dict[str, Any] | None = None
    """Model section of this arm, instead of the base's; `--model` doesn't replace it."""
    set: dict[str, Any] = Field(default_factory=dict)
    """Values that differ from the base: dotted key -> value, as `--set` takes them."""
    published: PublishedSpec | None = None
    """Numbers somebody published for this arm (of a group: for any of its arms)."""
    training: SuitePath | None = None
    """Record of this arm's training, or the folder of the run; shown where the study asks for `training`."""

    @model_validator(mode="after")
    def _one_way(self) -> Arm:
        if self.seed is not None and self.seeds:
            raise ValueError("give either `seed` or `seeds`")
        return self


class TrainingSpec(SpecModel):
    """Losses, gradient norms and block outputs of the arms' trainings (App. A and B)."""

    points: int = Field(default=50, ge=2, le=ranges.STEPS)
    """Points of a curve over training; each is the mean (of gradient norms the median) over its stretch of steps."""


class BlockOutputsSpec(SpecModel):
    """Magnitudes of block outputs along the generated videos; the model needs `block_outputs: true`."""


class OverviewColumn(SpecModel):
    """One column of an overview."""

    metric: str
    """Name of a metric, or `seconds`: time to generate one video."""
    title: str = ""
    """Title of the column; the metric's name where empty."""
    percent: bool = False
    """Show a share from 0 to 1 in percent."""
    note: str = ""
    """Why there is no measured value, where the study has no such metric."""


class OverviewSpec(SpecModel):
    """One row per setting and per published setting, as the paper's tables have them."""

    title: str
    """Title of the table."""
    columns: tuple[OverviewColumn, ...] = Field(min_length=1)
    """What is shown."""


class CurvesSpec(SpecModel):
    """Scores per autoregressive step, for metrics that have a number per frame."""

    metrics: tuple[str, ...] = ()
    """Which metrics; all that have a number per frame where empty."""
    frames_per_step: Frames | None = None
    """Frames that a step adds; as many as the checkpoint's autoencoder makes of a latent frame where absent."""
    steps: Frames | None = None
    """Steps shown; all where absent."""
    marks: tuple[float, ...] = (3.0,)
    """Vertical lines where the video is so many times as long as in the checkpoint's training."""


class StripsSpec(SpecModel):
    """Frames of single videos, each setting under the ground truth."""

    samples: tuple[Annotated[int, Field(ge=0)], ...] = (0, 1, 2)
    """Positions of the videos in the plan, from 0."""
    steps: tuple[Annotated[int, Field(ge=0)], ...] = ()
    """Autoregressive steps shown, 0 for the given frame; evenly spread ones where empty."""
    columns: int = Field(default=8, ge=2, le=1000)
    """How many steps are shown where they aren't stated."""


class DiagramSpec(SpecModel):
    """A figure of the appendix, drawn from the configuration of a checkpoint."""

    figure: Literal["scale_and_shift", "normalization"]
    """scale_and_shift: Figure 1 (App. A); normalization: Figure 2 (App. B)."""
    checkpoint: str = "nova-tiny"
    """Whose configuration: a checkpoint's name or hub id (`nova_bench assets list`)."""


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
    """Arm or group that differences are taken from; the first where empty."""
    curves: CurvesSpec | None = None
    """Scores per autoregressive step."""
    strips: StripsSpec | None = None
    """Frames of single videos side by side."""
    overview: OverviewSpec | None = None
    """Chosen metrics, a column each."""
    training: TrainingSpec | None = None
    """How the arms' trainings went."""
    diagram: DiagramSpec | None = None
    """A diagram of what is compared."""
    trainings_only: bool = False
    """Show how the arms' trainings went and measure nothing: that needs their records, but no checkpoints."""
    block_outputs: BlockOutputsSpec | None = None
    """Magnitudes of block outputs while generating."""
