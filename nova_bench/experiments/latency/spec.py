"""What a suite of the kind ``latency`` states: frozen pydantic models, independent of files, models and torch."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, SerializeAsAny, ValidationError, field_validator, model_validator

from nova_bench.config import ranges
from nova_bench.config.fields import BatchSize, Count, Frames, SpecModel, Steps, SuiteModel
from nova_bench.config.suite import ModelSpec
from nova_bench.core.messages import expectation
from nova_bench.core.registry import nearest
from nova_bench.models.nova import NovaSpec

Size = Annotated[str, Field(pattern=r"^[1-9][0-9]{0,4}x[1-9][0-9]{0,4}$")]
Mode = Literal["eager", "cuda_graphs", "compiled", "compiled_cuda_graphs"]
Vary = Literal["num_frames", "num_inference_steps", "num_diffusion_steps", "batch_size", "size"]
Part = Literal["text", "temporal", "spatial", "head", "vae"]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]

PUBLISHED_COLUMNS = ("temporal", "spatial_and_head", "generation", "text", "vae", "total")
"""Columns of published times: ``generation`` is temporal layers, spatial layers and diffusion head together."""


class Setting(SpecModel):
    """What is generated while it is timed."""

    num_frames: Frames = 5
    """Frames of a video; 1 is an image. Video models make 1 + 4n."""
    size: Size | None = None
    """Pixels, WIDTHxHEIGHT, multiples of 32. Default: the model's own. No weight depends on it."""
    batch_size: BatchSize = 1
    """Videos generated together. Times are shown per video."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Precision of all networks. auto: float16 on a GPU, float32 on the CPU."""
    num_inference_steps: Steps = 64
    """Autoregressive steps per frame (NOVA's evaluation: 128)."""
    num_diffusion_steps: Steps = 25
    """Diffusion steps per token set (NOVA's evaluation scripts: 25; the paper says 100)."""
    guidance_scale: float = Field(default=7.0, ge=0)
    """Classifier-free guidance; above 1 every sample is run twice (NOVA's evaluation: 7)."""
    prompt_tokens: Steps = 32
    """Tokens of each prompt; the text encoder runs on these alone."""
    temporal_autoregressive: bool | None = None
    """false: no temporal autoregression, all frames are filled in at once (App. E). Default: the model's own."""
    kv_cache: bool = True
    """false: the temporal layers recompute all earlier frames for each frame."""
    mode: Mode = "eager"
    """cuda_graphs: the diffusion loop is replayed. compiled: torch.compile on spatial layers and head.
    compiled_cuda_graphs: both."""
    vae_batch_size: BatchSize = 1
    """Videos decoded together."""


class Change(SpecModel):
    """A row of the table or a line of a figure: the common setting with some of its fields changed."""

    label: str = Field(min_length=1)
    """Its name in table or legend."""
    setting: dict[str, Any] = Field(default_factory=dict)
    """Fields of `setting` that differ."""


class CurveSpec(SpecModel):
    """A figure: time against one field of the setting."""

    id: Name
    """Names the figure's files."""
    vary: Vary
    """The field that is varied."""
    values: tuple[int | str, ...] = Field(min_length=2)
    """Its values: whole numbers, or WIDTHxHEIGHT for `size`."""
    lines: tuple[Change, ...] = (Change(label="this setting"),)
    """What is compared."""
    parts: tuple[Literal[Part, "total"], ...] = ("total",)
    """Parts that each line shows."""


class OverheadSpec(SpecModel):
    """The stopwatch's overhead: short calls with and without one, in the row where it is highest per second.

    Calls come in blocks of four: without, with, with, without; every other block the other way round.
    """

    blocks: Count = 300
    """Maximum number of blocks."""
    seconds: float = Field(default=30.0, gt=0)
    """No further block begins after this many seconds."""
    width: float = Field(default=0.01, gt=0)
    """No further block begins once the 95 % interval of the median ratio is narrower than this."""
    num_frames: Frames | None = 5
    """Frames of a call, at most the row's own; null: the row's own. In short calls both sides see the same load."""
    batch_size: BatchSize | None = None
    """Videos of a call, at most the row's own; null: the row's own. With fewer videos the overhead is higher."""


