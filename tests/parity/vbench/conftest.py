"""Rule-made weights as files, offered to scorers the way the asset cache offers the official ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path

import pytest
import torch
from torch import nn

from nova_bench.assets import asset_path
from nova_bench.kernels.layers import speed_up
from nova_bench.networks.clip import CLIPImageEncoder
from nova_bench.networks.clip_text import CLIP
from nova_bench.networks.musiq import MUSIQ
from nova_bench.networks.raft import RAFT
from nova_bench.networks.umt import UMT
from nova_bench.networks.weights import load_network
from nova_bench.scorers.base import ScorerContext

from .rule import MODULES, check_weights, make_weights

NETWORKS = {
    "raft-things": "raft",
    "amt-s": "amt_s",
    "dino-vitb16": "dino_vitb16",
    "clip-vit-b-32": "clip_vitb32",
    "clip-vit-l-14": "clip_vitl14",
    "aesthetic-linear": "aesthetic_linear",
    "musiq-spaq": "musiq_spaq",
    "viclip-l-14": "viclip_l14",
    "umt-l-16": "umt_l16",
}
MERGES = Path(__file__).parents[2] / "data" / "clip_merges.txt.gz"
_KEYS = {
    "raft": RAFT.official_keys,
    "raft_static": RAFT.official_keys,
    "clip_vitb32": CLIP.official_keys,
    "clip_vitl14": CLIPImageEncoder.official_keys,
    "musiq_spaq": MUSIQ.official_keys,
    "umt_l16": UMT.official_keys,
    "umt_reduced": UMT.official_keys,
}
_ENTRIES = {"amt_s": "state_dict", "viclip_l14": "model", "viclip_reduced": "model"}


@pytest.fixture(scope="session")
def weight_file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Path]]:
    """A function: network of the rule -> its file, laid out as the official one. Made when first asked for."""
    folder = tmp_path_factory.mktemp("weights")

    def make(network: str) -> Path:
        path = folder / f"{network}.pth"
        if not path.exists():
            state = make_weights(network)
            check_weights(network, state)
            torch.save({_ENTRIES[network]: state} if network in _ENTRIES else state, path)
        return path

    yield make
    for path in folder.iterdir():  # more than a gigabyte, which pytest would keep
        path.unlink()


@pytest.fixture(scope="session", params=["as scored", pytest.param("plain", marks=pytest.mark.slow)])
def as_run(request: pytest.FixtureRequest) -> Callable[[nn.Module], nn.Module]:
    """A function: network -> the same as scorers run it on this CPU, or as they do without compiled code."""
    return (lambda network: speed_up(network, "cpu")) if request.param == "as scored" else (lambda network: network)


@pytest.fixture(scope="session")
def plain_network(weight_file: Callable[[str], Path]) -> Callable[[str], nn.Module]:
    """A function: network of the rule -> the module with its weights, as loaded."""
    return lambda name: load_network(MODULES[name], weight_file(name), _KEYS.get(name, dict), _ENTRIES.get(name, ()))


@pytest.fixture(scope="session")
def network(plain_network: Callable[[str], nn.Module], as_run: Callable) -> Callable[[str], nn.Module]:
    """The same, as ``as_run`` says."""
    return lru_cache(maxsize=1)(lambda name: as_run(plain_network(name)))


@pytest.fixture(scope="session")
def rule_context(weight_file: Callable[[str], Path]) -> ScorerContext:
    """What the harness gives a scorer, with the rule's weights in place of the official ones."""

    def asset(name: str) -> Path:
        if name == "clip-bpe":
            return MERGES
        return weight_file(NETWORKS[name]) if name in NETWORKS else asset_path(name)

    return ScorerContext("cpu", asset)


@pytest.fixture(scope="session")
def static_context(weight_file: Callable[[str], Path]) -> ScorerContext:
    """The same with the RAFT that the static filter's vectors were made with: its flow is smaller."""
    return ScorerContext("cpu", lambda name: weight_file("raft_static"))
