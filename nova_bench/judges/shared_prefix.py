"""Many questions about an image in two passes of a causal decoder: the image once, then all questions side by side.

The first pass leaves the image's keys and values in the cache. In the second, an image's questions lie one after the
other in a row; each token sees the image and the earlier tokens of its own question, and has the position that it would
have if its question were the only one. Attention is causal, so nothing else could have reached it: the probabilities
are those of one pass for each question, up to rounding.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from nova_bench.core.errors import UserError


@dataclass(frozen=True)
class Prompts:
    """An image and what is asked about it.

    ``patches``: [N, D], from the image processor. ``grid``: frames, rows and columns of patches. ``before``: tokens
    before the image; ``after``: for each question the tokens after it, at least one.
    """

    patches: Tensor
    grid: tuple[int, int, int]
    before: tuple[int, ...]
    after: tuple[tuple[int, ...], ...]


class SharedPrefix:
    """A model of the Qwen-VL family of transformers."""

    def __init__(self, model: Any, device: str):
        layers = getattr(model.config.get_text_config(), "layer_types", None) or ()
        if any(layer != "full_attention" for layer in layers):
            raise UserError("the model's attention is limited to a window", "use a model with full attention")
        self._model, self._device = model, device
        self._merged = model.config.vision_config.spatial_merge_size**2
        parameters = inspect.signature(model.model.forward).parameters
        self._cache_argument = "cache" if "cache" in parameters else "past_key_values"  # renamed in transformers 5.24

    def log_probabilities(self, batch: Sequence[Prompts]) -> list[Tensor]:
        """For each image the log-probabilities of the next token after each of its questions: [questions, vocabulary].

        All images have one grid and the same tokens before them.
        """
        from transformers import DynamicCache

        cache = DynamicCache()
        start, position = self._read_images(batch, cache)
        hidden = self._read_questions(batch, cache, start, position)
        rows = [row for row, prompts in enumerate(batch) for _ in prompts.after]
        ends = [end for prompts in batch for end in _ends(prompts.after)]
        logits = self._model.lm_head(hidden[rows, ends]).float()
        return list(logits.log_softmax(dim=-1).split([len(prompts.after) for prompts in batch]))

    def _read_images(self, batch: Sequence[Prompts], cache: Any) -> tuple[int, int]:
        """Fill the cache up to the end of the image; returns the number of tokens and the next position."""
        first = batch[0]
        image_tokens = first.grid[0] * first.grid[1] * first.grid[2] // self._merged
        ids = torch.tensor([*first.before, *[self._model.config.image_token_id] * image_tokens])
        kinds = torch.tensor([0] * len(first.before) + [1] * image_tokens, dtype=torch.int)
        ids, kinds = (row.repeat(len(batch), 1).to(self._device) for row in (ids, kinds))
        grids = torch.tensor([prompts.grid for prompts in batch], device=self._device)
        positions, _ = self._model.model.get_rope_index(ids, mm_token_type_ids=kinds, image_grid_thw=grids)
        self._model.model(
            input_ids=ids,
            position_ids=positions,
            pixel_values=torch.cat([prompts.patches for prompts in batch]).to(self._device),
            image_grid_thw=grids,
            mm_token_type_ids=kinds,
            use_cache=True,
            **{self._cache_argument: cache},
        )
        return ids.shape[1], int(positions.max()) + 1

    def _read_questions(self, batch: Sequence[Prompts], cache: Any, start: int, position: int) -> Tensor:
        """Hidden states [images, tokens, width] of all questions, padded on the right."""
        longest = max(sum(map(len, prompts.after)) for prompts in batch)
        ids = torch.zeros(len(batch), longest, dtype=torch.long)
        question = torch.full_like(ids, -1)
        place = torch.zeros_like(ids)
        for row, prompts in enumerate(batch):
            tokens = [token for one in prompts.after for token in one]
            ids[row, : len(tokens)] = torch.tensor(tokens)
            question[row, : len(tokens)] = torch.tensor([n for n, one in enumerate(prompts.after) for _ in one])
            place[row, : len(tokens)] = torch.tensor([n for one in prompts.after for n in range(len(one))])
        own = (question[:, :, None] == question[:, None, :]).tril()
        seen = torch.cat([own.new_ones(len(batch), longest, start), own], dim=-1)
        return self._model.model(
            input_ids=ids.to(self._device),
            position_ids=(place + position).expand(3, -1, -1).to(self._device),
            attention_mask=seen[:, None].to(self._device),
            use_cache=True,
            **{self._cache_argument: cache},
        ).last_hidden_state


def _ends(after: Sequence[Sequence[int]]) -> list[int]:
    """The place of each question's last token in a row of all."""
    ends, end = [], -1
    for tokens in after:
        end += len(tokens)
        ends.append(end)
    return ends
