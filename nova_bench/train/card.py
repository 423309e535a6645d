"""Model card of a trained checkpoint: losses, samples, and how often these show what the prompt states."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nova_bench.config.paths import locate
from nova_bench.core.atomic_files import write_atomic
from nova_bench.core.device import describe_device, resolve_device
from nova_bench.core.progress import Progress
from nova_bench.nova.pipeline import NOVAPipeline
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
STAGES_FILE, LOSSES, EARLIER_LOSSES = "stages.json", "losses.png", "losses_before.png"


def make_card(spec: TrainSpec, checkpoint: Path, samples: int, progress: Progress) -> None:
    """Put ``README.md``, ``losses.png``, ``samples.png`` and ``measured.json`` (:func:`measure`) into a checkpoint.

    The samples are of the first captions of the world's test split; ``samples`` of them are measured. ``stages.json``
    lists the stages of the checkpoint that the training began with (losses in ``losses_before.png``), then its own.
    """
    pipeline = NOVAPipeline.from_pretrained(checkpoint)
    draw_losses(checkpoint.parent, checkpoint / LOSSES)
    stages = [*_earlier(spec, checkpoint), *_stages(spec, checkpoint.parent)]
    write_atomic(checkpoint / STAGES_FILE, (json.dumps(stages, indent=1) + "\n").encode())
    world = open_world(spec.data.model_copy(update={"split": "test"}))
    captions = [world[i].caption for i in range(SAMPLES)]
    draw_samples(pipeline, captions, checkpoint / "samples.png")
    measured = measure(pipeline, spec, samples, progress)
    write_atomic(checkpoint / "measured.json", (json.dumps(measured, indent=1) + "\n").encode())
    has_earlier_losses = (checkpoint / EARLIER_LOSSES).is_file()
    text = card_text(spec, pipeline, stages, captions, measured, has_earlier_losses)
    write_atomic(checkpoint / "README.md", text.encode())


def _stages(spec: TrainSpec, run: Path) -> list[dict[str, Any]]:
    """What was trained in a run, according to its logs."""
    return [
        {"training": spec.name, "stage": stage, "steps": log[-1]["step"], "minutes": round(log[-1]["seconds"] / 60, 1)}
        for stage, log in _logs(run).items()
    ]


def _earlier(spec: TrainSpec, checkpoint: Path) -> list[dict[str, Any]]:
    """The stages of the checkpoint that a training began with; also copies its loss figure."""
    if spec.transformer.pretrained is None:
        return []
    folder = locate(spec.transformer.pretrained)
    if (folder / LOSSES).is_file():
        write_atomic(checkpoint / EARLIER_LOSSES, (folder / LOSSES).read_bytes())
    known = folder / STAGES_FILE
    return json.loads(known.read_bytes()) if known.is_file() else []


def card_text(
    spec: TrainSpec,
    pipeline: Any,
    stages: Sequence[Mapping[str, Any]],
    captions: Sequence[str],
    measured: Mapping[str, Any],
    has_earlier_losses: bool,
) -> str:
    """The model card in Markdown."""
    from tabulate import tabulate

    parts = {name: getattr(pipeline, name) for name in ("text_encoder", "transformer", "vae")}
    sizes = [[name, f"{sum(p.numel() for p in part.parameters()):,}"] for name, part in parts.items()]
    rows = [[stage["training"], stage["stage"], f"{stage['steps']:,}", f"{stage['minutes']:.1f}"] for stage in stages]
    before = [f"![losses of the earlier training]({EARLIER_LOSSES})", ""] if has_earlier_losses else []
    text, image = measured["text_to_video"], measured["image_to_video"]
    properties = list(text["truth"])
    shares = [[name, *(_share(values.get(key)) for key in properties)] for name, values in text.items()]
    decibels = [[name, _interval(values, 2)] for name, values in image.items()]
    config = pipeline.transformer.config
    return "\n".join(
        [
            f"# {spec.title or spec.name}",
            "",
            spec.description,
            "",
            f"{config.video_base_size[0]} latent frames of {'x'.join(map(str, config.latent_size))}, "
            f"{spec.data.num_frames} frames of {spec.data.size}x{spec.data.size} pixels; "
            f"networks {', '.join(config.arch)}, scale-and-shift rank {config.video_mixer_rank}.",
            "",
            tabulate(sizes, ["component", "parameters"], "github"),
            "",
            "## Training",
            "",
            f"Data: the world `{spec.data.world}`, split `{spec.data.split}`, seed {spec.data.seed}, "
            f"{spec.data.clips:,} clips for the transformer, a stream of clips for the autoencoder. Seed {spec.seed}. "
            f"Machine: {_machine()}. {_beginning(spec)}, with the settings of the training file.",
            "",
            tabulate(rows, ["training", "stage", "steps", "minutes"], "github", disable_numparse=True),
            "",
            *before,
            f"![losses]({LOSSES})",
            "",
            "## Samples",
            "",
            "Every fourth frame of one video for each of the first prompts of the test split, not selected:",
            "",
            *(f"{index}. {caption}" for index, caption in enumerate(captions, 1)),
            "",
            "![samples](samples.png)",
            "",
            f"## Text to video, {measured['samples']} prompts of the test split",
            "",
            "Percentage of videos that show what the prompt states, with Wilson's 95 % interval. All objects of these "
            "prompts are combinations of shape, colour and motion that never occur in training.",
            "",
            tabulate(shares, ["", *properties], "github", disable_numparse=True),
            "",
            f"## Image to video, {image['model'][3]} clips with motion",
            "",
            "PSNR in dB against the clip over all frames except the given first one, with a 95 % interval over clips.",
            "",
            tabulate(decibels, ["", "PSNR"], "github", disable_numparse=True),
            "",
            f"Sampling: {', '.join(f'{key} {value:g}' for key, value in measured['sampling'].items())}.",
            "",
        ]
    )


def _beginning(spec: TrainSpec) -> str:
    if spec.transformer.pretrained is None and spec.autoencoder.pretrained is None:
        return "Everything was trained from random weights"
    if spec.transformer.pretrained is None:
        return "The autoencoder was trained before, everything else from random weights"
    return "Training continued from a trained checkpoint with new optimizers"


def _share(values: Sequence[float] | None) -> str:
    return "" if values is None else _interval([None if x is None else 100 * x for x in values[:3]], 0)


def _interval(values: Sequence[float | None], digits: int) -> str:
    if None in values:
        return "" if values[0] is None else f"{values[0]:.{digits}f}"
    return "{:.{d}f} [{:.{d}f}, {:.{d}f}]".format(*values[:3], d=digits)


def _machine() -> str:
    """The device, its name and the number of cores."""
    device = describe_device(resolve_device("auto"))
    return ", ".join(f"{key} {value}" for key, value in device.items())


def _logs(run: Path) -> dict[str, list[dict[str, Any]]]:
    logs = {stage: read_log(run / f"{stage}.jsonl") for stage in STAGES}
    return {stage: records for stage, records in logs.items() if records}


def draw_losses(run: Path, path: Path) -> None:
    """Plot the losses of every stage against its steps, on logarithmic scales, smoothed over 1 % of the steps."""
    from matplotlib.figure import Figure

    logs = _logs(run)
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
    """Draw one row per prompt: every fourth frame of one sample, each with its own seed, not selected."""
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
