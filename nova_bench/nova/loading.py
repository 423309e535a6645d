"""Pipelines and transformers from folders, from the hub, or with random weights from a configuration."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from nova_bench.core.checkpoint_names import REPOSITORIES, SHIPPED
from nova_bench.nova.building import building
from nova_bench.nova.checkpoint import CONFIG_NAME, read_json, read_weights, write_json, write_weights
from nova_bench.nova.config import NOVAConfig
from nova_bench.nova.errors import ArchitectureError, CheckpointError, ConfigError, InputError
from nova_bench.nova.published import PUBLISHED, published
from nova_bench.nova.text import PHI2, PhiTextEncoder, byte_tokenizer, load_tokenizer
from nova_bench.nova.transformer import NOVATransformer3DModel

PIPELINE_NAME, INDEX_NAME = "NOVAPipeline", "model_index.json"
_HUB_ID = re.compile(r"[A-Za-z0-9_][\w.-]*/[A-Za-z0-9_][\w.-]*", re.ASCII)  # not ./x, which is a path
_DATA_FILES = ["*.json", "*.safetensors", "*.txt"]  # never Python files: nothing remote is executed
_SMALL_HEADS = (80, 40, 32, 20, 12, 10)  # head sizes whose rotary share (0.4) is an even number of features


def resolve_folder(
    source: str | Path,
    revision: str | None = None,
    cache_dir: str | Path | None = None,
    local_files_only: bool = False,
    token: str | None = None,
) -> Path:
    """The local folder of a checkpoint: ``source`` itself, or a snapshot of the hub repository of that name.

    A name of nova_bench's, such as ``nova-tiny``, is one too, unless there is a folder of that name.

    Only configurations, safetensors and tokenizer files are downloaded. Raises :class:`CheckpointError`.
    """
    if Path(source).is_dir():
        return Path(source)
    if str(source) in SHIPPED:
        return SHIPPED[str(source)]
    source = REPOSITORIES.get(str(source), source)
    if not _HUB_ID.fullmatch(str(source)):
        known = ", ".join([*SHIPPED, *REPOSITORIES])
        raise CheckpointError(f"{source}: no such folder, not a hub id (owner/name), and none of {known}")
    from huggingface_hub import snapshot_download

    try:
        folder = snapshot_download(
            str(source),
            revision=revision,
            cache_dir=cache_dir,
            local_files_only=local_files_only,
            token=token,
            allow_patterns=_DATA_FILES,
        )
    except Exception as error:  # network, authentication, name and cache errors have no common base
        raise CheckpointError(f"{source}: can't be loaded from the hub ({str(error).splitlines()[0]})") from error
    return Path(folder)


def read_index(folder: Path) -> dict[str, str]:
    """Class name of each non-empty component in ``model_index.json``."""
    path = folder / INDEX_NAME
    index = read_json(path)
    if index.get("_class_name") != PIPELINE_NAME:
        raise ArchitectureError(f"{path}: holds a {index.get('_class_name')}, not a {PIPELINE_NAME}")
    return {
        name: value[1]
        for name, value in index.items()
        if isinstance(value, list) and len(value) == 2 and value[1] and not name.startswith("_")
    }


def load_transformer(
    folder: str | Path,
    dtype: torch.dtype | None = None,
    device: str | torch.device = "cpu",
    arrangement: Mapping[str, Any] | None = None,
) -> NOVATransformer3DModel:
    """Load a transformer folder into the arrangement its ``config.json`` records.

    ``arrangement`` states what the caller expects (e.g. ``{"norm_placement": "pre"}``). Raises
    :class:`ArchitectureError` if the checkpoint was trained in another one: its weights would load but be meaningless.
    """
    path = Path(folder) / CONFIG_NAME
    config = NOVAConfig.from_file(path)
    for name, wanted in (arrangement or {}).items():
        if not hasattr(config, name):
            raise ConfigError(f"arrangement: unknown key {name!r}")
        found = getattr(config, name)
        if (found or None) != (wanted or None):
            raise ArchitectureError(f"{path}: trained with {name} {found!r}, can't be used with {wanted!r}")
    with building(path), torch.device("meta"):
        model = NOVATransformer3DModel(config)
    model.load_state_dict(read_weights(folder, model.state_dict(), dtype=dtype, device=device), assign=True)
    return model.requires_grad_(False).eval()


def save_transformer(model: NOVATransformer3DModel, folder: str | Path) -> None:
    """Write the folder that :func:`load_transformer` reads."""
    write_json(Path(folder) / CONFIG_NAME, model.config.to_dict())
    write_weights(folder, model.state_dict())


def load_components(
    folder: Path,
    dtype: torch.dtype | None,
    device: str | torch.device,
    arrangement: Mapping[str, Any] | None,
    given: Mapping[str, Any],
) -> dict[str, Any]:
    """Every component that ``model_index.json`` lists; ``given`` ones (or None) replace loaded ones."""
    from nova_bench.nova.schedulers import load_scheduler
    from nova_bench.nova.vae import load_vae

    index = read_index(folder)
    loaders = {
        "transformer": lambda path: load_transformer(path, dtype, device, arrangement),
        "scheduler": lambda path: load_scheduler(path, index["scheduler"]),
        "vae": lambda path: load_vae(path, dtype, device),
        "text_encoder": lambda path: PhiTextEncoder.from_pretrained(path, dtype, device),
        "tokenizer": load_tokenizer,
    }
    for name in given.keys() - loaders.keys():
        raise InputError(f"{name!r} is not a component; components are {', '.join(loaders)}")
    for name in ("transformer", "scheduler"):
        if name not in index and given.get(name) is None:
            raise CheckpointError(f"{folder / INDEX_NAME}: no {name}")
    wanted = [name for name in loaders if name in index and name not in given]
    return {**{name: loaders[name](folder / name) for name in wanted}, **given}


def save_components(pipeline: Any, folder: Path) -> None:
    """Write the folders and ``model_index.json`` that :func:`load_components` reads, in the published layout."""
    index: dict[str, Any] = {"_class_name": PIPELINE_NAME}
    if pipeline.tokenizer is not None:
        pipeline.tokenizer.save_pretrained(str(folder / "tokenizer"))
        index["tokenizer"] = ["transformers", "CodeGenTokenizerFast"]
    pipeline.scheduler.save_pretrained(folder / "scheduler")
    index["scheduler"] = ["diffusers", pipeline.scheduler.config["_class_name"]]
    if pipeline.vae is not None:
        pipeline.vae.save_pretrained(folder / "vae")
        index["vae"] = ["__vae__", pipeline.vae.config["_class_name"]]
    if pipeline.text_encoder is not None:
        pipeline.text_encoder.save_pretrained(folder / "text_encoder")
        index["text_encoder"] = ["__text_encoder__", "PhiEncoderModel"]
    save_transformer(pipeline.transformer, folder / "transformer")
    index["transformer"] = ["__transformer__", type(pipeline.transformer).__name__]
    write_json(folder / INDEX_NAME, index)


def random_transformer(
    config: NOVAConfig, dtype: torch.dtype | None = None, device: str | torch.device = "cpu"
) -> NOVATransformer3DModel:
    """A transformer with random weights (on the meta device: none)."""
    with building("transformer"), torch.device("meta"):
        model = NOVATransformer3DModel(config).to(dtype=dtype)
    if torch.device(device).type != "meta":
        model = model.to_empty(device=device)
        model.initialize()
    return model


def random_components(
    source: str | Mapping[str, Any] | NOVAConfig,
    dtype: torch.dtype | None,
    device: str | torch.device,
    **given: Any,
) -> dict[str, Any]:
    """All components of a pipeline with random weights; ``given`` (objects, configurations or None) take precedence."""
    from nova_bench.nova.schedulers import load_scheduler
    from nova_bench.nova.vae import vae_from_config

    if isinstance(source, str):
        model = published(source)
        config, scheduler, vae = model.transformer, model.scheduler, model.vae
    else:
        config = source if isinstance(source, NOVAConfig) else NOVAConfig.from_dict(source)
        kind = PUBLISHED["nova-d48w1024-osp480" if config.has_motion else "nova-d48w1024-sdxl1024"]
        scheduler, vae = kind.scheduler, kind.vae
    encoder = _phi_config(config.text_token_dim)
    parts: dict[str, Any] = {"scheduler": scheduler, "vae": vae, "text_encoder": encoder, "tokenizer": True}
    parts.update(given)
    if isinstance(parts["scheduler"], Mapping):
        parts["scheduler"] = load_scheduler(parts["scheduler"])
    if isinstance(parts["vae"], Mapping):
        parts["vae"] = _materialize(lambda: vae_from_config(parts["vae"]), dtype, device)
    if isinstance(parts["text_encoder"], Mapping):
        parts["text_encoder"] = _materialize(lambda: PhiTextEncoder(parts["text_encoder"]), dtype, device)
    if parts["tokenizer"] is True:
        parts["tokenizer"] = byte_tokenizer()
    return {"transformer": random_transformer(config, dtype, device).requires_grad_(False).eval(), **parts}


def _phi_config(width: int | None) -> dict[str, Any] | None:
    """Phi-2 for the published width, else a two-layer Phi of that width."""
    if not width or width == PHI2["hidden_size"]:
        return PHI2 if width else None
    head = next((size for size in _SMALL_HEADS if width % size == 0), None)
    if head is None:
        raise ConfigError(f"text_token_dim {width}: pass a text_encoder configuration of that width")
    small = {"hidden_size": width, "intermediate_size": 4 * width, "num_hidden_layers": 2, "vocab_size": 320}
    ends = dict.fromkeys(("bos_token_id", "eos_token_id", "pad_token_id"), 0)
    return {**PHI2, **small, **ends, "num_attention_heads": width // head, "num_key_value_heads": width // head}


@torch.no_grad()
def _materialize(build: Any, dtype: torch.dtype | None, device: str | torch.device) -> nn.Module:
    """Build on the meta device; for any other device, fill with small random weights."""
    with torch.device("meta"):
        module = build().to(dtype=dtype)
    if torch.device(device).type != "meta":
        module = module.to_empty(device=device)
        for name, parameter in module.named_parameters():
            if parameter.ndim == 1:
                parameter.fill_(0.0 if name.endswith("bias") else 1.0)
            else:
                nn.init.normal_(parameter, std=0.02 if parameter.ndim == 2 else parameter[0].numel() ** -0.5)
    return module.requires_grad_(False).eval()
