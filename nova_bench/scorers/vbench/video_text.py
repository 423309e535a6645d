"""How well a video fits its prompt, by ViCLIP: what temporal style and overall consistency measure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from nova_bench.networks.batching import batch_size, in_batches
from nova_bench.networks.frames import to_float, viclip_input
from nova_bench.networks.numerics import numerics
from nova_bench.scorers.base import Sample, Score, ScorerContext, ScorerInfo
from nova_bench.scorers.vbench.middle_frames import middle_frames
from nova_bench.scorers.vbench.settings import NetworkSettings

if TYPE_CHECKING:
    from torch import Tensor

    from nova_bench.video import Clip

_ASSETS = ("viclip-l-14", "clip-bpe")


class VideoTextSettings(NetworkSettings):
    """Settings of the dimensions that compare a video with its prompt."""


class VideoText:
    """Cosine of ViCLIP's features of eight frames and of the prompt, as in VBench's temporal_style.py and
    overall_consistency.py, which differ in their prompts alone.

    The frames are the middle ones of eight equal parts. Details: ``frames``, their indices.
    """

    def __init__(self, settings: VideoTextSettings, context: ScorerContext):
        from nova_bench.networks.clip_tokens import CLIPTokenizer
        from nova_bench.networks.sharing import shared_network
        from nova_bench.networks.viclip import load_viclip

        self._settings, self._device = settings, context.device
        weights, merges = (context.asset(name) for name in _ASSETS)
        self._tokenizer = CLIPTokenizer(merges)
        self._network = shared_network(load_viclip, weights, context.device)
        self._texts: dict[str, tuple[Tensor, tuple[str, ...]]] = {}

    def score(self, batch: Sequence[Sample]) -> list[Score]:
        from nova_bench.networks.sharing import computed_of

        key = (self._network, self._settings.precision)
        with numerics(self._settings.precision):
            # The other of the two dimensions may have encoded a video already.
            if new := [sample.clip for sample in batch if key not in computed_of(sample.clip)]:
                largest = max(self._network.vision_encoder.bytes_per_video(*clip.frames.shape[1:3]) for clip in new)
                videos = in_batches(new, batch_size(self._device, largest), self._video_features)
                for clip, video in zip(new, videos, strict=True):
                    computed_of(clip)[key] = video
            return [self._compare(computed_of(sample.clip)[key], sample) for sample in batch]

    def _compare(self, video: Tensor, sample: Sample) -> Score:
        text, notes = self._text_features(sample.prompt)
        return Score((video @ text).item(), details={"frames": _frames(sample.clip)}, notes=notes)

    def _video_features(self, clips: Sequence[Clip]) -> list[Tensor]:
        import torch
        from torch.nn import functional as F

        prepared = [viclip_input(to_float(clip.frames[_frames(clip)], self._device)) for clip in clips]
        return list(F.normalize(self._network.vision_encoder(torch.stack(prepared)), dim=-1).unbind())

    def _text_features(self, prompt: str) -> tuple[Tensor, tuple[str, ...]]:
        from torch.nn import functional as F

        from nova_bench.networks.clip_tokens import stacked
        from nova_bench.networks.viclip import CONTEXT

        if prompt not in self._texts:
            ids = self._tokenizer.ids(prompt)
            features = self._network.text_encoder(stacked([self._tokenizer.cut(ids, CONTEXT)]).to(self._device))
            cut = (f"ViCLIP reads the first {CONTEXT} tokens of a prompt",) if len(ids) > CONTEXT else ()
            self._texts[prompt] = F.normalize(features, dim=-1)[0], cut
        return self._texts[prompt]


def _frames(clip: Clip) -> list[int]:
    return middle_frames(clip.frame_count, 8)


def describe(name: str, summary: str) -> ScorerInfo:
    """The description of one of the two dimensions."""
    return ScorerInfo(
        name=name,
        summary=summary,
        version="1",
        unit="",
        range=(-1.0, 1.0),
        higher_is_better=True,
        source=f"VBench 1.0 (arXiv 2311.17982), {name}.py",
        factory=f"{__name__}:VideoText",
        settings=VideoTextSettings,
        needs_prompt=True,
        assets=_ASSETS,
    )
