"""Rule-made weights as files, offered to scorers the way the asset cache offers the official ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path

import pytest
import torch
from torch import nn

from nova_bench.networks.clip import CLIPImageEncoder
from nova_bench.networks.musiq import MUSIQ
from nova_bench.networks.raft import RAFT
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
}
_KEYS = {
    "raft": RAFT.official_keys,
    "raft_static": RAFT.official_keys,
    "clip_vitb32": CLIPImageEncoder.official_keys,
    "clip_vitl14": CLIPImageEncoder.official_keys,
    "musiq_spaq": MUSIQ.official_keys,
}


@pytest.fixture(scope="session")
def weight_file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Path]]:
    """A function: network of the rule -> its file, laid out as the official one. Made when first asked for."""
    folder = tmp_path_factory.mktemp("weights")

    def make(network: str) -> Path:
        path = folder / f"{network}.pth"
        if not path.exists():
            state = make_weights(network)
            check_weights(network, state)
            torch.save({"state_dict": state} if network == "amt_s" else state, path)
        return path

    yield make
    for path in folder.iterdir():  # more than a gigabyte, which pytest would keep
        path.unlink()


@pytest.fixture(scope="session")
def network(weight_file: Callable[[str], Path]) -> Callable[[str], nn.Module]:
    """A function: network of the rule -> the module with its weights."""

    @lru_cache(maxsize=1)
    def load(name: str) -> nn.Module:
        entry = "state_dict" if name == "amt_s" else None
        return load_network(MODULES[name], weight_file(name), _KEYS.get(name, dict), entry)

    return load


@pytest.fixture(scope="session")
def rule_context(weight_file: Callable[[str], Path]) -> ScorerContext:
    """What the harness gives a scorer, with the rule's weights in place of the official ones."""
    return ScorerContext("cpu", lambda name: weight_file(NETWORKS[name]))


@pytest.fixture(scope="session")
def static_context(weight_file: Callable[[str], Path]) -> ScorerContext:
    """The same with the RAFT that the static filter's vectors were made with: its flow is smaller."""
    return ScorerContext("cpu", lambda name: weight_file("raft_static"))
