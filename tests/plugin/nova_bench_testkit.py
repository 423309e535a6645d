"""A third party's package: a model, scorers, a prompt list and a final score, reached through entry points like any.

`drift` makes tiny videos of drifting noise from a unit's seed, and can be told to fail, to run out of memory and to
be slow. Nothing here belongs to the product.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal
from zlib import crc32

from nova_bench.config.fields import ScorerSettings, SpecModel
from nova_bench.config.metadata import Metadata, MetadataSchema
from nova_bench.config.suite import ModelSpec, PromptEntry
from nova_bench.config.units import Unit
from nova_bench.judges.base import Answer, JudgeContext, JudgeInfo, Viewed
from nova_bench.models.base import AdapterContext, AdapterInfo, Output
from nova_bench.protocols.base import Composite, Part, PromptSource, Threshold
from nova_bench.scorers.base import Aggregate, Sample, Score, ScorerContext, ScorerInfo


class Faults(SpecModel):
    """How a model or scorer breaks, and at which prompts."""

    die_on: str = ""
    """SIGKILL the own process at prompts that contain this, as the system does when memory runs out."""
    stop_on: str = ""
    """SIGSTOP the own process at prompts that contain this."""
    hang_on: str = ""
    """Never come back from prompts that contain this."""
    exit_on: str = ""
    """End the own process at prompts that contain this."""
    no_memory_on: str = ""
    """Run out of memory at prompts that contain this."""
    once: str = ""
    """A file that is made at the first such fault, after which there are no more."""


class DriftSpec(Faults, ModelSpec):
    """Drifting noise."""

    adapter: Literal["drift"] = "drift"
    """`drift`"""
    checkpoint: str = "a"
    """Stands for a checkpoint: another one makes other videos."""
    seconds: float = 0.0
    """How long each video takes."""
    fail_on: str = ""
    """Raise for prompts that contain this."""
    memory: int = 0
    """Run out of memory for batches larger than this, where above 0."""
    darker: int = 0
    """Levels, of 255, by which all videos are darker."""


def _fault(settings: Faults, prompt: str) -> None:
    """Break in the way that is set for this prompt."""
    faults: dict[str, Callable[[], object]] = {
        settings.die_on: lambda: os.kill(os.getpid(), signal.SIGKILL),
        settings.stop_on: lambda: os.kill(os.getpid(), signal.SIGSTOP),
        settings.hang_on: lambda: time.sleep(3600),
        settings.exit_on: lambda: os._exit(7),
        settings.no_memory_on: _run_out_of_memory,
    }
    for text, fault in faults.items():
        if text and text in prompt and not (settings.once and Path(settings.once).exists()):
            if settings.once:
                Path(settings.once).touch()
            fault()


def _run_out_of_memory() -> None:
    raise MemoryError("out of memory")


class Drift:
    def __init__(self, options: DriftSpec, context: AdapterContext):
        self._options, self._sampling = options, context.suite.sampling

    def digest(self) -> str:
        return f"drift-1-{self._options.checkpoint}{f'-{self._options.darker}' if self._options.darker else ''}"

    def existing(self) -> None:
        return None

    def generate(self, units: Sequence[Unit]) -> Iterator[Output]:
        import torch

        if self._options.memory and len(units) > self._options.memory:
            raise MemoryError("drift: out of memory")
        for unit in units:
            if self._options.fail_on and self._options.fail_on in unit.model_text:
                raise ValueError(f"drift can't draw {self._options.fail_on!r}")
            _fault(self._options, unit.model_text)
            time.sleep(self._options.seconds)
            generator = torch.Generator().manual_seed(unit.seed)
            size = (self._sampling.height or 16, self._sampling.width or 16, 3)
            noise = torch.randint(0, 256, size, dtype=torch.uint8, generator=generator)
            noise = (noise.int() - self._options.darker).clamp(0, 255).byte()
            frames = [noise.roll(step, dims=1) for step in range(self._sampling.num_frames or 4)]
            yield Output(unit, frames=torch.stack(frames))


class BrightnessSettings(Faults, ScorerSettings):
    """Settings of `brightness`."""

    fail_below: float = 0.0
    """Raise for videos darker than this."""
    seconds: float = 0.0
    """How long each video takes."""
    memory: int = 0
    """Run out of memory for batches larger than this, where above 0."""
    broken: bool = False
    """Refuse to be built."""


class Brightness:
    def __init__(self, settings: BrightnessSettings, context: ScorerContext):
        self._settings = settings
        if settings.broken:
            raise RuntimeError("weights of another size")

    def score(self, batch: Sequence[Sample]) -> list[Score]:
        if self._settings.memory and len(batch) > self._settings.memory:
            raise MemoryError("brightness: out of memory")
        scores = []
        for sample in batch:
            _fault(self._settings, sample.prompt)
            time.sleep(self._settings.seconds)
            means = [float(frame.double().mean()) / 255 for frame in sample.clip.frames]
            value = sum(means) / len(means)
            if value < self._settings.fail_below:
                raise ValueError(f"too dark: {value:.3f}")
            scores.append(Score(value, weight=len(means), details={"frames": means}))
        return scores


class Roughness:
    def __init__(self, settings: ScorerSettings, context: ScorerContext):
        pass

    def score(self, batch: Sequence[Sample]) -> list[Score]:
        return [
            Score(float(sample.clip.frames.double().std()))
            if sample.clip.frame_count > 1
            else Score(None, reason="one frame has no roughness")
            for sample in batch
        ]


class Remarks:
    def __init__(self, settings: ScorerSettings, context: ScorerContext):
        pass

    def score(self, batch: Sequence[Sample]) -> list[Score]:
        return [Score(1.0, notes=("the sound is gone",)) for _ in batch]


class EvenSettings(ScorerSettings):
    """Settings of `even`."""

    fail_on: str = ""
    """Raise for prompts that contain this."""
    seconds: float = 0.0
    """How long each video takes."""


class Even:
    def __init__(self, settings: EvenSettings, context: ScorerContext):
        self._fail_on, self._seconds = settings.fail_on, settings.seconds

    def score(self, batch: Sequence[Sample]) -> list[Score]:
        for sample in batch:
            time.sleep(self._seconds)
            if self._fail_on and self._fail_on in sample.prompt:
                raise ValueError("can't tell")
        first = [float(sample.clip.frames[0, 0, 0, 0] % 2 == 0) for sample in batch]
        # Every frame has the first one's: what is made of series can then be told from what is made of values.
        return [
            Score(value, details={"per_frame": [value] * len(sample.clip.frames)})
            for value, sample in zip(first, batch, strict=True)
        ]


class Tint(MetadataSchema):
    """What `tinted` reads."""

    color: str
    """The colour's name, for example "red"."""
    share: float = 0.5
    """How much of the picture has it."""
    places: tuple[str, ...] = ()
    """Where it is."""


