"""What a model card shows: how the losses fell, what the model draws, and how often that is what was asked for."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nova_bench.atomic import write_atomic
from nova_bench.nova.pipeline import NOVAPipeline
from nova_bench.progress import Progress
from nova_bench.train.data import open_world
from nova_bench.train.measure import SAMPLING, measure
from nova_bench.train.spec import TrainSpec
from nova_bench.train.state import read_log

STAGES = {
    "autoencoder": ("l1", "edge", "kl"),
    "decoder": ("l1", "edge"),
    "transformer": ("loss_t2i", "loss_i2i", "loss"),
}
SAMPLES = 6


def make_card(spec: TrainSpec, checkpoint: Path, samples: int, progress: Progress) -> None:
    """Put ``losses.png``, ``samples.png`` and ``measured.json`` (:func:`measure`) into a run's checkpoint.

    Drawn are the first captions of the world's test split, measured are ``samples`` of them.
    """
    pipeline = NOVAPipeline.from_pretrained(checkpoint)
    draw_losses(checkpoint.parent, checkpoint / "losses.png")
    world = open_world(spec.data.model_copy(update={"split": "test"}))
    draw_samples(pipeline, [world[i].caption for i in range(SAMPLES)], checkpoint / "samples.png")
    measured = measure(pipeline, spec, samples, progress)
    write_atomic(checkpoint / "measured.json", (json.dumps(measured, indent=2) + "\n").encode())


def draw_losses(run: Path, path: Path) -> None:
    """Losses of every stage of a run against its steps, on logarithmic scales, smoothed over 1 % of the steps."""
    from matplotlib.figure import Figure

    logs = {stage: read_log(run / f"{stage}.jsonl") for stage in STAGES}
    logs = {stage: records for stage, records in logs.items() if records}
    figure = Figure(figsize=(4.5 * len(logs), 3.2), layout="constrained")
    for axes, (stage, records) in zip(figure.subplots(1, len(logs), squeeze=False)[0], logs.items(), strict=True):
        width = max(1, len(records) // 100)
        for name in STAGES[stage]:
            values = np.array([record[name] for record in records if name in record])
            if len(values):
                smooth = np.convolve(values, np.full(width, 1 / width), "valid")
                axes.plot(np.arange(len(smooth)) + width, smooth, label=name, linewidth=1)
        axes.set(title=stage, xlabel="step", yscale="log")
        axes.legend(frameon=False)
        axes.grid(alpha=0.3)
    stream = io.BytesIO()
    figure.savefig(stream, dpi=100)
    write_atomic(path, stream.getvalue())


def draw_samples(pipeline: Any, prompts: Sequence[str], path: Path, seed: int = 0) -> None:
    """One row a prompt: every fourth frame of one sample, each with its own seed, none picked."""
    from PIL import Image

    latent_frames = pipeline.transformer.config.video_base_size[0]
    rows = []
    for i, prompt in enumerate(prompts):
        frames = pipeline(
            prompt,
            max_latent_length=latent_frames,
            generator=torch.Generator().manual_seed(seed + i),
            output_type="np",
            disable_progress_bar=True,
            **SAMPLING,
        ).frames[0]
        rows.append(np.concatenate(list(frames[::4]), 1))
    stream = io.BytesIO()
    Image.fromarray(np.concatenate(rows)).save(stream, "png")
    write_atomic(path, stream.getvalue())
