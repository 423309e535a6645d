"""Draws images with Emu3: rows of visual tokens, classifier-free guidance, a generator for each sample.

The text of a request, the order of tokens and the guidance are those of the published example (github.com/baaivision/
Emu3, image_generation.py): the negative prompt also ends with the image's size.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import Emu3ForConditionalGeneration, Emu3Processor, LogitsProcessor, LogitsProcessorList

from nova_bench.core.errors import UserError
from nova_bench.models.pipeline_loading import all_weights, explained, quiet

END_OF_LINE = "<|extra_200|>"
LAST_TOKENS = 3
"""After the last row: end of frame, end of image, end of text."""


def load_emu3(folder: Path, dtype: str, device: str) -> tuple[Any, Any]:
    """The model on a device, and its processor. UserError if it can't be loaded whole."""
    with quiet(), explained(folder), all_weights(folder):
        model: Any = Emu3ForConditionalGeneration.from_pretrained(
            str(folder), dtype=getattr(torch, dtype), use_safetensors=True, local_files_only=True
        )
        processor: Any = Emu3Processor.from_pretrained(str(folder), local_files_only=True)
    processor.tokenizer.padding_side = "left"
    return model.eval().to(device), processor


@torch.no_grad()
def draw_images(
    model: Any,
    processor: Any,
    texts: Sequence[str],
    seeds: Sequence[int],
    *,
    negative: str,
    guidance: float,
    size: tuple[int, int],
    top_k: int,
) -> list[Tensor | None]:
    """uint8 [H, W, 3] for each text; None if its numbers are not finite. UserError for a size Emu3 doesn't make."""
    height, width = size
    asked = {"return_for_image_generation": True, "ratio": f"{width}:{height}", "image_area": height * width}
    inputs = processor(text=list(texts), padding=True, return_tensors="pt", **asked)
    rows, columns = inputs.pop("image_sizes")[0]
    factor = processor.downsample_ratio
    if (rows * factor, columns * factor) != size:
        raise UserError(
            f"sampling asks for {width}x{height}, but Emu3 makes {columns * factor}x{rows * factor}",
            f"give sides that are multiples of {factor}",
        )
    inputs = inputs.to(model.device)
    unconditional = processor(text=[negative] * len(texts), return_tensors="pt", **asked).to(model.device)
    draw = Draw(seeds, top_k)
    out = model.generate(
        input_ids=inputs["input_ids"],
        attention_mask=inputs["attention_mask"],
        max_new_tokens=(columns + 1) * rows + LAST_TOKENS,
        prefix_allowed_tokens_fn=allowed_tokens(model, processor.tokenizer, rows, columns),
        guidance_scale=guidance,
        negative_prompt_ids=unconditional["input_ids"],
        negative_prompt_attention_mask=unconditional["attention_mask"],
        logits_processor=LogitsProcessorList([draw]),
        do_sample=False,
    )
    tokens = out[:, inputs["input_ids"].shape[1] :]
    decoded = model.decode_image_tokens(image_tokens=tokens, height=rows, width=columns).float()
    images: list[Tensor | None] = []
    for index, image in enumerate(decoded):
        finite = draw.finite[index] and bool(image.isfinite().all())
        images.append(_to_uint8(processor, image) if finite else None)
    return images


def allowed_tokens(model: Any, tokenizer: Any, rows: int, columns: int) -> Callable[[int, Tensor], list[int]]:
    """Which tokens may come next: visual ones in ``rows`` of ``columns``, a line's end after each, then the image's."""
    visual = model.vocabulary_mapping.image_tokens
    line = [tokenizer.convert_tokens_to_ids(END_OF_LINE)]
    last = [[tokenizer.eof_token_id], [tokenizer.eoi_token_id], [tokenizer.eos_token_id]]

    def allowed(batch_id: int, input_ids: Tensor) -> list[int]:
        start = int((input_ids == tokenizer.image_wrapper_token_id).nonzero()[-1])
        place = len(input_ids) - start - 1
        if place >= (columns + 1) * rows:
            return last[min(place - (columns + 1) * rows, LAST_TOKENS - 1)]
        return line if place % (columns + 1) == columns else visual

    return allowed


class Draw(LogitsProcessor):
    """Draws each sample's next token with its own generator; what comes out leaves no other choice.

    Sampling by ``generate`` would take one stream of random numbers for the whole batch.
    """

    def __init__(self, seeds: Sequence[int], top_k: int):
        self._generators = [torch.Generator("cpu").manual_seed(seed) for seed in seeds]
        self._top_k = top_k
        self.finite = [True] * len(seeds)
        """Whether a sample's logits were finite so far."""

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        values, indices = scores.float().topk(min(self._top_k, scores.shape[-1]))
        probabilities, indices = values.softmax(-1).cpu(), indices.cpu()
        drawn = torch.full_like(scores, float("-inf"))
        for row, generator in enumerate(self._generators):
            if not probabilities[row].isfinite().all():
                self.finite[row] = False
                place = 0
            else:
                place = int(torch.multinomial(probabilities[row], 1, generator=generator))
            drawn[row, indices[row, place]] = 0
        return drawn


def _to_uint8(processor: Any, image: Tensor) -> Tensor:
    """The processor's inverse of its normalization, from [3, H, W]."""
    picture = processor.postprocess([image], return_tensors="PIL.Image.Image")["pixel_values"][0]
    return torch.frombuffer(bytearray(picture.tobytes()), dtype=torch.uint8).view(picture.height, picture.width, 3)
