"""Vision-language models as judges: the probability that their first word is yes, against no."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

from nova_bench.judges.base import NEITHER, NO, YES, Answer, JudgeContext, JudgeInfo, Viewed
from nova_bench.judges.chat import Chat, spellings
from nova_bench.judges.pretrained import ARITHMETIC, image_processor, known_model, model_assets, network, tokenizer
from nova_bench.networks.batching import batch_size, in_batches
from nova_bench.networks.numerics import numerics

if TYPE_CHECKING:
    import torch

    from nova_bench.judges.shared_prefix import Prompts

PROMPT = "{question} Answer with yes or no only."
"""What the model is asked, in its own chat template, after the image."""
MODEL_TYPES = ("qwen2_vl", "qwen2_5_vl", "qwen3_vl", "qwen3_vl_moe")
"""Causal decoders with the same kind of positions, for which sharing an image is exact."""
_LEAST = 0.5
_BYTES_PER_PIXEL = 500
"""About what an image takes on its way through the networks."""


class VisionLanguageJudge:
    """p = yes / (yes + no), from the first token's probabilities summed over all spellings of either word.

    The answer is ``yes`` from p = 0.5 on, and ``neither`` if yes and no together have less than half of the
    probability. Images of one size are read together, each once for all of its questions.
    """

    def __init__(self, context: JudgeContext):
        from nova_bench.judges.shared_prefix import SharedPrefix

        folder, _ = known_model(context, MODEL_TYPES, "for ViLT and BLIP the judge is vqa")
        self._processor = image_processor(folder, "Qwen2VLImageProcessorPil")
        model = network(folder, "AutoModelForImageTextToText", context.device, attn_implementation="sdpa")
        reader = tokenizer(folder)
        self._device = context.device
        self._model = SharedPrefix(model, context.device)
        self._chat = Chat.of(folder, reader, model.config.image_token_id)
        self._yes, self._no = spellings(reader, (YES, NO))

    def answer(self, batch: Sequence[Viewed]) -> list[list[Answer]]:
        """Raises MediaError for a video, ValueError for probabilities that are not finite."""
        groups: dict[tuple[int, ...], list[int]] = defaultdict(list)
        for place, viewed in enumerate(batch):
            groups[tuple(viewed.image.shape)].append(place)
        answers: list[list[Answer]] = [[] for _ in batch]
        with numerics("float32"):
            for (height, width, _), places in groups.items():
                size = batch_size(self._device, _BYTES_PER_PIXEL * height * width)
                found = in_batches([batch[place] for place in places], size, self._answer)
                for place, one in zip(places, found, strict=True):
                    answers[place] = one
        return answers

    def _answer(self, batch: Sequence[Viewed]) -> list[list[Answer]]:
        """Answers about images of one size."""
        found = self._model.log_probabilities([self._prompts(viewed) for viewed in batch])
        return [[self._judged(one) for one in image.unbind()] for image in found]

    def _prompts(self, viewed: Viewed) -> Prompts:
        from PIL import Image

        from nova_bench.judges.shared_prefix import Prompts

        inputs = self._processor(images=[Image.fromarray(viewed.image.numpy())], return_tensors="pt")
        frames, rows, columns = inputs["image_grid_thw"][0].tolist()
        parts = [self._chat.ids(PROMPT.format(question=asked.text)) for asked in viewed.questions]
        after = tuple(tuple(tokens) for _, tokens in parts)
        return Prompts(inputs["pixel_values"], (frames, rows, columns), tuple(parts[0][0]), after)

    def _judged(self, log_probabilities: torch.Tensor) -> Answer:
        yes, no = (float(log_probabilities[tokens].logsumexp(0)) for tokens in (self._yes, self._no))
        return judged(yes, no)


def judged(yes: float, no: float) -> Answer:
    """The answer for the log-probabilities of either word. ValueError if they are not finite."""
    if not math.isfinite(yes - no):
        raise ValueError("the model's probabilities are not finite")
    mass = math.exp(yes) + math.exp(no)
    share = math.exp(yes - max(yes, no))
    probability = share / (share + math.exp(no - max(yes, no)))
    if mass < _LEAST:
        return Answer(NEITHER, probability)
    return Answer(YES if probability >= _LEAST else NO, probability)


INFO = JudgeInfo(
    name="vlm",
    summary="a vision-language model: Qwen2-VL, Qwen2.5-VL, Qwen3-VL",
    version=f"1, {ARITHMETIC}, images prepared with Pillow",
    source="the model's page on the hub",
    factory=f"{__name__}:VisionLanguageJudge",
    assets=model_assets,
    takes_model=True,
    asked=PROMPT,
)