class MeasureSpec(SpecModel):
    """How it is measured. Part of a measurement's identity, except for `overhead`."""

    warmup: int = Field(default=1, ge=0, le=ranges.SAMPLES)
    """Untimed calls before the measurement."""
    warmup_frames: Frames | None = None
    """Frames of the warm-up calls, if whole ones would take too long. Default: as measured."""
    repeats: Count = 3
    """Calls that are timed part by part."""
    seconds: float = Field(default=600.0, gt=0)
    """No further repeat of a measurement begins after this many seconds."""
    session: int = Field(default=0, ge=0)
    """A new number repeats all measurements; older ones are kept."""
    overhead: OverheadSpec | None = OverheadSpec()
    """A comparison of calls with and without a stopwatch, after all rows; null: none."""


class LatencyPublished(SpecModel):
    """Published times, in a row of their own and labelled as published."""

    label: str
    """The row's name."""
    source: str
    """Where they were published, for which device and setting."""
    values: dict[str, float]
    """Seconds per video: temporal, spatial_and_head, generation, text, vae, total."""

    @field_validator("values")
    @classmethod
    def _known(cls, values: dict[str, float]) -> dict[str, float]:
        if unknown := sorted(set(values) - set(PUBLISHED_COLUMNS)):
            raise ValueError(f"unknown column {unknown[0]!r}; columns are {', '.join(PUBLISHED_COLUMNS)}")
        return values


class LatencyExecution(SpecModel):
    """Where it runs."""

    device: str = "auto"
    """torch device: auto, cpu, cuda, cuda:1, ..."""
    minutes: float | None = Field(default=None, gt=0)
    """No measurement begins that is expected to end more than this many minutes after the start. Rows and curves that
    fit are measured in the suite's order; repeat the command to measure the rest."""


class TraceSpec(SpecModel):
    """A torch.profiler trace of a short extra call per row, for Perfetto. Never part of a measurement."""

    enabled: bool = False
    """Write report/traces/ROW.json.gz for every row."""
    num_frames: Frames = 5
    """Frames of the traced call, at most the row's own."""
    num_inference_steps: Steps = 2
    """Its autoregressive steps, at most the row's own. Every kernel is an event: whole videos take gigabytes."""


class LatencySuite(SuiteModel):
    """Inference time, part by part: rows of a table, and scaling curves."""

    kind: Literal["latency"] = "latency"
    """Which kind of suite this is: times."""
    name: Name
    """Short name: lower-case letters, digits, - and _. Names the run's folder."""
    title: str
    """Title of the report."""
    description: str = ""
    """What is measured and why, in a sentence or two."""
    model: SerializeAsAny[ModelSpec]
    """A NOVA checkpoint, or an architecture with random weights (`random_weights: true`)."""
    setting: Setting = Setting()
    """What all rows and curves share."""
    rows: tuple[Change, ...] = (Change(label="this setting"),)
    """Rows of the table."""
    curves: tuple[CurveSpec, ...] = ()
    """Scaling curves."""
    published: tuple[LatencyPublished, ...] = ()
    """Published times to show for comparison."""
    measure: MeasureSpec = MeasureSpec()
    """Warm-up, repeats, and the overhead of measuring."""
    trace: TraceSpec = TraceSpec()
    """A trace for Perfetto."""
    execution: LatencyExecution = LatencyExecution()
    """Device."""

    @property
    def nova(self) -> NovaSpec:
        """The model; :func:`nova_bench.experiments.latency.load.load_latency` refuses others."""
        assert isinstance(self.model, NovaSpec), f"{type(self.model).__name__} can't be timed"
        return self.model

    @field_validator("rows", "curves")
    @classmethod
    def _distinct(cls, entries: tuple[Any, ...]) -> tuple[Any, ...]:
        names = [entry.id if isinstance(entry, CurveSpec) else entry.label for entry in entries]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise ValueError(f"{twice!r} appears twice")
        return entries

    @model_validator(mode="after")
    def _changes_are_settings(self) -> LatencySuite:
        for row in self.rows:
            changed(self.setting, row.setting, f"rows: {row.label!r}")
        for curve in self.curves:
            for line in curve.lines:
                for value in curve.values:
                    changed(self.setting, {**line.setting, curve.vary: value}, f"curves: {curve.id!r}")
        return self


def changed(setting: Setting, change: dict[str, Any], where: str = "") -> Setting:
    """``setting`` with some fields replaced. ValueError names an unknown field or an invalid value."""
    try:
        return Setting.model_validate({**setting.model_dump(), **change})
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        name = str(problem["loc"][0])
        if problem["type"] == "extra_forbidden":
            raise ValueError(f"{where}: no setting {name!r}{nearest(name, Setting.model_fields)}") from error
        raise ValueError(f"{where}: {name}: {expectation(problem)}") from error