class Tinted:
    def __init__(self, settings: ScorerSettings, context: ScorerContext):
        pass

    def score(self, batch: Sequence[Sample]) -> list[Score]:
        read: list[Tint] = [sample.metadata for sample in batch]
        return [Score(tint.share, details={"color": tint.color, "places": tint.places}) for tint in read]


def animals(asset: Callable[[str], Path], notice: Callable[..., None]) -> list[PromptEntry]:
    """A benchmark's list in which one prompt stands twice, each time with some of its metadata."""
    return [
        PromptEntry(text="a cat", tags=("brightness",), samples=3, metadata=Metadata.of({"color": "grey"})),
        PromptEntry(text="a dog", tags=("brightness",), samples=3),
        PromptEntry(text="a cow", tags=("roughness",), samples=12),
        PromptEntry(text="a cat", tags=("roughness",), samples=12, metadata=Metadata.of({"share": 0.25})),
    ]


DRIFT = AdapterInfo("drift", "drifting noise", DriftSpec, "nova_bench_testkit:Drift")


class Checksum:
    """The judge with which the official script of DPG-Bench made its reference results."""

    answers = ("yes",) * 9 + ("no",) * 4 + ("Yes", "yes.", "two")

    def __init__(self, context: JudgeContext):
        del context

    def answer(self, batch: Sequence[Viewed]) -> list[list[Answer]]:
        return [
            [Answer(self.of(viewed.image.numpy().tobytes(), asked.text)) for asked in viewed.questions]
            for viewed in batch
        ]

    def of(self, pixels: bytes, question: str) -> str:
        return self.answers[crc32(pixels + question.encode()) % len(self.answers)]


