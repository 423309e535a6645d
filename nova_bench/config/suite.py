"""The contents of a suite: frozen pydantic models without knowledge of files, models or torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import Annotated, Any, Literal, Self

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


class PromptEntry(SpecModel):
    """One prompt of a suite."""

    text: str = Field(min_length=1)
    """The prompt as the benchmark states it; scorers that compare with text get this one."""
    model_text: str = ""
    """Text for the model instead, for example a rewritten, denser prompt; if empty, `text`."""
    tags: tuple[str, ...] = ()
    """Labels of this prompt, for example the VBench dimensions that use it. Scorers can select by tag."""
    image: SuitePath | None = None
    """First frame, for image-to-video."""
    reference: SuitePath | None = None
    """Ground-truth clip, for scorers that compare with one."""
    samples: Count | None = None
    """Samples of this prompt; if absent, the suite's `samples_per_prompt`."""
    metadata: Metadata = Field(default_factory=Metadata)
    """What scorers read about this prompt besides its text, by name, such as VBench's `object` and `color`. It doesn't
    affect the samples, only the scores that read it."""

    def placed(self, where: str, names: Mapping[str, str] | None = None) -> PromptEntry:
        """The same entry, written at ``where``, its metadata at ``names``; see :meth:`Metadata.placed`."""
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
    """How much detail the prompts give."""
    moving: bool = False
    """Only clips in which something moves or changes size."""
    scenes: Literal["single", "pair", "group"] | None = None
    """Only scenes of one object, of two with a relation, or of two or three equal ones. Default: all kinds."""
    images: bool = True
    """Give each prompt its first frame and reference clip, in the sampling's size."""
    num_frames: Frames | None = None
    """Frames of a reference clip; if absent, `sampling.num_frames`."""


class ClipPromptsSpec(SpecModel):
    """Clips with captions: each one's first frame is given to the model, the clip is the reference.

    Give either `manifest` or `folder`. Clips are cut to the middle and resampled to the sampling's size.
    """

    manifest: SuitePath | None = None
    """CSV or JSONL with the columns path, prompt (the caption) and optionally tags; paths as in the `files` model."""
    folder: SuitePath | None = None
    """Folder with clips; the caption of `NAME.mp4` is the text of `NAME.txt` beside it, or else the name."""
    count: Count | None = None
    """Use only this many clips, from the start."""
    every: Frames = 1
    """Take every n-th frame: 2 turns 24 frames per second into 12."""
    num_frames: Frames | None = None
    """Frames of a reference; if absent, `sampling.num_frames`. A clip must have that many."""

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
    """A .txt (one prompt per line), .csv or .jsonl file with the fields of an entry; in CSV, metadata has columns
    metadata.NAME."""
    source: str | None = None
    """A benchmark's own prompt list (`nova_bench list`), with its tags and its number of samples."""
    source_file: SuitePath | None = None
    """The list of `source` is this file, in its own format, instead of the one that `assets fetch` brings."""
    tags: tuple[str, ...] = ()
    """Only prompts with one of these tags; if empty, all."""
    dense: SuitePath | None = None
    """A .json, .jsonl or .csv file with `prompt` and `dense_prompt`, or a .txt file with one dense prompt per line, in
    the order of the whole prompt list. The model gets the denser text; scorers and file names keep the benchmark's. Of
    several entries for a prompt, the first counts."""
    shapes: ShapesPromptsSpec | None = None
    """Clips of the shapes world."""
    clips: ClipPromptsSpec | None = None
    """A folder or manifest of clips with captions."""
    samples_per_prompt: Count | None = None
    """Samples of each prompt; if absent, the number that the benchmark of `source` asks for, else 1."""

    @model_validator(mode="after")
    def _file_of_a_source(self) -> PromptsSpec:
        if self.source_file is not None and self.source is None:
            raise ValueError("`source_file` goes with `source`, a benchmark's own prompt list")
        return self


class SamplingSpec(SpecModel):
    """How videos are sampled. Part of every unit's identity; absent settings are left to the model's own default."""

    num_frames: Frames | None = None
    """Frames of a video; 1 is an image."""
    height: Side | None = None
    """Pixels."""
    width: Side | None = None
    """Pixels."""
    fps: int = Field(default=12, ge=1, le=1000)
    """Frames per second of the written file (NOVA: 12)."""
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


