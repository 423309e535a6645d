"""An Emu3 with random weights, as small as its layers allow. It shows that the class can be driven, never how well."""

from __future__ import annotations

from pathlib import Path
from typing import Any

SPECIAL = {
    "image_token": "<image>",
    "boi_token": "<|image start|>",
    "eoi_token": "<|image end|>",
    "image_wrapper_token": "<|image token|>",
    "eof_token": "<|extra_201|>",
}
NAMED = {"bos_token": "<|extra_203|>", "eos_token": "<|extra_204|>", "pad_token": "<|endoftext|>"}
VISUAL = [f"<|visual token {index:06d}|>" for index in range(16)]
END_OF_LINE = "<|extra_200|>"


def _tokenizer() -> Any:
    from tokenizers import pre_tokenizers
    from transformers import GPT2Tokenizer

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = [*letters, *NAMED.values(), *SPECIAL.values(), END_OF_LINE, *VISUAL]
    vocab = {token: index for index, token in enumerate(tokens)}
    unknown = NAMED["pad_token"]
    tokenizer = GPT2Tokenizer(vocab=vocab, merges=[], unk_token=unknown, extra_special_tokens=SPECIAL, **NAMED)
    tokenizer.add_tokens([END_OF_LINE, *VISUAL], special_tokens=True)
    return tokenizer


def save(folder: Path) -> Path:
    """The model as a checkpoint's folder; its weights are the same at every call."""
    import torch
    from transformers import Emu3Config, Emu3ForConditionalGeneration, Emu3ImageProcessor, Emu3Processor

    tokenizer = _tokenizer()
    vocab = tokenizer.get_vocab()
    config = Emu3Config(
        vq_config={
            "codebook_size": len(VISUAL),
            "base_channels": 32,
            "channel_multiplier": [1, 1, 1, 1],
            "num_res_blocks": 1,
            "attn_resolutions": [],
            "hidden_size": 32,
        },
        text_config={
            "vocab_size": len(vocab),
            "hidden_size": 32,
            "intermediate_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "num_key_value_heads": 1,
            "max_position_embeddings": 512,
            "initializer_range": 0.5,
            **{f"{name}_id": vocab[token] for name, token in NAMED.items()},
        },
        vocabulary_map=vocab,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        Emu3ForConditionalGeneration(config).save_pretrained(folder)
    Emu3Processor(Emu3ImageProcessor(image_mean=[0.5] * 3, image_std=[0.5] * 3), tokenizer).save_pretrained(folder)
    return folder
