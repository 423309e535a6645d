"""VBench's appearance style: does the video look as the style that its prompt names?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from nova_bench.config.metadata import MetadataSchema
from nova_bench.networks.batching import batch_size, in_batches
from nova_bench.networks.frames import pillow_clip_input
from nova_bench.networks.numerics import numerics, runs_half
from nova_bench.scorers.base import Aggregate, Sample, Score, ScorerContext, ScorerInfo
from nova_bench.scorers.vbench.settings import NetworkSettings

if TYPE_CHECKING:
    from torch import Tensor

_ASSETS = ("clip-vit-b-32", "clip-bpe")
_SCALE = 100.0  # about CLIP's own factor, which the score contains


class AppearanceStyleSettings(NetworkSettings):
    """Settings of appearance style."""


class Style(MetadataSchema):
    """What appearance style reads of a prompt."""

    appearance_style: str
    """The style in words, for example "Van Gogh style"."""


class AppearanceStyle:
    """Mean over all frames of CLIP ViT-B/32's logit for the style's words, over 100: VBench's appearance_style.py.

    Frames are resampled by Pillow. If CLIP runs in float16 (``official-cuda``), so do both encoders, normalization
    and product. The words are encoded once. Details: ``frame_scores``.
    """

    def __init__(self, settings: AppearanceStyleSettings, context: ScorerContext):
        from nova_bench.kernels.layers import speed_up
        from nova_bench.networks.clip_text import load_clip
        from nova_bench.networks.clip_tokens import CLIPTokenizer

        self._settings, self._device = settings, context.device
        weights, merges = (context.asset(name) for name in _ASSETS)
        self._tokenizer = CLIPTokenizer(merges)
        half = runs_half(settings.precision, context.device)
        self._network = speed_up(load_clip(weights, half), context.device)
        self._texts: dict[str, Tensor] = {}

    def score(self, batch: Sequence[Sample]) -> list[Score]:
        with numerics(self._settings.precision):
            return [self._score_one(sample) for sample in batch]

    def _score_one(self, sample: Sample) -> Score:
        import torch

        metadata = sample.metadata
        assert isinstance(metadata, Style)
        text = self._text_features(metadata.appearance_style)
        frames, image = sample.clip.frames, self._network.image
        size = batch_size(self._device, image.config.bytes_per_frame(*frames.shape[1:3]))

        def logits(indices: Sequence[int]) -> list[Tensor]:
            features = image(pillow_clip_input(frames[indices[0] : indices[-1] + 1], self._device))
            features = features / features.norm(dim=1, keepdim=True)
            return list((self._network.logit_scale.exp() * features @ text).unbind())

        scores = torch.stack(list(in_batches(range(len(frames)), size, logits))).double() / _SCALE
        return Score(scores.mean().item(), weight=len(scores), details={"frame_scores": scores.tolist()})

    def _text_features(self, text: str) -> Tensor:
        from nova_bench.networks.clip_tokens import stacked

        if text not in self._texts:
            ids, context = self._tokenizer.ids(text), self._network.text.config.context
            if len(ids) > context:
                raise ValueError(f"the style has {len(ids)} tokens; CLIP reads at most {context}")
            features = self._network.text(stacked([ids]).to(self._device))
            self._texts[text] = (features / features.norm(dim=1, keepdim=True))[0]
        return self._texts[text]


INFO = ScorerInfo(
    name="appearance_style",
    summary="VBench appearance style: CLIP similarity of all frames with the words of a style",
    version="1",
    unit="",
    range=(-1.0, 1.0),
    higher_is_better=True,
    source="VBench 1.0 (arXiv 2311.17982), appearance_style.py",
    factory=f"{__name__}:AppearanceStyle",
    settings=AppearanceStyleSettings,
    assets=_ASSETS,
    average="weighted",
    aggregates={"official_8_ranks": Aggregate("each video counts with its last frame only", "mean", "frame_scores")},
    reads=Style,
)