def label_of(section: Mapping[str, Any]) -> str:
    """The name of the model that a model section describes: its label, its checkpoint's name, or its adapter."""
    checkpoint = str(section.get("checkpoint") or "")
    return str(section.get("label") or PurePath(checkpoint).name or section.get("adapter") or "")


class ModelSpec(SpecModel):
    """Which model makes the videos. Each adapter adds its own fields (``nova_bench list --fields``)."""

    adapter: str
    """Name of the model adapter: see `nova_bench list`."""
    label: str = ""
    """The model's name in tables; if empty, the checkpoint's name, or else the adapter's."""
    sampling: SamplingSpec | None = None
    """The model's own sampling settings, in place of the suite's `sampling`. Of that, `num_frames`, `fps` and
    `lossless` are kept unless they are given here."""

    @property
    def name(self) -> str:
        """The model's name in tables, pages and messages."""
        return label_of(vars(self))

    @property
    def refusal(self) -> str:
        """Why this model's output may not be scored; empty if it may."""
        return ""

    @property
    def frame_folder_fps(self) -> float | None:
        """Frames per second of folders of pictures, for a model that reads its videos from them; None for others."""
        return None


class KeepSpec(SpecModel):
    """Filters a metric's samples by another scorer's verdict."""

    scorer: str
    """Keep samples that get 1 from this scorer of the suite."""
    first: Count | None = None
    """Keep only this many of each prompt, in the order of their file names: 0, 1, 10, 11, ..., 2."""


class ScorerUse(SpecModel):
    """One scorer in a suite. A bare name means the scorer with its default settings on every sample."""

    name: str
    """Name of the scorer: see `nova_bench list`."""
    tags: tuple[str, ...] = ()
    """Score only samples with one of these tags; if empty, every sample."""
    keep: KeepSpec | None = None
    """Count only samples that another scorer keeps, such as the static videos for VBench's temporal flickering."""
    settings: SerializeAsAny[ScorerSettings] = ScorerSettings()
    """The scorer's own settings (`nova_bench list --fields`)."""
    aggregate: str = ""
    """Another aggregate of the scorer than its own, by name: `official_8_ranks` is what VBench's evaluator computes on
    several GPUs (subject_consistency, appearance_style)."""
    optional: bool = False
    """The run counts as complete without it. If an asset that it needs is missing, tables say so; if no sample has its
    tags, or none can be measured, as without a reference, it has no row."""


class PublishedSpec(SpecModel):
    """Published numbers, shown beside measured ones and labelled as published."""

    label: str
    """Column title, for example "NOVA 0.6B"."""
    source: str
    """Source, for example "arXiv 2412.14169, App. E, Table 2"."""
    values: dict[str, float]
    """Metric name -> value, in the unit of the metric's own column."""


class PublishedSettings(SpecModel):
    """How a published row was made, as far as its sources say so. An empty setting is not stated anywhere."""

    size: str = ""
    """Size of the images or videos."""
    steps: str = ""
    """Sampling steps, of each kind."""
    guidance: str = ""
    """Guidance scale."""
    scheduler: str = ""
    """Scheduler, or sampler."""
    seeds: str = ""
    """Seeds of a prompt's samples."""
    source: str = ""
    """Where these settings are stated, if not with the numbers."""


class PublishedRow(SpecModel):
    """A published row of a leaderboard."""

    label: str = Field(min_length=1)
    """The model."""
    values: tuple[float, ...]
    """Its numbers, one per column."""
    source: str = ""
    """Where they were published, if not where the other rows were."""
    settings: PublishedSettings = PublishedSettings()
    """How they were made, as far as that is known."""


class PublishedRows(SpecModel):
    """The published rows of a leaderboard. They may be compared with metrics whose names are those of its columns."""

    source: str
    """Where the rows were published."""
    judge: str = ""
    """The model that judged, if a model did."""
    rows: tuple[PublishedRow, ...] = Field(min_length=1)
    """The rows, in order."""


