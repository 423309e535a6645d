"""Generate latents frame by frame, and each frame token set by token set (Sections 3.2, 3.3)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from nova_bench.nova.denoise import Denoiser
from nova_bench.nova.draws import Draws
from nova_bench.nova.extrapolation import VideoContext
from nova_bench.nova.graphs import GraphCache
from nova_bench.nova.guidance import Guidance, autoregressive_schedule
from nova_bench.nova.observe import Observer, Watcher
from nova_bench.nova.patches import gather_tokens, patchify, scatter_tokens, unpatchify
from nova_bench.nova.positions import rotary_table
from nova_bench.nova.spatial import SpatialCache
from nova_bench.nova.transformer import NOVATransformer3DModel

Progress = Callable[[Sequence[int]], Iterable[int]]


@dataclass(frozen=True)
class Sampling:
    """Settings of one generation, named as in :meth:`NOVAPipeline.__call__`.

    ``max_latent_length`` counts the first frame even when it is given. ``scheduler`` has its timesteps set;
    ``graphs`` keeps the CUDA graphs of the diffusion loop, None runs it kernel by kernel. ``kv_cache`` False runs all
    earlier frames through the temporal encoder again for each frame.
    """

    scheduler: Any
    num_inference_steps: int = 64
    max_latent_length: int = 1
    guidance: Guidance = field(default_factory=Guidance)
    extrapolation: str = "interpolate"
    extrapolation_window: int | None = None
    graphs: GraphCache | None = None
    kv_cache: bool = True


class SpatialProcess:
    """Fills in frames, a random set of tokens at a time; processes ``frames`` of each sample together.

    Tokens are kept in the order in which they will be predicted, so known tokens, the next ones and the rest are
    slices. Order, positions and masked tokens are computed once for all frames of a video.
    """

    def __init__(
        self, model: NOVATransformer3DModel, sampling: Sampling, draws: Draws, observer: Watcher, frames: int = 1
    ):
        self.model, self.guidance, self.draws, self.observer = model, sampling.guidance, draws, observer
        self.frames, self.shape = frames, (model.config.image_dim, *model.config.latent_size)
        steps = autoregressive_schedule(model.config.num_image_tokens, sampling.num_inference_steps)
        self.counts = [n for n in steps if n > 0]
        self.denoise = Denoiser(model.image_decoder, sampling.scheduler, sampling.guidance, observer, sampling.graphs)
        self.order: Tensor | None = None

    def fill(self, features: Callable[[Tensor, int], Tensor], progress: Progress = iter) -> Tensor:
        """New latent frames [B * frames, C, h, w].

        ``features(patches, known)`` gives the temporal features [G * B * frames, M, D] of a step; it may read the
        patches [B * frames, N, P] in prediction order: the first ``known`` are known, the others 0.
        """
        order = self._draw_order() if self.order is None else self.order
        config, p = self.model.config, self.model.config.patch_size
        tokens = self.masked.clone()
        self.cache.begin_frame()
        patches = tokens.new_zeros(*order.shape, config.patch_values)
        start = 0
        for step in progress(range(len(self.counts))):
            now = slice(start, start + self.counts[step])
            condition = features(patches, start)
            with self.observer.region("spatial"):
                z = self.model.image_encoder(tokens, condition, start, now, self.table, self.cache)
                self.observer.record("spatial", z)
            with self.observer.region("head"):
                scale = self.guidance.at_step(step, len(self.counts))
                patches[:, now] = self.denoise(z, self._noise(order, now), now, scale)
            with self.observer.region("spatial"):
                tokens[:, now] = self.model.image_encoder.patch_embed.embed_patches(patches[:, now])
                if self.space is not None:
                    tokens[:, now] += self.space[:, now]
            start = now.stop
        return unpatchify(scatter_tokens(patches, order), p, *config.latent_size)

    def _draw_order(self) -> Tensor:
        """Draw one permutation per sample and frame, and set positions and masked tokens in that order."""
        model, count = self.model, self.model.config.num_image_tokens
        self.order = self.draws.uniform(self.frames, count).flatten(0, 1).argsort(1)
        self.observer.record("order", self.order)
        self.masked = model.mask_embed.mask_token.expand(*self.order.shape, -1)
        space, angles = model.image_space(), model.image_angles()
        self.space = None if space is None else space[self.order]
        if self.space is not None:
            self.masked = self.masked + self.space
        with self.observer.region("spatial"):
            self.cache = SpatialCache(model.image_encoder, self.masked)
        self.table = None
        if angles is not None:
            table = rotary_table(angles[self.order], self.masked.dtype, model.config.num_video_tokens)
            self.table = table.repeat(1, self.guidance.copies, 1, 1)[:, :, None]
        return self.order

    def _noise(self, order: Tensor, now: slice) -> Tensor:
        """The noise of a spatial step [count, B * frames, n, P], as :class:`Denoiser` wants it.

        It is drawn for whole frames, as the official code does.
        """
        count = self.denoise.count
        noise = self.draws.normals(count, self.frames, *self.shape).flatten(0, 2).to(self.masked.dtype)
        tokens = order if self.denoise.reads_all else order[:, now]
        patches = gather_tokens(patchify(noise, self.model.config.patch_size), tokens.repeat(count, 1))
        return patches.unflatten(0, (count, len(order)))


@torch.inference_mode()
def generate_latents(
    model: NOVATransformer3DModel,
    sampling: Sampling,
    condition: Tensor,
    draws: Draws,
    latents: Sequence[Tensor] = (),
    observer: Watcher | None = None,
    frame_progress: Progress = iter,
    step_progress: Progress = iter,
) -> Tensor:
    """Sample a batch of videos in latent space, frame by frame.

    ``condition`` [G*B, L, D] holds text and motion tokens of every guidance copy. ``latents`` [B, C, h, w] each, are
    known frames at the beginning of the result; the last one replaces the first generated frame (with the ``window``
    rule all are context). Returns [B, C, T, h, w], T = max_latent_length, plus one for each given frame except the
    last.
    """
    observer = observer or Observer()
    given, length = list(latents), sampling.max_latent_length
    keep_all = sampling.extrapolation == "window"
    total = len(given[:-1]) + length
    rule = (sampling.extrapolation, sampling.extrapolation_window)
    length = total if keep_all else length
    context = VideoContext(model, condition, sampling.guidance, length, *rule, observer, sampling.kv_cache)
    process = SpatialProcess(model, sampling, draws, observer)
    history = given if keep_all else given[-1:]
    frames = list(given)
    if history and length > 1 and not keep_all:
        with observer.region("temporal"):
            context.next([])
    for _ in frame_progress(range(total - len(given))):
        with observer.region("temporal"):
            features = context.next(history)
        frame = process.fill(lambda *_, features=features: features, step_progress)
        observer.record("latent", frame)
        history = [*history, frame]
        frames.append(frame)
    return torch.stack(frames, 2)
