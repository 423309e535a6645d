"""What a suite says: frozen pydantic models. They know nothing of files, models or torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, SerializeAsAny, model_validator

from nova_bench.config import ranges
from nova_bench.config.fields import (
    Align,
    BatchSize,
    Count,
    Frames,
    ScorerSettings,
    Seed,
    Side,
    SpecModel,
    Steps,
    SuiteModel,
)
from nova_bench.config.metadata import Metadata
from nova_bench.config.paths import SuitePath
from nova_bench.core.errors import UserError
from nova_bench.video.limits import MediaLimits


class ModelSpec(SpecModel):
    """Which model makes the videos. Each adapter adds its own fields (``nova_bench list --fields``)."""

    adapter: str
    """Name of the model adapter: see `nova_bench list`."""
    label: str = ""
    """How tables call this model; the adapter's own description where empty."""

    @property
    def refusal(self) -> str:
        """Why nothing that this model makes may be scored; empty for a model that may be."""
        return ""

    @property
    def frame_folder_fps(self) -> float | None:
        """Frames per second of folders of pictures, for a model whose videos lie in such; None for any other."""
        return None


class PromptEntry(SpecModel):
    """One prompt of a suite."""

    text: str = Field(min_length=1)
    """The prompt as the benchmark states it; scorers that compare with text get this one."""
    model_text: str = ""
    """What the model is given instead, for example a rewritten, denser prompt; `text` where empty."""
    tags: tuple[str, ...] = ()
    """What this prompt is for, for example the VBench dimensions that use it. Scorers can select by tag."""
    image: SuitePath | None = None
    """First frame, for image-to-video."""
    reference: SuitePath | None = None
    """Ground-truth clip, for scorers that compare with one."""
    samples: Count | None = None
    """Samples of this prompt; the suite's `samples_per_prompt` where absent."""
    metadata: Metadata = Field(default_factory=Metadata)
    """What scorers read of this prompt beside its text, by name, such as VBench's `object` and `color`. It decides no
    sample, only the scores that read it."""

    def placed(self, where: str, names: Mapping[str, str] | None = None) -> PromptEntry:
        """The same entry, written at ``where`` and its single metadata at ``names``; see :meth:`Metadata.placed`."""
        return self.model_copy(update={"metadata": self.metadata.placed(where, names)})


class ShapesPromptsSpec(SpecModel):
    """Clips of the shapes world: captions, first frames and references are made when they are needed."""

    split: Literal["train", "val", "test"] = "test"
    """test: combinations that training never shows."""
    count: Count = 200
    """Different prompts."""
    seed: Seed = 0
    """Seed of the world."""
    captions: Literal["dense", "short"] = "dense"
    """How much prompts say."""
    moving: bool = False
    """Only clips in which something moves or changes its size."""
    images: bool = True
    """Give each prompt its first frame and reference clip, in the sampling's size."""
    num_frames: Frames | None = None
    """Frames of a reference clip; `sampling.num_frames` where absent."""


class ClipPromptsSpec(SpecModel):
    """Clips with captions: each one's first frame is given to the model, the clip is the reference.

    Give either `manifest` or `folder`. Clips are cut to the middle and resampled to the sampling's size.
    """

    manifest: SuitePath | None = None
    """CSV or JSONL with the columns path and prompt (the caption), also tags; paths as in the `files` model."""
    folder: SuitePath | None = None
    """Folder that is searched for clips; a caption is the text of `NAME.txt` beside `NAME.mp4`, or the name."""
    count: Count | None = None
    """Only the first so many clips."""
    every: Frames = 1
    """Take each so many-th frame: 2 makes 12 frames per second of 24."""
    num_frames: Frames | None = None
    """Frames of a reference; `sampling.num_frames` where absent. A clip must have them."""

    @model_validator(mode="after")
    def _one_source(self) -> ClipPromptsSpec:
        if (self.manifest is None) == (self.folder is None):
            raise ValueError("give exactly one of `manifest` and `folder`")
        return self