class LeaderboardSpec(SpecModel):
    """A benchmark's own table: a row per model, published or measured, a column per score.

    A metric that another judge or other settings gave a name of its own (``NAME@JUDGE``) has rows of its own, which are
    never ranked with others.
    """

    title: str
    """Title of the table."""
    columns: dict[str, str] = Field(min_length=1)
    """Title of each column -> its metric; the first column is the overall score."""
    modes: dict[str, str] = Field(default_factory=dict)
    """Name of a mode of the benchmark -> its metric for the first column. The metrics of its other columns have the
    same beginning. The first mode is that of the published numbers."""
    samples: Count | None = None
    """Samples of a whole run. Measured rows with fewer are not ranked with published ones."""
    published: PublishedRows | None = None
    """Published rows."""
    notes: tuple[str, ...] = ()
    """What a reader must know about the published rows."""
    radar: bool = False
    """Draw a radar chart, too."""

    @model_validator(mode="after")
    def _fits(self) -> LeaderboardSpec:
        overall, *others = self.columns.values()
        if self.modes and (
            next(iter(self.modes.values())) != overall or not all(name.startswith(overall) for name in others)
        ):
            raise ValueError(f"modes: the first is that of {overall!r}, with which all columns' metrics begin")
        for row in self.published.rows if self.published else ():
            if len(row.values) != len(self.columns):
                raise ValueError(f"row {row.label!r} has {len(row.values)} numbers for {len(self.columns)} columns")
        return self


class StatisticsSpec(SpecModel):
    """Confidence intervals over prompts, not single samples: Wilson's for 0/1 metrics, else Student's t below 8 prompts
    and the expanded percentile bootstrap from 8 on."""

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
    """Units per batch, for generating and for scoring. Lowered automatically if memory runs out."""
    executor: Literal["inline", "local", "ray"] = "inline"
    """Where models and scorers run: in this process, in worker processes on this machine, or on a Ray cluster."""
    workers: int | None = Field(default=None, ge=1, le=ranges.WORKERS)
    """Worker processes or Ray actors. Absent: one per GPU, or one."""
    batch_megabytes: int = Field(default=512, ge=1, le=ranges.MEGABYTES)
    """A batch of decoded videos is closed early once it holds this much."""
    stall_seconds: float = Field(default=120, gt=0)
    """A worker hangs if it finishes nothing for this long (ten times as long while it generates) and for ten times as
    long as its slowest step so far. It is replaced, and its items are tried once more."""
    shard: str = Field(default="", pattern=r"^([1-9]\d*/[1-9]\d*)?$")
    """Do only the i-th of n parts, `i/n`; all samples of a prompt are in one part. `store merge` joins the parts."""
    exchange: str = Field(default="", pattern=r"^([a-z0-9+.-]+://.+)?$")
    """Address through which samples travel between machines that share no folder, for example s3://bucket/folder: any
    that fsspec knows. Empty: all workers see the store's folder."""
    max_failures: int | None = Field(default=None, ge=0)
    """Stop when more samples than this fail; 0 stops at the first. Finished work is kept."""
    retry_failed: bool = False
    """Retry samples that failed before, even if neither they nor the limits nor the code changed."""

    @model_validator(mode="after")
    def _is_a_part(self) -> Self:
        number, _, count = self.shard.partition("/")
        if self.shard and int(number) > int(count):
            raise ValueError(f"shard {self.shard}: there is no part {number} of {count}")
        return self


class ReferenceSpec(SpecModel):
    """How a video is matched with its reference, for scorers that compare the two."""

    align: Align = "time"
    """time: compare frames that are shown at the same time, so one frame rate may be a multiple of the other;
    index: compare the n-th frames, whatever the frame rates."""


