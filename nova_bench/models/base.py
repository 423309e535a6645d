"""What a model adapter is: a description that needs no torch, and an object that makes outputs from units."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, Protocol

from nova_bench.config.suite import ModelSpec, Suite
from nova_bench.config.units import ExistingSample, Unit

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Output:
    """What an adapter made of one unit: frames, a file that exists already, or the error that prevented both."""

    unit: Unit
    frames: torch.Tensor | None = None
    """uint8 [T, H, W, 3] RGB; one frame is an image."""
    path: Path | None = None
    """An existing file, left where it is."""
    error: str | Exception | None = None
    """Why this unit failed: one line, or the exception, which also says whether a retry may help."""
    details: dict[str, Any] = field(default_factory=dict)
    """JSON kept with the artifact, for example seconds per stage."""


@dataclass(frozen=True)
class AdapterContext:
    """What the harness offers an adapter: the whole suite, the device, the assets, and a cached file digest."""

    suite: Suite
    device: str
    asset: Callable[[str], Path]
    file_digest: Callable[[Path], str]
    warn: Callable[..., None]
    """``warn(text, names=(), asked=False)``: what the user should know about the samples; also in the report. See
    :meth:`nova_bench.core.progress.Progress.notice`."""


class ModelAdapter(Protocol):
    """The interface of models. Construction, digest and prompts must not need torch or load weights."""

    def digest(self) -> str:
        """Digest of what makes the videos: checkpoint content and generator version."""
        ...

    def existing(self) -> Sequence[ExistingSample] | None:
        """Return the samples if their videos exist already; None if they must be generated.

        If the suite has prompts, these are the samples it asks for, whether their files exist or not.
        """
        ...

    def generate(self, units: Sequence[Unit]) -> Iterator[Output]:
        """One output per unit, in any order, batch after batch. A unit's sample never depends on its batch."""
        ...


PromptNotices = Callable[[Any, Sequence[str], Callable[..., None]], None]


@dataclass(frozen=True)
class AdapterInfo:
    """Everything the harness must know about an adapter before it is built.

    ``factory`` is ``"module:Class"``, called with ``(options, context)``; ``options`` is its part of a suite.
    """

    name: str
    summary: str
    options: type[ModelSpec]
    factory: str
    missing: Callable[[Any], Iterable[str]] = lambda options: ()
    """What must be fetched before a model with these ``options`` can generate: one line each, with the command."""
    prompt_notices: PromptNotices = lambda options, prompts, notice: None
    """Report what a user must know about the prompts: those that the model truncates or can't tell apart. May read a
    tokenizer but no weights, and needs no torch."""
    protocol: Callable[[Mapping[str, Any], str], Mapping[str, Any]] = lambda section, device: {}
    """What a suite's ``model`` section (JSON) says about how samples are made on a device, besides which model makes
    them: ``precision`` and ``sampler``, for the protocol card. What it leaves out is unknown."""
    uses_reference: bool = False
    """Whether samples are made from the reference, which is then part of a unit's identity."""

    def build(self, options: ModelSpec, context: AdapterContext) -> ModelAdapter:
        """Import the implementation and construct it."""
        return resolve_name(self.factory)(options, context)