class Moody(Checksum):
    """Another judge. What follows the colon of its name says what it does at questions with a `?!`: answer `perhaps`,
    `fail`, or `die`, as the system does when memory runs out."""

    answers = ("yes", "no", "yes")

    def __init__(self, context: JudgeContext):
        self._mood = context.model

    def of(self, pixels: bytes, question: str) -> str:
        if "?!" in question:
            if self._mood == "die":
                os.kill(os.getpid(), signal.SIGKILL)
            if self._mood == "fail":
                raise ValueError("can't look at this")
            return self._mood
        return super().of(pixels, question)


BRIGHTNESS = ScorerInfo(
    name="brightness",
    summary="mean brightness",
    version="1",
    unit="",
    range=(0.0, 1.0),
    higher_is_better=True,
    source="the tests",
    factory="nova_bench_testkit:Brightness",
    settings=BrightnessSettings,
    average="weighted",
    aggregates={
        "videos": Aggregate("mean over videos", "mean"),
        "last_frame": Aggregate("the last frame only", "mean", "frames"),
    },
)
ROUGHNESS = ScorerInfo(
    name="roughness",
    summary="standard deviation of the pixels",
    version="1",
    unit="levels",
    range=(0.0, None),
    higher_is_better=False,
    source="the tests",
    factory="nova_bench_testkit:Roughness",
)
REMARKS = ScorerInfo(
    name="remarks",
    summary="1, and a note",
    version="1",
    unit="",
    range=(0.0, 1.0),
    higher_is_better=True,
    source="the tests",
    factory="nova_bench_testkit:Remarks",
)
EVEN = ScorerInfo(
    name="even",
    summary="whether the first value is even",
    version="1",
    unit="",
    range=(0.0, 1.0),
    higher_is_better=True,
    source="the tests",
    factory="nova_bench_testkit:Even",
    settings=EvenSettings,
    needs_prompt=True,
    binary=True,
)
TINTED = ScorerInfo(
    name="tinted",
    summary="the share that the prompt's metadata states",
    version="1",
    unit="",
    range=(0.0, 1.0),
    higher_is_better=True,
    source="the tests",
    factory="nova_bench_testkit:Tinted",
    reads=Tint,
)
CHECKSUM = JudgeInfo(
    name="checksum",
    summary="answers by the pixels' checksum",
    version="1",
    source="the tests",
    factory="nova_bench_testkit:Checksum",
)
MOODY = replace(
    CHECKSUM, name="moody", summary="answers as its model says", factory="nova_bench_testkit:Moody", takes_model=True
)
ANIMALS = PromptSource("animals", "three animals", "nova_bench_testkit:animals")
OVERALL = Composite(
    name="overall",
    summary="brightness, and roughness as a share of 255 levels at a third of the weight",
    parts=(Part("brightness", weight=3.0), Part("roughness", 0.0, 255.0)),
    source="the tests",
)
SCALED = Composite(
    name="scaled",
    summary="brightness times 100, which must reach 45",
    parts=(Part("brightness"),),
    source="the tests",
    range=(0.0, 100.0),
    digits=2,
    scale=100.0,
    threshold=Threshold(45.0, 50.0, "The tests", "tests/plugin"),
)