class ReportSpec(SpecModel):
    """What the report shows."""

    gallery: int = Field(default=200, ge=0, le=ranges.SAMPLES)
    """Samples in the gallery: failures first, then the lowest and highest of each metric, then in plan order. The 24
    worst samples of each metric are shown in addition to this number; 0 shows none."""
    embed_megabytes: int = Field(default=4, ge=0, le=ranges.MEGABYTES)
    """Videos are embedded in the page up to this total size; beyond it the page shows the files in `report/media/`."""
    contact_sheet: int | None = Field(default=None, ge=0, le=ranges.SAMPLES)
    """Samples on contact sheets (figures of pictures with their prompts). Absent: 24 if nothing is scored, else 0."""
    figure_formats: tuple[Literal["svg", "png", "pdf"], ...] = ("svg", "png", "pdf")
    """Formats of the figures' files; their data are there as CSV and JSON in any case. Drawing PDF takes longest."""


class GateSpec(SpecModel):
    """What counts as worse when two runs are compared (`compare`, `bless`, `check`)."""

    metrics: tuple[str, ...] = ()
    """Metrics and derived scores that decide. If empty, all of the suite's, except scorers that only filter samples."""
    margins: dict[str, Annotated[float, Field(gt=0)]] = Field(default_factory=dict)
    """Metric -> the loss that counts as worse, in the metric's unit. Default: 0.05 for 0/1 metrics (5 percentage
    points), 0.5 dB, 2 % of the range of other metrics with a range, 1 % of a derived score's, else a fifth of the
    standard deviation between prompts of side A."""
    alpha: float = Field(default=0.05, gt=0, le=0.5)
    """Probability that any of the metrics seems to differ although none does (two-sided)."""
    missing: Literal["worst", "drop"] = "worst"
    """A sample that failed in B and not in A: count it as the metric's worst value, or leave out the pair."""
    looks: tuple[Annotated[float, Field(gt=0, le=1)], ...] = (0.5, 0.75, 1.0)
    """Shares of the prompts after which `check` ends if the verdict is clear. The last is 1; [1] has no early looks."""
    flips: int = Field(default=9_999, ge=999, le=ranges.SAMPLES)
    """Sign flips of the permutation test."""

    @model_validator(mode="after")
    def _looks_rise(self) -> GateSpec:
        if list(self.looks) != sorted({*self.looks}) or self.looks[-1:] != (1.0,):
            raise ValueError("looks: expected rising shares that end with 1, such as [0.5, 1]")
        return self


class Suite(SuiteModel):
    """A benchmark: a model, prompts, settings, scorers, and the published numbers to show beside."""

    kind: Literal["benchmark"] = "benchmark"
    """The kind of suite: one model, scored."""
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
    """Short name: lower-case letters, digits, - and _. It names the run's folder."""
    title: str
    """Title of the report."""
    description: str = ""
    """What is measured and why, in one or two sentences."""
    seed: Seed = 1337
    """Every sample's seed is derived from this one, its prompt and its index."""
    model: SerializeAsAny[ModelSpec]
    """What makes the videos."""
    prompts: PromptsSpec | None = None
    """The prompts. Absent if the videos themselves define the samples (`files` without prompts)."""
    sampling: SamplingSpec = SamplingSpec()
    """Sampling settings."""
    scorers: tuple[ScorerUse, ...] = ()
    """What is scored. If empty, nothing is: such a suite makes a gallery."""
    derived: tuple[str, ...] = ()
    """Scores computed from several metrics, such as VBench's total: see `nova_bench list`."""
    published: tuple[PublishedSpec, ...] = ()
    """Published numbers to show beside the measured ones."""
    leaderboard: LeaderboardSpec | None = None
    """The benchmark's own table of models."""
    statistics: StatisticsSpec = StatisticsSpec()
    """Confidence intervals."""
    gate: GateSpec = GateSpec()
    """What counts as worse."""
    execution: ExecutionSpec = ExecutionSpec()
    """Devices, batches, workers."""
    report: ReportSpec = ReportSpec()
    """Gallery and embedding."""
    reference: ReferenceSpec = ReferenceSpec()
    """How videos are matched with their references."""
    media: MediaLimits = MediaLimits()
    """Limits for reading videos and pictures."""

    @model_validator(mode="after")
    def _model_may_be_scored(self) -> Suite:
        if self.model.refusal:
            raise UserError(
                f"suite {self.name}: model {self.model.name!r}: {self.model.refusal}",
                "name a trained checkpoint; time this one with: python -m nova_bench run suites/latency.yaml",
            )
        return self
