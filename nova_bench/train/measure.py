"""Measure a trained model on unseen prompts against known truth."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch

from nova_bench.config.suite import StatisticsSpec
from nova_bench.core.intervals import cluster_means
from nova_bench.core.progress import Progress
from nova_bench.nova.output import to_uint8
from nova_bench.train.data import open_world, to_pixels
from nova_bench.train.spec import TrainSpec
from nova_bench.train.transformer_stage import UNSTATED_FLOW

SAMPLING = {
    "num_inference_steps": 16,
    "num_diffusion_steps": 25,
    "guidance_scale": 3.0,
    "motion_flow": UNSTATED_FLOW,
}
BATCH = 10
CONFIDENCE = 0.95


def measure(pipeline: Any, spec: TrainSpec, samples: int, progress: Progress) -> dict[str, Any]:
    """Measure a model on the first ``samples`` clips of the world's test split.

    ``text_to_video``: the share of prompts for which the world's judge finds each stated property in the video, as
    ``[share, low, high, prompts]`` with Wilson's 95 % interval. ``direction`` is ``motion`` for captions that name only
    directions. Besides the ``model`` there are lower bounds (``wrong prompt``: its videos judged by the next prompt;
    ``untrained``: the same networks, but text encoder and transformer with random weights; ``noise``) and upper bounds
    (``autoencoder``: its copies of the clips; ``truth``: the clips).

    ``image_to_video``: PSNR in dB over all frames except the first, as ``[mean, low, high, clips]`` (intervals from
    :mod:`nova_bench.core.intervals`), for clips with motion: of the video generated from a clip's first frame and
    caption, of the same by the ``untrained`` networks, of the first frame repeated, and of the autoencoder's copy.
    """
    world = open_world(spec.data.model_copy(update={"split": "test"}))
    clips = [world[i] for i in range(samples)]
    captions, truth = [clip.caption for clip in clips], [clip.frames for clip in clips]
    images = [frames[0] for frames in truth]
    with progress.stage("measure", 4 * samples) as advance:
        drawn = _videos(pipeline, captions, None, advance)
        continued = _videos(pipeline, captions, images, advance)
        with _untrained(pipeline, spec):
            random_drawn = _videos(pipeline, captions, None, advance)
            random_continued = _videos(pipeline, captions, images, advance)
    copies = [_copy(pipeline.vae, frames) for frames in truth]
    noise = np.random.RandomState(0)
    moving = [i for i, frames in enumerate(truth) if (frames != frames[:1]).any()]
    return {
        "samples": samples,
        "sampling": SAMPLING,
        "text_to_video": {
            "model": _shares(captions, drawn),
            "wrong prompt": _shares(captions[1:] + captions[:1], drawn),
            "untrained": _shares(captions, random_drawn),
            "noise": _shares(captions, [noise.randint(0, 256, frames.shape, np.uint8) for frames in truth]),
            "autoencoder": _shares(captions, copies),
            "truth": _shares(captions, truth),
        },
        "image_to_video": {
            "model": _psnr(continued, truth, moving),
            "first frame repeated": _psnr([np.repeat(frames[:1], len(frames), 0) for frames in truth], truth, moving),
            "untrained": _psnr(random_continued, truth, moving),
            "autoencoder": _psnr(copies, truth, moving),
        },
    }


def _videos(pipeline: Any, captions: Sequence[str], images: Sequence[Any] | None, advance: Any) -> list[np.ndarray]:
    videos: list[np.ndarray] = []
    for start in range(0, len(captions), BATCH):
        batch = captions[start : start + BATCH]
        given = {} if images is None else {"image": list(images[start : start + BATCH])}
        videos += list(
            pipeline(
                prompt=list(batch),
                max_latent_length=pipeline.transformer.config.video_base_size[0],
                output_type="np",
                disable_progress_bar=True,
                generator=generators(range(start, start + len(batch))),
                **SAMPLING,
                **given,
            ).frames
        )
        advance(len(batch))
    return videos


class _untrained:
    """While entered, give a pipeline's text encoder and transformer their weights from before training."""

    def __init__(self, pipeline: Any, spec: TrainSpec):
        from nova_bench.train.text import make_text_encoder
        from nova_bench.train.transformer_stage import make_transformer

        self._parts = (pipeline.transformer, pipeline.text_encoder)
        self._random = (
            make_transformer(spec, pipeline.vae, spec.seed),
            make_text_encoder(spec.text, pipeline.tokenizer, spec.seed + 1),
        )

    def __enter__(self) -> None:
        self._trained = [{key: value.clone() for key, value in part.state_dict().items()} for part in self._parts]
        for part, random in zip(self._parts, self._random, strict=True):
            part.load_state_dict(random.state_dict())

    def __exit__(self, *problem: object) -> None:
        for part, weights in zip(self._parts, self._trained, strict=True):
            part.load_state_dict(weights)


def generators(seeds: Iterable[int]) -> list[torch.Generator]:
    """A generator on the CPU for each seed."""
    return [torch.Generator().manual_seed(seed) for seed in seeds]


@torch.inference_mode()
def _copy(vae: Any, frames: np.ndarray) -> np.ndarray:
    """Encode and decode a clip [F, H, W, 3] without posterior noise."""
    mean = vae.moments(to_pixels(frames)[None]).chunk(2, 1)[0]
    return to_uint8(vae.decode(mean))[0]


def _shares(captions: Sequence[str], videos: Sequence[np.ndarray]) -> dict[str, list[float | int | None]]:
    """[share, low, high, number] of the videos in which each stated property holds."""
    from nova_bench.shapes import parse_caption
    from nova_bench.shapes.judge import checks, see

    found: dict[str, list[bool]] = defaultdict(list)
    for caption, frames in zip(captions, videos, strict=True):
        said = parse_caption(caption)
        results = checks(said, see(np.asarray(frames)))
        if all(thing.motion and thing.motion.kind == "move" for thing in said.things):
            results["direction"] = results["motion"]
        for name, holds in results.items():
            if holds is not None:
                found[name].append(holds)
    return {
        name: [*(None if value is None else round(value, 4) for value in _mean(values, True)), len(values)]
        for name, values in sorted(found.items())
    }


def _psnr(videos: Sequence[np.ndarray], truth: Sequence[np.ndarray], chosen: Sequence[int]) -> list[float | int | None]:
    """[mean, low, high, number] over the chosen videos of the PSNR of all frames but the first, in dB."""
    errors = [np.square(np.asarray(videos[i][1:], np.float64) - truth[i][1:]).mean() for i in chosen]
    values = 10 * np.log10(255**2 / np.maximum(errors, 1e-6))
    if not len(values):
        return [None, None, None, 0]
    return [*(None if value is None else round(value, 2) for value in _mean(values)), len(values)]


def _mean(
    values: Sequence[float] | np.ndarray, binary: bool = False
) -> tuple[float | None, float | None, float | None]:
    """Mean, low and high of one value per clip; None if there is no interval."""
    sums = np.asarray(values, np.float64)[None, :, None]
    means = cluster_means(sums, np.ones_like(sums), StatisticsSpec(confidence=CONFIDENCE), [binary])
    found = means.intervals(CONFIDENCE)
    low, high = (None if np.isnan(end[0]) else float(end[0]) for end in (found.low, found.high))
    return float(means.value[0]), low, high
