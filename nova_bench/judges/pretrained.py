"""Loads models of the hub's library from a folder: safetensors only, complete, without code of theirs or a network."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

from nova_bench.assets import model_asset_name
from nova_bench.core.batches import one_line
from nova_bench.core.errors import UserError
from nova_bench.core.json_text import parse_json
from nova_bench.core.regular_files import read_text
from nova_bench.judges.base import JudgeContext

LEAST = 5
"""First major version of transformers whose image processors and caches are used here."""
ARITHMETIC = "bfloat16 on CUDA, float32 on a CPU"
_LOCAL = {"local_files_only": True, "trust_remote_code": False}
_CONFIG = "config.json"

Loaded = TypeVar("Loaded")


def model_assets(model: str) -> tuple[str, ...]:
    """The asset that a judge of this hub id or folder needs. UserError if it is neither."""
    return (model_asset_name(model),)


def known_model(context: JudgeContext, known: Collection[str], otherwise: str) -> tuple[Path, str]:
    """The folder of the judge's model, and its architecture.

    UserError if that is none of the ``known`` ones; ``otherwise`` says for which models there is another judge.
    """
    (asset,) = model_assets(context.model)
    folder = context.asset(asset)
    if (found := model_type(folder)) not in known:
        raise UserError(
            f"{context.model}: {found} is not an architecture that this judge knows",
            f"use one of {', '.join(known)}; {otherwise}",
        )
    return folder, found


def model_type(folder: Path) -> str:
    """The architecture that a model's configuration states, such as ``qwen3_vl``. UserError if it can't be read."""
    try:
        config = parse_json(read_text(folder / _CONFIG))
        return str(config["model_type"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{folder / _CONFIG}: no configuration of a model: {one_line(error)}", _AGAIN) from error


def image_processor(folder: Path, class_name: str) -> Any:
    """The repository's own preprocessing, by a class of transformers that computes it with Pillow.

    Named because the library's automatic choice depends on whether torchvision is installed.
    """
    import transformers

    return _loaded(
        folder, "image processor", lambda: getattr(transformers, class_name).from_pretrained(folder, **_LOCAL)
    )


def tokenizer(folder: Path) -> Any:
    """The repository's tokenizer, from its ``tokenizer.json`` or vocabulary."""
    from transformers import AutoTokenizer

    return _loaded(folder, "tokenizer", lambda: AutoTokenizer.from_pretrained(folder, **_LOCAL))


def network(folder: Path, class_name: str, device: str, **options: Any) -> Any:
    """A model of transformers on ``device``, in :data:`ARITHMETIC`, ready for inference.

    ``options`` are those of ``from_pretrained``. UserError if weights are missing or have another shape than the
    configuration says.
    """
    import torch
    import transformers

    if int(version("transformers").partition(".")[0]) < LEAST:
        raise UserError(
            f"transformers {version('transformers')} is too old for this judge", f"pip install 'transformers>={LEAST}'"
        )
    with _quiet():
        model, found = _loaded(
            folder,
            "model",
            lambda: getattr(transformers, class_name).from_pretrained(
                folder,
                dtype=torch.bfloat16 if device.startswith("cuda") else torch.float32,
                use_safetensors=True,
                output_loading_info=True,
                **options,
                **_LOCAL,
            ),
        )
    if lacking := sorted(found["missing_keys"]):
        raise UserError(f"{folder}: the weights lack {lacking[0]}", _AGAIN)
    return model.to(device).eval().requires_grad_(False)


@contextmanager
def _quiet() -> Iterator[None]:
    """No progress bar or table of the library: what is wrong is an error of ours, in one line."""
    from transformers.utils import logging

    verbosity, shown = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if shown:
            logging.enable_progress_bar()


_AGAIN = "fetch or copy the model again, whole"


def _loaded(folder: Path, what: str, load: Callable[[], Loaded]) -> Loaded:
    try:
        return load()
    except Exception as error:  # the many ways in which such files can be broken have no common base
        raise UserError(f"{folder}: its {what} can't be loaded: {one_line(error)}", _AGAIN) from error
