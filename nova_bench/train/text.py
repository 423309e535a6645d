"""A tokenizer for the words of a world, and an untrained Phi text encoder of that vocabulary."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch

from nova_bench.core.errors import UserError
from nova_bench.core.notices import listed
from nova_bench.nova.building import building
from nova_bench.nova.errors import NOVAError
from nova_bench.nova.text import PHI2, PhiTextEncoder
from nova_bench.train.spec import TextSpec

_END = "<|endoftext|>"


def make_tokenizer(words: Sequence[str], max_tokens: int) -> Any:
    """A byte-level BPE tokenizer of the published class in which each of ``words`` is one token.

    ``words`` count in lower case and with a capital initial. Any other text is split into pieces, down to bytes, as in
    the published tokenizer, so every prompt can be tokenized.
    """
    import json

    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import CodeGenTokenizerFast  # type: ignore[attr-defined]  # transformers 5 creates it lazily

    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    trainer = trainers.BpeTrainer(
        vocab_size=2**16,  # never reached: merging ends when every word is one token
        min_frequency=1,
        special_tokens=[_END],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    forms = sorted({form for word in words for form in (word.lower(), word.capitalize())})
    core.train_from_iterator(forms, trainer)
    model = json.loads(core.to_str())["model"]
    return CodeGenTokenizerFast(
        vocab=model["vocab"],
        merges=[tuple(merge) for merge in model["merges"]],
        add_prefix_space=True,  # the first word of a prompt is the same token as elsewhere
        model_max_length=max_tokens,
        **dict.fromkeys(("bos_token", "eos_token", "unk_token", "pad_token"), _END),
    )


def notice_cut_captions(
    tokenizer: Any, captions: Iterable[str], limit: int, notice: Callable[[str, Sequence[str]], None]
) -> None:
    """Report captions of more than ``limit`` tokens; training never sees the rest of them."""
    distinct = list(dict.fromkeys(captions))
    lengths = dict(zip(distinct, map(len, tokenizer(distinct, verbose=False)["input_ids"]), strict=True))
    cut = [f"{text}: {limit} of {length} tokens" for text, length in lengths.items() if length > limit]
    if cut:
        notice(
            f"{len(cut)} of {len(distinct)} captions are cut at text.max_tokens {limit}; the longest has "
            f"{max(lengths.values())} tokens ({listed(cut)})",
            cut,
        )


def make_text_encoder(spec: TextSpec, tokenizer: Any, seed: int) -> PhiTextEncoder:
    """Build an untrained Phi for the tokenizer's vocabulary, with Phi's own initialization (normal, 0.02)."""
    end = tokenizer.eos_token_id
    config = {
        **PHI2,
        "vocab_size": len(tokenizer),
        "hidden_size": spec.width,
        "intermediate_size": 4 * spec.width,
        "num_hidden_layers": spec.layers,
        "num_attention_heads": spec.heads,
        "num_key_value_heads": spec.heads,
        "partial_rotary_factor": 0.5,
        "max_position_embeddings": 2048,
        **dict.fromkeys(("bos_token_id", "eos_token_id", "pad_token_id"), end),
    }
    try:
        with torch.random.fork_rng(devices=[]), building("the settings"):
            torch.manual_seed(seed % 2**64)
            return PhiTextEncoder(config)
    except NOVAError as error:
        raise UserError(f"text: {error}", "correct width, layers and heads") from error