class PromptsSpec(SpecModel):
    """Where prompts come from: exactly one of `entries`, `file`, `source`, `shapes` and `clips`."""

    entries: tuple[PromptEntry, ...] = ()
    """Prompts written into the suite."""
    file: SuitePath | None = None
    """A .txt (one prompt a line), .csv or .jsonl file with the fields of an entry; in CSV, metadata has columns
    metadata.NAME."""
    source: str | None = None
    """A benchmark's own prompt list (`nova_bench list`), with its tags and its number of samples."""
    tags: tuple[str, ...] = ()
    """Only prompts with one of these tags; all where empty."""
    dense: SuitePath | None = None
    """A .json, .jsonl or .csv file with `prompt` and `dense_prompt`. The model is given the denser text; scorers and
    file names keep the benchmark's. Of several for one prompt, the first counts."""
    shapes: ShapesPromptsSpec | None = None
    """Clips of the shapes world."""
    clips: ClipPromptsSpec | None = None
    """A folder or manifest of clips with captions."""
    samples_per_prompt: Count | None = None
    """How many samples of each prompt; where absent, as many as the benchmark of `source` asks for, else 1."""


class SamplingSpec(SpecModel):
    """How videos are sampled. Part of every unit's identity; what is absent is left to the model's own default."""

    num_frames: Frames | None = None
    """Frames of a video; 1 is an image."""
    height: Side | None = None
    """Pixels."""
    width: Side | None = None
    """Pixels."""
    fps: int = Field(default=12, ge=1, le=1000)
    """Frames per second of the file that is written (NOVA: 12)."""
    num_inference_steps: Steps | None = None
    """Autoregressive steps per frame (NOVA's evaluation: 128)."""
    num_diffusion_steps: Steps | None = None
    """Diffusion steps per token set (NOVA's evaluation scripts: 25; the paper says 100)."""
    guidance_scale: float | None = Field(default=None, ge=0)
    """Classifier-free guidance (NOVA's evaluation: 7)."""
    motion_flow: float | None = None
    """NOVA's motion condition (evaluation: 5)."""
    negative_prompt: str | None = None
    """Text of the unconditional branch."""
    lossless: bool = False
    """Write FFV1 instead of h264: for scorers that compare pixels (the h264 round trip caps PSNR near 42 dB)."""


class KeepSpec(SpecModel):
    """Which samples a metric counts, by what another scorer of the suite says of them."""

    scorer: str
    """Samples count that this scorer of the suite gives 1."""
    first: Count | None = None
    """Of each prompt only the first so many of them, in the order of their file names: 0, 1, 10, 11, ..., 2."""


class ScorerUse(SpecModel):
    """One scorer in a suite. A bare name stands for a scorer with its default settings on every sample."""

    name: str
    """Name of the scorer: see `nova_bench list`."""
    tags: tuple[str, ...] = ()
    """Score only samples with one of these tags; every sample where empty."""
    keep: KeepSpec | None = None
    """Count only samples that another scorer keeps, such as the static videos for VBench's temporal flickering."""
    settings: SerializeAsAny[ScorerSettings] = ScorerSettings()
    """The scorer's own settings (`nova_bench list --fields`)."""
    optional: bool = False
    """Where an asset that it needs isn't here, tables say so and the run is complete all the same."""


class PublishedSpec(SpecModel):
    """Numbers somebody published, shown beside measured ones and labelled as published."""

    label: str
    """Column title, for example "NOVA 0.6B"."""
    source: str
    """Where they stand, for example "arXiv 2412.14169, App. E, Table 2"."""
    values: dict[str, float]
    """Metric name -> value, in the unit that the metric's own column has."""


class StatisticsSpec(SpecModel):
    """Confidence intervals over prompts, not single samples: Wilson's for 0/1 metrics, else Student's t below 8 prompts
    and the expanded percentile bootstrap from there."""

    confidence: float = Field(default=0.95, gt=0, lt=1)
    """Coverage of the interval."""
    resamples: int = Field(default=10_000, ge=100, le=ranges.SAMPLES)
    """Bootstrap resamples."""
    seed: Seed = 0
    """Seed of the resampling; independent of the sampling seed."""


