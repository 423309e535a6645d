"""Full-size weights that anybody can make from a rule: the official code was given the same ones for the vectors here.

A tensor is normal noise, seeded by its official name and scaled by its kind; `rule.json` holds the constants, and
`checksums.json` sums over the weights, so that another random generator is noticed before any network runs.
"""

from __future__ import annotations

import json
import math
import re
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from nova_bench.networks.aesthetic import AestheticPredictor
from nova_bench.networks.amt import AMT
from nova_bench.networks.clip import VIT_B_32, VIT_L_14, CLIPConfig, CLIPImageEncoder
from nova_bench.networks.clip_text import CLIP, TEXT_B_32, CLIPTextConfig
from nova_bench.networks.dino import DINO
from nova_bench.networks.musiq import MUSIQ
from nova_bench.networks.raft import RAFT
from nova_bench.networks.umt import UMT, UMTConfig
from nova_bench.networks.viclip import ViCLIP

FOLDER = Path(__file__).parent
RULE = json.loads((FOLDER / "rule.json").read_text())
CHECKSUMS = json.loads((FOLDER / "checksums.json").read_text())
MODULES: dict[str, Callable[[], nn.Module]] = {
    "raft": RAFT,
    "raft_static": RAFT,
    "amt_s": AMT,
    "dino_vitb16": DINO,
    "clip_vitb32": lambda: CLIP(VIT_B_32, TEXT_B_32),
    "clip_vitl14": lambda: CLIPImageEncoder(VIT_L_14),
    "aesthetic_linear": AestheticPredictor,
    "musiq_spaq": MUSIQ,
    "viclip_l14": ViCLIP,
    "umt_l16": UMT,
    # The same in miniature, for the fast tests. As in the published file, UMT's positions are not among the weights.
    "viclip_reduced": lambda: ViCLIP(CLIPConfig(14, 128, 2, 64), CLIPTextConfig(128, 2, 32, 64)),
    "umt_reduced": lambda: UMT(UMTConfig(128, 2)),
}
_KEPT = {"logit_scale": math.log(1 / 0.07), "temp": 0.01}  # what the official code begins with
_EMBEDDINGS = {
    "cls_token",
    "cls",
    "class_embedding",
    "pos_embed",
    "positional_embedding",
    "temporal_positional_embedding",
    "position_emb",
    "scale_emb",
}


def official_shapes(network: str) -> Iterator[tuple[str, Tensor]]:
    """Official names with tensors of the right shape. Of CLIP ViT-L/14 the image half only."""
    with torch.device("meta"):
        state = MODULES[network]().state_dict()
    prefix = "visual." if network == "clip_vitl14" else ""
    for key, tensor in state.items():
        if (network, key) == ("umt_reduced", "pos_embed"):
            continue
        yield prefix + re.sub("^text[.]", "", re.sub("^image[.]", "visual.", key)), tensor
        if network.startswith("raft") and ".downsample.1." in key:  # one module under two names
            yield key.replace(".downsample.1.", ".norm3."), tensor


def make_weights(network: str) -> dict[str, Tensor]:
    """The rule's state dict, by official names."""
    return {key: _weight(key, like, RULE["networks"][network]) for key, like in official_shapes(network)}


def _weight(key: str, like: Tensor, constants: dict) -> Tensor:
    if not like.is_floating_point():
        return torch.zeros(like.shape, dtype=like.dtype)
    kind = key.rpartition(".")[2]
    if kind in _KEPT:
        return torch.tensor(_KEPT[kind])
    seed = zlib.crc32(key.replace(".norm3.", ".downsample.1.").encode()) ^ RULE["base_seed"]
    noise = torch.randn(tuple(like.shape), generator=torch.Generator().manual_seed(seed))
    factors = constants["factors_by_key_suffix"]
    factor = next((value for suffix, value in factors if key.endswith(suffix)), 1.0)
    if kind == "running_mean":
        return 0.05 * noise
    if kind == "running_var":
        return noise.abs() * 0.1 + 1
    if kind in _EMBEDDINGS:
        return noise * (constants["emb_scale"] * factor)
    if like.dim() >= 2:
        return noise * (constants["gain"] * factor / math.sqrt(math.prod(like.shape[1:])))
    if kind == "weight":
        return noise * 0.05 + constants["one_d_weight_mean"]
    return noise * (constants["bias_scale"] * factor)


def check_weights(network: str, state: dict[str, Tensor]) -> None:
    """Compare with the sums that the generator of the vectors noted."""
    if network not in CHECKSUMS:
        return  # in miniature
    expected = CHECKSUMS[network]
    for key, values in expected["first"].items():
        if key in state:
            assert state[key].flatten()[: len(values)].tolist() == values, key
    if network == "clip_vitl14":
        return  # the sums run over the text half too
    floating = [value.double() for value in state.values() if value.is_floating_point()]
    assert len(state) == expected["n_tensors"]
    assert sum(value.sum().item() for value in floating) == torch.tensor(expected["sum"]).item() or math.isclose(
        sum(value.sum().item() for value in floating), expected["sum"], rel_tol=1e-9
    )
    assert math.isclose(sum(value.abs().sum().item() for value in floating), expected["abs_sum"], rel_tol=1e-9)
