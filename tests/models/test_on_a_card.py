"""Models with ``device="cuda"``, on a card that isn't there: nothing that it refuses, and images as they should be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nova_bench.config.loading import load_suite
from nova_bench.core.progress import Progress
from nova_bench.experiments.benchmark.run import run_suite
from nova_bench.store import Status, Store
from tests.card_marks import needs_driver
from tests.fake_card import fake_card
from tests.models import test_diffusers, test_emu3, tiny_emu3
from tests.models.tiny_pipelines import save


@pytest.mark.slow
def test_a_whole_run(write_suite: Callable[..., Path], tmp_path: Path) -> None:
    """nova-tiny makes videos there, scorers with and without networks score them, and memory is given back."""
    model = {"adapter": "nova", "folder": "package:nova_bench/checkpoints/nova-tiny"}
    sampling = {"num_frames": 5, "num_inference_steps": 2, "num_diffusion_steps": 2}
    path = write_suite(model=model, sampling=sampling, scorers=["temporal_flickering", "dynamic_degree_dis"])
    with fake_card() as card:
        run_suite(load_suite(str(path), ["execution.device=cuda"]), tmp_path / "store", None, Progress(quiet=True))
        assert card.peak > 2**20
    with Store.reader(tmp_path / "store") as store:
        ((_, run, _),) = store.run_names()
        rows = store.rows(scorer["identity"] for scorer in store.run(run).scorers)
    assert [row.status for row in rows.values()] == [Status.OK] * 12


@needs_driver
@test_diffusers.needs_packages
@pytest.mark.parametrize("name", test_diffusers.OPEN)
def test_pipelines_of_diffusers(name: str, write_suite: Callable[..., Path], tmp_path: Path) -> None:
    model = test_diffusers.section(name, save(name, tmp_path / name))
    with fake_card() as card:
        check(test_diffusers.adapter(write_suite, model, "cuda"), test_diffusers.units())
        assert card.peak > 0


@pytest.mark.slow
@needs_driver
def test_emu3_makes_images(write_suite: Callable[..., Path], tmp_path: Path) -> None:
    with fake_card() as card:
        model = test_emu3.section(tiny_emu3.save(tmp_path))
        check(test_emu3.adapter(write_suite, model, "cuda"), test_emu3.units())
        assert card.peak > 0


def check(model: Any, units: list[Any]) -> None:
    outputs = list(model.generate(units))
    assert [output.error for output in outputs] == [None] * len(units)
    assert all(output.frames.device.type == "cpu" for output in outputs), "images are brought to the host"
