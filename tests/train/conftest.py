"""A training run that takes seconds, and finished runs that several tests look at."""

from __future__ import annotations

from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from nova_bench.train.load import load_training
from nova_bench.train.spec import TrainSpec
from tests import warm

MICRO = """\
name: micro
data: {clips: 12, num_frames: 5, size: 32}
autoencoder:
  config: {block_out_channels: [4, 4, 4, 4], layers_per_block: 1, norm_num_groups: 2, latent_channels: 2}
  clip_lengths: [5, 1]
  batch_frames: 10
  optimization: {steps: 10, learning_rate: 0.002, warmup_steps: 2, checkpoint_every: 3}
text: {width: 16, layers: 1, heads: 2}
transformer:
  config:
    video_base_size: [2, 1, 1]
    image_base_size: [2, 2]
    arch: [vit_d1w16h2, vit_d2w16h2, mlp_d1w16]
    video_mixer_rank: 4
  batch_size: 4
  optimization: {steps: 50, learning_rate: 0.001, warmup_steps: 5, checkpoint_every: 7, activations_every: 10}
export_dtype: float32
"""


@pytest.fixture(scope="session")
def micro_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("training") / "micro.yaml"
    path.write_text(MICRO, encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def micro(micro_file: Path) -> Callable[..., TrainSpec]:
    """The micro training with `key.path=value` changes."""
    return lambda *assignments: load_training(str(micro_file), assignments)


def _train(spec: TrainSpec, runs: Path) -> None:
    import torch

    from nova_bench.core.progress import Progress
    from nova_bench.train.run import train

    torch.set_num_threads(1)
    train(spec, runs, "cpu", Progress(quiet=True))


@pytest.fixture(scope="session")
def start() -> Callable[[TrainSpec, Path], BaseProcess]:
    """Start a training in a process of its own."""

    def begin(spec: TrainSpec, runs: Path) -> BaseProcess:
        process = warm.server().Process(target=_train, args=(spec, runs))
        process.start()
        return process

    return begin


@pytest.fixture(scope="session")
def finish(start) -> Callable[[TrainSpec, Path], Path]:
    """Train to the end in a process of its own; returns the run's folder."""

    def run(spec: TrainSpec, runs: Path) -> Path:
        process = start(spec, runs)
        process.join(warm.PATIENCE_SECONDS)
        assert process.exitcode == 0
        return runs / spec.name

    return run


@pytest.fixture(scope="session")
def trained(micro, finish, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished micro run that nobody interrupted."""
    return finish(micro(), tmp_path_factory.mktemp("runs"))