class ExecutionSpec(SpecModel):
    """How work is done. Never part of an identity: no number may depend on it."""

    device: str = "auto"
    """torch device of models and networks: auto, cpu, cuda, cuda:1, ..."""
    batch_size: BatchSize = 8
    """Units per batch, for generating and for scoring. Lowered by itself where memory runs out."""
    executor: Literal["inline", "processes", "ray"] = "inline"
    """Where scoring runs: in this process, in worker processes, or on a Ray cluster."""
    workers: int = Field(default=1, ge=1, le=ranges.WORKERS)
    """Worker processes or Ray actors."""
    batch_megabytes: int = Field(default=512, ge=1, le=ranges.MEGABYTES)
    """A batch of decoded videos is closed early when it holds this much."""
    stall_seconds: float = Field(default=120, gt=0)
    """A worker that finishes nothing for so long, and for ten times as long as its slowest step so far, hangs: it is
    replaced, and what it held is tried once more."""
    max_failures: int | None = Field(default=None, ge=0)
    """Stop when more samples than this fail; 0 stops at the first. Finished work is kept."""
    retry_failed: bool = False
    """Try samples that failed before again, even if neither they nor the limits nor the code changed."""


class ReferenceSpec(SpecModel):
    """How a video meets its reference, for scorers that compare the two."""

    align: Align = "time"
    """time: frames that are shown at the same time are compared, so one frame rate may be a multiple of the other;
    index: the n-th frames are, whatever the frame rates."""


class ReportSpec(SpecModel):
    """What the report shows."""

    gallery: int = Field(default=200, ge=0, le=ranges.SAMPLES)
    """Samples in the gallery: failures first, then the lowest and highest of each metric, then in plan order. The 24
    worst samples of each metric are shown beyond this number; 0 shows none."""
    embed_megabytes: int = Field(default=24, ge=0, le=ranges.MEGABYTES)
    """Videos up to this total are embedded in the page; beyond it they are linked."""
    contact_sheet: int | None = Field(default=None, ge=0, le=ranges.SAMPLES)
    """Samples on contact sheets, figures of pictures with their prompts. Absent: 24 where nothing is scored, else 0."""


class Suite(SuiteModel):
    """A benchmark: a model, prompts, settings, scorers, and the published numbers to show beside."""

    kind: Literal["benchmark"] = "benchmark"
    """Which kind of suite this is: one model, scored."""
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
    """Short name: lower-case letters, digits, - and _. Names the run's folder."""
    title: str
    """Title of the report."""
    description: str = ""
    """What is measured and why, in a sentence or two."""
    seed: Seed = 1337
    """Every sample's seed follows from this one, its prompt and its index."""
    model: SerializeAsAny[ModelSpec]
    """What makes the videos."""
    prompts: PromptsSpec | None = None
    """The prompts. Absent where the videos themselves say what there is (`files` without prompts)."""
    sampling: SamplingSpec = SamplingSpec()
    """Sampling settings."""
    scorers: tuple[ScorerUse, ...] = ()
    """What is scored; nothing where empty: such a suite makes a gallery."""
    derived: tuple[str, ...] = ()
    """Scores computed from several metrics, such as VBench's total: see `nova_bench list`."""
    published: tuple[PublishedSpec, ...] = ()
    """Published numbers to show beside the measured ones."""
    statistics: StatisticsSpec = StatisticsSpec()
    """Confidence intervals."""
    execution: ExecutionSpec = ExecutionSpec()
    """Devices, batches, workers."""
    report: ReportSpec = ReportSpec()
    """Gallery and embedding."""
    reference: ReferenceSpec = ReferenceSpec()
    """How videos meet their references."""
    media: MediaLimits = MediaLimits()
    """Limits for reading videos and pictures."""

    @model_validator(mode="after")
    def _model_may_be_scored(self) -> Suite:
        if self.model.refusal:
            raise UserError(
                f"suite {self.name}: model {self.model.label or self.model.adapter!r}: {self.model.refusal}",
                "name a trained checkpoint; time this one with: python -m nova_bench run suites/latency.yaml",
            )
        return self
