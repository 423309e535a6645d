"""Load the original NOVA implementation from a checkout for comparison; it is not part of this project.

Needs the original's dependencies (diffusers, transformers, einops, scipy) besides this project's.
"""

from __future__ import annotations

import json
import re
import sys
from functools import partial
from pathlib import Path
from typing import Any


def load_original(checkout: str | Path, checkpoint: str | Path) -> Any:
    """Load the original pipeline with the float32 weights of a local checkpoint folder.

    Registers size names that the original does not know (``vit_d2w48h4``), and restores two attributes of the text
    encoder's configuration that recent transformers releases moved.
    """
    checkout, checkpoint = Path(checkout), Path(checkpoint)
    if not (checkout / "diffnext" / "pipelines" / "nova").is_dir():
        raise FileNotFoundError(f"{checkout}: not a checkout of the original (no diffnext/pipelines/nova)")
    if str(checkout) not in sys.path:
        sys.path.insert(0, str(checkout))
    import diffusers
    from diffnext.models.autoencoders import autoencoder_kl, autoencoder_kl_opensora
    from diffnext.models.text_encoders.phi import PhiEncoderModel
    from diffnext.models.transformers import transformer_nova
    from diffnext.pipelines.nova.pipeline_nova import NOVAPipeline
    from safetensors.torch import load_file
    from transformers import AutoTokenizer

    config = _json(checkpoint / "transformer" / "config.json")
    _register(transformer_nova, config["arch"])
    transformer = transformer_nova.NOVATransformer3DModel(**{k: v for k, v in config.items() if not k.startswith("_")})
    transformer.load_state_dict(load_file(checkpoint / "transformer" / "diffusion_pytorch_model.safetensors"))
    vae_name = _json(checkpoint / "vae" / "config.json")["_class_name"]
    vae_module = autoencoder_kl if vae_name == "AutoencoderKL" else autoencoder_kl_opensora
    vae = getattr(vae_module, vae_name).from_pretrained(checkpoint / "vae")
    text_encoder = PhiEncoderModel.from_pretrained(checkpoint / "text_encoder")
    phi = _json(checkpoint / "text_encoder" / "config.json")
    for name in ("partial_rotary_factor", "rope_theta"):
        setattr(text_encoder.config, name, phi[name])
    scheduler_name = _json(checkpoint / "scheduler" / "scheduler_config.json")["_class_name"]
    return NOVAPipeline(
        transformer=transformer.float().eval(),
        scheduler=getattr(diffusers, scheduler_name).from_pretrained(checkpoint / "scheduler"),
        vae=vae.float().eval(),
        text_encoder=text_encoder.float().eval(),
        tokenizer=AutoTokenizer.from_pretrained(checkpoint / "tokenizer"),
    )


def _json(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


def _register(module: Any, arch: list[str]) -> None:
    registries = (module.VIDEO_ENCODERS, module.IMAGE_ENCODERS, module.IMAGE_DECODERS)
    builders = (module.video_encoder, module.image_encoder, module.image_decoder)
    for registry, builder, name in zip(registries, builders, arch, strict=True):
        if registry.has(name):
            continue
        depth, width, heads = re.fullmatch(r"\w+_d(\d+)w(\d+)(?:h(\d+))?", name).groups()
        sizes = {"depth": int(depth), "embed_dim": int(width), **({"num_heads": int(heads)} if heads else {})}
        registry.registry[name] = partial(builder, **sizes)
