"""Notices about a text encoder's view of prompts: which it truncates, and which it can't tell apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nova_bench.core.errors import MissingAsset
from nova_bench.core.json_text import parse_json
from nova_bench.core.messages import shorten
from nova_bench.core.notices import NAMED
from nova_bench.core.regular_files import read_text
from nova_bench.models.checkpoints import locate_checkpoint

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from nova_bench.models.nova import CheckpointSpec


Tokenize = Callable[[Sequence[str], int | None], list[list[int]]]
"""(texts, limit of tokens or None) -> the tokens of each text."""


def notice_prompts(options: CheckpointSpec, prompts: Sequence[str], notice: Callable[..., None]) -> None:
    """Report truncated and indistinguishable prompts of a checkpoint; nothing if it isn't here. Needs no torch."""
    if options.random_weights:
        return
    try:
        folder = locate_checkpoint(options)
        limit = parse_json(read_text(folder / "transformer" / "config.json")).get("text_token_len")
        tokenize = open_tokenizer(folder / "tokenizer") if limit else None
    except MissingAsset:
        return
    except (OSError, ValueError, AttributeError):  # generation reports what is wrong with the checkpoint
        return
    if tokenize is not None:
        remark(tokenize, limit, prompts, notice)


def open_tokenizer(folder: Path) -> Tokenize | None:
    """A checkpoint's tokenizer, by the library that `transformers` uses; None for a model without text.

    Raises ValueError for files that hold no tokenizer.
    """
    if not folder.is_dir():
        return None
    try:
        if not (folder / "tokenizer.json").is_file() and (folder / "spiece.model").is_file():
            return _sentencepiece(folder / "spiece.model")
        core = _core(folder)
    except Exception as error:  # the library raises only this type
        raise ValueError(f"{folder}: {error}") from error
    core.no_padding()

    def tokenize(texts: Sequence[str], limit: int | None) -> list[list[int]]:
        if limit is None:
            core.no_truncation()
        else:
            core.enable_truncation(limit)
        return [encoded.ids for encoded in core.encode_batch(texts)]

    return tokenize


def _core(folder: Path) -> Tokenizer:
    from tokenizers import Tokenizer, implementations, models, pre_tokenizers

    if (folder / "tokenizer.json").is_file():
        return Tokenizer.from_file(str(folder / "tokenizer.json"))
    settings = parse_json(read_text(folder / "tokenizer_config.json"))
    if (folder / "vocab.txt").is_file():
        lower = settings.get("do_lower_case", True)
        return implementations.BertWordPieceTokenizer(str(folder / "vocab.txt"), lowercase=lower)._tokenizer
    bpe = models.BPE.from_file(str(folder / "vocab.json"), str(folder / "merges.txt"))
    if settings.get("tokenizer_class") == "CLIPTokenizer":
        return _clip(bpe)
    core = Tokenizer(bpe)
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=settings.get("add_prefix_space", False))
    return core


def _clip(bpe: Any) -> Tokenizer:
    """CLIP's tokenizer, which older checkpoints have only as a vocabulary and merges."""
    from tokenizers import Regex, Tokenizer, normalizers, pre_tokenizers, processors

    bpe.end_of_word_suffix, bpe.continuing_subword_prefix = "</w>", ""
    core = Tokenizer(bpe)
    core.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    words = Regex(r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+")
    core.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(words, "removed", invert=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    start, end = "<|startoftext|>", "<|endoftext|>"
    ends = [(token, core.token_to_id(token)) for token in (start, end)]
    core.post_processor = processors.TemplateProcessing(single=f"{start} $A {end}", special_tokens=ends)
    return core


def _sentencepiece(path: Path) -> Tokenize:
    """T5's tokenizer, where a checkpoint has it only in sentencepiece's own format. Ends with </s>."""
    from sentencepiece import SentencePieceProcessor

    pieces = SentencePieceProcessor(model_file=str(path))

    def tokenize(texts: Sequence[str], limit: int | None) -> list[list[int]]:
        end = [pieces.eos_id()]
        whole = [pieces.encode(text) + end for text in texts]
        return whole if limit is None else [ids if len(ids) <= limit else ids[: limit - 1] + end for ids in whole]

    return tokenize


def remark(
    tokenize: Tokenize,
    limit: int,
    prompts: Sequence[str],
    notice: Callable[..., None],
    whose: str = "the text encoder's",
) -> None:
    """Report prompts of more than ``limit`` tokens, and prompts with equal tokens within the limit.

    ``whose`` limit it is: that of the text encoder, or of one of several.
    """
    distinct = list(dict.fromkeys(text for text in prompts if text))
    if not distinct:
        return
    whole, kept = tokenize(distinct, None), tokenize(distinct, limit)
    cut = [
        f"{shorten(text)}: {len(some)} of {len(all_)} tokens kept"
        for text, all_, some in zip(distinct, whole, kept, strict=True)
        if len(some) < len(all_)
    ]
    if cut:
        notice(f"{len(cut)} of {_prompts(distinct)} cut at {whose} {limit} tokens ({_first(cut)})", cut)
    first: dict[tuple[int, ...], str] = {}
    same = [
        f"{shorten(text)} like {shorten(earlier)}"
        for text, tokens in zip(distinct, kept, strict=True)
        if (earlier := first.setdefault(tuple(tokens), text)) != text
    ]
    if same:
        notice(f"{len(same)} of {_prompts(distinct)} the same tokens as another one ({_first(same)})", same)


def _prompts(distinct: Sequence[str]) -> str:
    return f"{len(distinct)} prompt{'s' if len(distinct) > 1 else ''}"


def _first(found: Sequence[str]) -> str:
    return "; ".join(found[:NAMED]) + ("; ..." if len(found) > NAMED else "")
