"""What a text encoder makes of prompts that a user must know: which it cuts, and which are the same to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nova_bench.core.errors import MissingAsset
from nova_bench.core.messages import shorten
from nova_bench.core.notices import NAMED
from nova_bench.models.checkpoints import locate_checkpoint

if TYPE_CHECKING:
    from nova_bench.models.nova import CheckpointSpec


def notice_prompts(options: CheckpointSpec, prompts: Sequence[str], notice: Callable[..., None]) -> None:
    """What is to be said of the prompts that a checkpoint is given; nothing if it isn't here."""
    if options.random_weights:
        return
    try:
        folder = locate_checkpoint(options)
    except MissingAsset:
        return
    from nova_bench.nova.errors import NOVAError

    try:
        tokenizer, limit = _text_side(folder)
    except NOVAError:  # whoever generates says what is wrong with the checkpoint
        return
    if tokenizer is not None:
        remark_on_prompts(tokenizer, limit, prompts, notice)


def _text_side(folder: Path) -> tuple[Any, int]:
    """A checkpoint's tokenizer and how many tokens it keeps; None for one that has no text."""
    from nova_bench.nova.config import NOVAConfig
    from nova_bench.nova.text import load_tokenizer

    limit = NOVAConfig.from_file(folder / "transformer" / "config.json").text_token_len
    if not limit or not (folder / "tokenizer").is_dir():
        return None, 0
    return load_tokenizer(folder / "tokenizer"), limit


def remark_on_prompts(tokenizer: Any, limit: int, prompts: Sequence[str], notice: Callable[..., None]) -> None:
    """Report prompts of more than ``limit`` tokens, and prompts of equal tokens within the limit."""
    distinct = list(dict.fromkeys(text for text in prompts if text))
    if not distinct:
        return
    whole = tokenizer(distinct, verbose=False)["input_ids"]
    kept = tokenizer(distinct, truncation=True, max_length=limit)["input_ids"]
    cut = [
        f"{shorten(text)}: {len(some)} of {len(all_)} tokens kept"
        for text, all_, some in zip(distinct, whole, kept, strict=True)
        if len(some) < len(all_)
    ]
    if cut:
        notice(f"{len(cut)} of {_prompts(distinct)} cut at the text encoder's {limit} tokens ({_first(cut)})", cut)
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
