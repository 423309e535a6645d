"""The arithmetic on CUDA is part of the identity of every dimension that runs a network."""

from __future__ import annotations

import pytest

from nova_bench.config.catalog import SCORERS
from nova_bench.config.suite import ReferenceSpec, ScorerUse
from nova_bench.pipeline.plan import plan_scorers
from nova_bench.video.limits import MediaLimits

NETWORKS = [name for name, info in SCORERS.own().items() if ".scorers.vbench." in info.factory and info.assets]


@pytest.mark.parametrize("name", NETWORKS)
def test_precision_is_part_of_the_identity(name: str) -> None:
    settings = SCORERS.get(name).settings

    def identity(**chosen: str) -> str:
        use = ScorerUse(name=name, settings=settings(**chosen))
        return plan_scorers(use, lambda asset: asset, ReferenceSpec(), MediaLimits())[0].identity

    assert identity() == identity(precision="official-cuda")
    assert identity() != identity(precision="float32")


def test_all_but_flickering_run_networks() -> None:
    assert len(NETWORKS) >= 16
    assert "temporal_flickering" not in NETWORKS
