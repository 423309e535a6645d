"""From a call's prompts and motion to the condition tokens of every guidance copy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from nova_bench.nova.embeddings import TextEmbed
from nova_bench.nova.errors import InputError
from nova_bench.nova.guidance import Guidance
from nova_bench.nova.text import PhiTextEncoder, encode_prompts
from nova_bench.nova.transformer import NOVATransformer3DModel

Embeds = Tensor | Sequence[Any]


def text_rows(
    model: NOVATransformer3DModel,
    tokenizer: Any,
    encoder: PhiTextEncoder | None,
    guided: bool,
    prompt: str | Sequence[str] | None = None,
    negative_prompt: str | Sequence[str] | None = None,
    prompt_embeds: Embeds | None = None,
    negative_prompt_embeds: Embeds | None = None,
    num_images_per_prompt: int = 1,
) -> Tensor:
    """Text features [B or 2B, L, E]: all prompts, then (if ``guided``) all negatives, each n times in a row.

    Embeddings take precedence over strings. A single negative serves all prompts; without one, the null text is used.
    """
    embed = model.text_conditions
    limit = embed.num_tokens
    if num_images_per_prompt < 1:
        raise InputError(f"num_images_per_prompt must be at least 1, not {num_images_per_prompt}")
    positive: list[Any] = _listed(prompt, prompt_embeds)
    if not positive:
        raise InputError("give a prompt or prompt_embeds")
    negative = (_listed(negative_prompt, negative_prompt_embeds) or [""]) if guided else []
    negative = negative * len(positive) if len(negative) == 1 else negative
    if negative and len(negative) != len(positive):
        raise InputError(f"{len(negative)} negative prompts for {len(positive)} prompts: give one, or one per prompt")
    rows = positive + negative
    texts = [row for row in rows if isinstance(row, str)]
    if any(texts):
        encoded = iter(encode_prompts(tokenizer, encoder, texts, limit))
    else:  # only null texts: the table holds their features
        encoded = iter([embed.weight[:0]] * len(texts))
    features = [next(encoded) if isinstance(row, str) else _features(row, embed) for row in rows]
    return embed.fill(features).repeat_interleave(num_images_per_prompt, 0)


def condition_tokens(
    model: NOVATransformer3DModel, rows: Tensor, guidance: Guidance, motion_flow: float | Sequence[float]
) -> Tensor:
    """Condition [G*B, L (+ 2 with motion), D] from :func:`text_rows`; ``motion_flow`` is one value, or one per sample.

    The null copies keep the motion of their sample.
    """
    groups = model.text_conditions(rows).chunk(2 if guidance.enabled else 1)
    condition = torch.cat([groups[i] for i in guidance.conditions])
    batch = len(groups[0])
    flow = [motion_flow] * batch if isinstance(motion_flow, int | float) else list(motion_flow)
    if len(flow) != batch:
        raise InputError(f"{len(flow)} motion_flow values for {batch} samples: give one, or one per sample")
    if not all(map(math.isfinite, flow)):
        raise InputError(f"motion_flow must be finite numbers, not {motion_flow}")
    motion = model.motion_tokens(torch.tensor(flow, dtype=torch.float32, device=rows.device))
    if motion is None:
        return condition
    return torch.cat((condition, guidance.expand(motion)), 1)


def _listed(text: str | Sequence[str] | None, embeds: Embeds | None) -> list[Any]:
    if embeds is not None:
        return list(embeds)
    if text is None:
        return []
    items = [text] if isinstance(text, str) else list(text)
    for item in items:
        if not isinstance(item, str):
            raise InputError(f"a prompt is a string, not {type(item).__name__}")
    return items


def _features(row: Any, embed: TextEmbed) -> Tensor:
    features = torch.as_tensor(row)
    width = embed.weight.shape[1]
    if features.ndim != 2 or features.shape[1] != width:
        raise InputError(f"prompt_embeds: expected [tokens, {width}] for each prompt, not {tuple(features.shape)}")
    return features
