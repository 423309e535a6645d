"""VBench's human action: does a classifier of videos recognize the action that the prompt names?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nova_bench.config.metadata import MetadataSchema
from nova_bench.core.errors import UserError
from nova_bench.core.messages import shorten
from nova_bench.core.registry import nearest
from nova_bench.core.regular_files import read_text
from nova_bench.networks.batching import batch_size, in_batches
from nova_bench.networks.frames import umt_input
from nova_bench.networks.numerics import numerics
from nova_bench.scorers.base import Sample, Score, ScorerContext, ScorerInfo
from nova_bench.scorers.vbench.middle_frames import middle_frames
from nova_bench.scorers.vbench.settings import NetworkSettings

if TYPE_CHECKING:
    from torch import Tensor

    from nova_bench.video import Clip

_ASSETS = ("umt-l-16", "kinetics-400")
_FRAMES = 16
_ACTIONS = 400
_CANDIDATES = 5
_THRESHOLD = 0.85


class HumanActionSettings(NetworkSettings):
    """Settings of human action."""


class Action(MetadataSchema):
    """What human action reads of a prompt."""

    action: str
    """The action in Kinetics-400's words, for example "riding a bike"."""


class HumanAction:
    """1 if the action is among UMT-L/16's five likeliest with a probability of at least 0.85, else 0, as in VBench's
    human_action.py.

    The network sees the middle frames of sixteen equal parts. The probability is a sigmoid's, rounded to four digits
    before it is compared. An action that isn't in the classifier's list is not measurable; the official code counts it
    as 0. Details: ``top``, the five [action, probability], the likeliest first.
    """

    def __init__(self, settings: HumanActionSettings, context: ScorerContext):
        from nova_bench.kernels.layers import speed_up
        from nova_bench.networks.umt import UMT
        from nova_bench.networks.weights import load_network

        self._settings, self._device = settings, context.device
        weights, actions = (context.asset(name) for name in _ASSETS)
        self._actions = read_actions(actions)
        self._network = speed_up(load_network(UMT, weights, UMT.official_keys), context.device)

    def score(self, batch: Sequence[Sample]) -> list[Score]:
        with numerics(self._settings.precision):
            size = batch_size(self._device, self._network.bytes_per_video)
            logits = in_batches([sample.clip for sample in batch], size, self._logits)
            return [self._judge(sample, values) for sample, values in zip(batch, logits, strict=True)]

    def _logits(self, clips: Sequence[Clip]) -> list[Tensor]:
        import torch

        prepared = []
        for clip in clips:
            wanted = middle_frames(clip.frame_count, _FRAMES)
            distinct = sorted(set(wanted))
            frames = umt_input(clip.frames[distinct], self._device)
            prepared.append(frames[[distinct.index(frame) for frame in wanted]])
        return list(self._network(torch.stack(prepared)).unbind())

    def _judge(self, sample: Sample, logits: Tensor) -> Score:
        metadata = sample.metadata
        assert isinstance(metadata, Action)
        probabilities, indices = logits.sigmoid().topk(_CANDIDATES)
        top = [
            (self._actions[index], round(probability, 4))
            for index, probability in zip(indices.tolist(), probabilities.tolist(), strict=True)
        ]
        details = {"top": [list(pair) for pair in top]}
        if (action := official_label(metadata.action)) not in self._actions:
            hint = nearest(action, self._actions)
            return Score(None, reason=f"{shorten(action)} is not one of Kinetics-400's actions{hint}", details=details)
        seen = {name for name, probability in top if probability >= _THRESHOLD}
        return Score(float(action in seen), details=details)


def official_label(action: str) -> str:
    """The action as VBench reads it in a file's name: lower case, after "person is ", up to a hyphen or underscore."""
    return action.lower().split("-")[0].split("person is ")[-1].split("_")[0]


def read_actions(path: Path) -> tuple[str, ...]:
    """The 400 actions in the classifier's order, in lower case. Raises UserError if the file is another one."""
    try:
        pairs = [line.rsplit("\t", 1) for line in read_text(path).splitlines()]
        names = {int(number): name.strip().lower() for name, number in pairs}
    except (OSError, ValueError) as error:
        raise _wrong(path) from error
    if sorted(names) != list(range(_ACTIONS)):
        raise _wrong(path)
    return tuple(names[number] for number in range(_ACTIONS))


def _wrong(path: Path) -> UserError:
    return UserError(
        f"{path}: not the list of Kinetics-400's actions",
        f"use the official file: python -m nova_bench assets fetch {_ASSETS[1]}",
    )


INFO = ScorerInfo(
    name="human_action",
    summary="VBench human action: share of videos in which UMT recognizes the prompt's action",
    version="1",
    unit="",
    range=(0.0, 1.0),
    higher_is_better=True,
    source="VBench 1.0 (arXiv 2311.17982), human_action.py",
    factory=f"{__name__}:HumanAction",
    settings=HumanActionSettings,
    assets=_ASSETS,
    binary=True,
    reads=Action,
)
