"""Notices about the prompts that a pipeline's tokenizers cut: CLIP reads 77 tokens, less than most dense prompts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nova_bench.core.errors import MissingAsset, UserError
from nova_bench.core.json_text import parse_json
from nova_bench.core.regular_files import read_text
from nova_bench.models.pipeline_files import locate_pipeline, parts_of, pipeline_index
from nova_bench.models.prompt_notices import open_tokenizer, remark

if TYPE_CHECKING:
    from nova_bench.models.diffusers import DiffusersSpec

LENGTH = "max_sequence_length"
"""Argument of a pipeline's call that limits its longer text encoder."""
OWN = {("HunyuanDiTPipeline", "tokenizer_2"): 256, ("StableDiffusion3Pipeline", "tokenizer_3"): 256}
"""(class, tokenizer) -> limit that the class sets itself or by default (pipeline_hunyuandit.py,
pipeline_stable_diffusion_3.py)."""
NO_LIMIT = 100_000
"""A tokenizer without a limit states a much larger number."""


def notice_prompts(options: DiffusersSpec, prompts: Sequence[str], notice: Callable[..., None]) -> None:
    """Report the prompts that each tokenizer cuts or can't tell apart; nothing if the checkpoint isn't here.

    A tokenizer whose limit is known neither from its files nor from `arguments` is passed over.
    """
    try:
        folder = locate_pipeline(options)
        index = pipeline_index(folder)
        for part, (_, kind) in parts_of(index).items():
            name = options.pipeline or str(index.get("_class_name"))
            if "Tokenizer" not in kind or (limit := _limit(options, name, folder / part, kind)) is None:
                continue
            if (tokenize := open_tokenizer(folder / part)) is not None:
                remark(tokenize, limit, prompts, notice, f"{part}'s")
    except MissingAsset:
        return
    except (UserError, OSError, ValueError, AttributeError):  # generation reports what is wrong with the checkpoint
        return


def _limit(options: DiffusersSpec, pipeline: str, folder: Path, kind: str) -> int | None:
    if kind.startswith(("CLIP", "Bert")):
        stated = parse_json(read_text(folder / "tokenizer_config.json")).get("model_max_length")
        return stated if isinstance(stated, int) and stated < NO_LIMIT else None
    stated = options.arguments.get(LENGTH, OWN.get((pipeline, folder.name)))
    return stated if isinstance(stated, int) else None
