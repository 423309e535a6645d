"""What a trained model can do on prompts it has never seen, judged against known truth."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch

from nova_bench.progress import Progress
from nova_bench.train.data import open_world, to_pixels
from nova_bench.train.spec import TrainSpec

SAMPLING = {"num_inference_steps": 16, "num_diffusion_steps": 25, "guidance_scale": 3.0}
BATCH = 10


def measure(pipeline: Any, spec: TrainSpec, samples: int, progress: Progress) -> dict[str, Any]:
    """Numbers of a model on the first ``samples`` clips of the world's test split.

    ``text_to_video``: share of prompts whose video has each property that the caption states, by the world's judge;
    ``reconstruction`` and ``truth``: the same for the autoencoder's copies and for the clips themselves, which bound
    it from above. ``image_to_video``: PSNR in dB, over all frames but the first of clips in which something moves, of
    the video made from a clip's first frame and caption, of the first frame repeated, and of the autoencoder's copy.
    """
    world = open_world(spec.data.model_copy(update={"split": "test"}))
    clips = [world[i] for i in range(samples)]
    drawn, continued, copies = [], [], []
    with progress.stage("measure", samples) as advance:
        for start in range(0, samples, BATCH):
            batch = clips[start : start + BATCH]
            shared = {
                "prompt": [clip.caption for clip in batch],
                "max_latent_length": pipeline.transformer.config.video_base_size[0],
                "output_type": "np",
                "disable_progress_bar": True,
                **SAMPLING,
            }
            seeds = range(start, start + len(batch))
            drawn += list(pipeline(**shared, generator=_generators(seeds)).frames)
            first = [clip.frames[0] for clip in batch]
            continued += list(pipeline(**shared, generator=_generators(seeds), image=first).frames)
            copies += [_copy(pipeline.vae, clip.frames) for clip in batch]
            advance(len(batch))
    truth = [clip.frames for clip in clips]
    repeated = [np.repeat(frames[:1], len(frames), 0) for frames in truth]
    moving = [i for i, frames in enumerate(truth) if (frames != frames[:1]).any()]
    captions = [clip.caption for clip in clips]
    return {
        "samples": samples,
        "text_to_video": _shares(captions, drawn),
        "reconstruction": _shares(captions, copies),
        "truth": _shares(captions, truth),
        "image_to_video": {
            "samples": len(moving),
            "psnr": _psnr(continued, truth, moving),
            "psnr_repeated_first_frame": _psnr(repeated, truth, moving),
            "psnr_reconstruction": _psnr(copies, truth, moving),
        },
    }


def _generators(seeds: Iterable[int]) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


@torch.inference_mode()
def _copy(vae: Any, frames: np.ndarray) -> np.ndarray:
    """A clip [F, H, W, 3] through the autoencoder and back, without posterior noise."""
    mean = vae.moments(to_pixels(frames)[None]).chunk(2, 1)[0]
    out = vae.decode(mean)[0].permute(1, 2, 3, 0).float()
    return out.mul(127.5).add(127.5).clamp(0, 255).byte().numpy()


def _shares(captions: list[str], videos: list[np.ndarray]) -> dict[str, float]:
    """Share of videos in which each stated property holds."""
    from nova_bench.shapes import parse_caption
    from nova_bench.shapes.judge import checks, see

    found: dict[str, list[bool]] = defaultdict(list)
    for caption, frames in zip(captions, videos, strict=True):
        for name, holds in checks(parse_caption(caption), see(np.asarray(frames))).items():
            if holds is not None:
                found[name].append(holds)
    return {name: round(float(np.mean(values)), 4) for name, values in sorted(found.items())}


def _psnr(videos: list[np.ndarray], truth: list[np.ndarray], chosen: Sequence[int]) -> float | None:
    """Mean over the chosen videos of the PSNR of all frames but the first, in dB; None where none is chosen."""
    errors = [np.square(np.asarray(videos[i][1:], np.float64) - truth[i][1:]).mean() for i in chosen]
    values = [10 * np.log10(255**2 / max(error, 1e-6)) for error in errors]
    return round(float(np.mean(values)), 2) if values else None
