"""What GRiT sees in a video: shared by object class, multiple objects, color and spatial relationship."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nova_bench.networks.batching import batch_size, in_batches
from nova_bench.networks.bert_tokens import BertTokenizer
from nova_bench.networks.frames import grit_input
from nova_bench.networks.numerics import numerics
from nova_bench.scorers.vbench.middle_frames import middle_frames

if TYPE_CHECKING:
    from torch import Tensor

    from nova_bench.networks.grit.grit import Found
    from nova_bench.scorers.base import ScorerContext
    from nova_bench.scorers.vbench.settings import NetworkSettings
    from nova_bench.video import Clip

ASSETS = ("grit-b", "bert-vocab")
FRAMES = 16
_FEWEST_BOXES = 16  # described at once, however little memory there is: fewer would read the weights more often


@dataclass(frozen=True)
class Detection:
    """One object: its name, a caption if captions were wanted, and its box in whole pixels, left to bottom."""

    name: str
    caption: str
    box: tuple[int, int, int, int]


class Detector:
    """GRiT-B and its words. ``captions``: write them too, and resample large frames as color does."""

    def __init__(self, settings: NetworkSettings, context: ScorerContext, captions: bool = False):
        from nova_bench.networks.grit.grit import load_grit
        from nova_bench.networks.sharing import shared_network

        self._settings, self._device, self._captions = settings, context.device, captions
        weights, vocabulary = (context.asset(name) for name in ASSETS)
        self._words = BertTokenizer(vocabulary)
        self._network = shared_network(load_grit, weights, context.device)

    def detect(self, clip: Clip) -> list[list[Detection]]:
        """The objects in each of the middle frames of sixteen equal parts, the surest first.

        A short video's last frame stands for the missing ones; it is looked at once. Scorers that look in the same way
        share what is seen.
        """
        from nova_bench.networks.sharing import computed_of

        computed, key = computed_of(clip), (self._network, self._captions, self._settings.precision)
        if key not in computed:
            computed[key] = self._detect(clip)
        return computed[key]

    def _detect(self, clip: Clip) -> list[list[Detection]]:
        wanted = middle_frames(clip.frame_count, FRAMES)
        distinct = sorted(set(wanted))
        with numerics(self._settings.precision):
            seen = self._look(clip.frames[distinct])
        return [seen[distinct.index(frame)] for frame in wanted]

    def _look(self, frames: Tensor) -> list[list[Detection]]:
        frames = grit_input(frames, opencv=self._captions)
        size = batch_size(self._device, self._network.bytes_per_frame(*frames.shape[-2:]))

        def find(batch: Sequence[Tensor]) -> list[Found]:
            import torch

            return self._network.find(torch.stack(list(batch)).to(self._device))

        found = list(in_batches(list(frames.unbind()), size, find))
        texts = iter(self._describe([feature for objects in found for feature in objects.features]))
        return [
            [
                Detection(*next(texts), (box[0], box[1], box[2], box[3]))
                for box in objects.boxes.boxes.int().tolist()  # towards zero
            ]
            for objects in found
        ]

    def _describe(self, features: Sequence[Tensor]) -> list[tuple[str, str]]:
        """Name and caption of each box."""
        from nova_bench.networks.grit.text_decoder import CAPTION, OBJECT

        begins = [OBJECT, CAPTION] if self._captions else [OBJECT]
        bytes_per_box = self._network.roi_heads.text_decoder.textual.bytes_per_box
        size = max(_FEWEST_BOXES, batch_size(self._device, bytes_per_box))

        def describe(batch: Sequence[Tensor]) -> list[tuple[str, str]]:
            import torch

            written = self._network.describe(torch.stack(list(batch)), begins)
            names, *captions = [[self._words.text(ids[1:]) for ids in texts.tokens.tolist()] for texts in written]
            return list(zip(names, captions[0] if captions else [""] * len(names), strict=True))

        return list(in_batches(features, size, describe))


def named(frames: Sequence[Sequence[Detection]]) -> dict[str, Any]:
    """Details of a score: ``names`` of the objects in each frame."""
    return {"names": [[seen.name for seen in frame] for frame in frames]}
