"""What a judge is: a description that needs no torch, and an object that answers questions about images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Protocol

from nova_bench.config.catalog import JUDGES
from nova_bench.core.errors import MediaError, UserError

if TYPE_CHECKING:
    import torch

YES = "yes"
NO = "no"
NEITHER = "neither"
"""The answer of a judge with probabilities that finds neither yes nor no likely."""


@dataclass(frozen=True)
class Asked:
    """A question in words, and the proposition that it asks about: ``attribute - color (cat, red)``, or empty."""

    text: str
    proposition: str = ""


@dataclass(frozen=True)
class Answer:
    """The judge's words, of which only ``yes`` counts, letter by letter; ``yes`` as a probability if it has one.

    ``note``: what a reader must know about how it was asked, such as that the question was cut; equal for equal cases.
    """

    text: str
    probability: float | None = None
    note: str = ""


@dataclass(frozen=True)
class Viewed:
    """An image with everything that is asked about it. ``frames`` is uint8 RGB [T, H, W, 3]; an image has one."""

    frames: torch.Tensor
    questions: tuple[Asked, ...]

    @property
    def image(self) -> torch.Tensor:
        """The image, uint8 RGB [H, W, 3]. MediaError for a video."""
        if len(self.frames) != 1:
            raise MediaError(
                f"{len(self.frames)} frames, but the judge looks at images", "set sampling.num_frames: 1, or use images"
            )
        return self.frames[0]


@dataclass(frozen=True)
class JudgeContext:
    """What a judge is built with: the torch device, where an asset's file or folder is, and what follows the colon of
    its name (a hub id or a folder), empty for a judge that has none."""

    device: str
    asset: Callable[[str], Path]
    model: str = ""


class Judge(Protocol):
    """The interface of judges: an answer to each question about each image, in order.

    An answer must not depend on the other questions or images. For an image that can't be judged, ``answer`` raises;
    the caller then asks about the images one by one.
    """

    def answer(self, batch: Sequence[Viewed]) -> list[list[Answer]]: ...


@dataclass(frozen=True)
class JudgeInfo:
    """Everything the harness must know about a judge before it is built.

    ``name`` is what suites write before the colon. ``version`` changes whenever answers may change. ``factory`` is
    ``"module:Class"``, called with a :class:`JudgeContext`. ``assets(model)`` names the weights, of which the digests
    are part of every row's identity.
    """

    name: str
    summary: str
    version: str
    source: str
    factory: str
    assets: Callable[[str], tuple[str, ...]] = lambda model: ()
    takes_model: bool = False
    """Whether the name is followed by a colon and a hub id or a folder."""
    known_answers: str = ""
    """``"module:function"`` that measures the judge's own accuracy where the truth is known, as a list of
    :class:`KnownAnswers`; empty if nothing is known."""
    asked: str = ""
    """How the question is put to the model, if not as it is."""

    def build(self, context: JudgeContext) -> Judge:
        """Import the implementation and construct it."""
        return resolve_name(self.factory)(context)


@dataclass(frozen=True)
class KnownAnswers:
    """Answers to questions of one ``category`` whose truth is known, one entry per video: how many of ``true`` and of
    ``false`` statements were asked about, and how many of these answers were right."""

    category: str
    true: tuple[int, ...]
    right_of_true: tuple[int, ...]
    false: tuple[int, ...]
    right_of_false: tuple[int, ...]


def judge_called(name: str) -> tuple[JudgeInfo, str]:
    """The judge of a suite's ``judge``, such as ``mplug`` or ``vlm:ORG/MODEL``, and what follows the colon.

    Raises UserError if there is none of that name, or if its model is missing, one too many, or no possible name.
    """
    kind, _, model = name.partition(":")
    info = JUDGES.get(kind)
    if info.takes_model and not model:
        raise UserError(f"judge {kind}: no model named", f"write {kind}:HUB_ID, or {kind}:FOLDER")
    if model and not info.takes_model:
        raise UserError(f"judge {kind}: takes no model, but {model!r} is named", f"write {kind}")
    info.assets(model)
    return info, model
