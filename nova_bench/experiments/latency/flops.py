"""Floating-point operations of each part: matrix products, attention and convolutions, as they are executed.

Temporal layers, spatial layers and diffusion head follow from the configuration (a test compares them with torch's own
counter, operation by operation); text encoder and autoencoder are counted while one sample goes through them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from math import prod
from typing import TYPE_CHECKING, Any

from nova_bench.experiments.latency.spec import Setting
from nova_bench.experiments.latency.subject import latent_frames
from nova_bench.nova.config import NetworkSize, NOVAConfig
from nova_bench.nova.guidance import autoregressive_schedule
from nova_bench.nova.observe import Observer

if TYPE_CHECKING:
    from nova_bench.nova import NOVAPipeline

MOTION_TOKENS = 2


def flops_per_video(pipeline: NOVAPipeline, setting: Setting) -> dict[str, int]:
    """Operations (multiply and add count as two) of each part for one video of that setting."""
    length = latent_frames(pipeline, setting.num_frames)
    config, copies = pipeline.transformer.config, 2 if setting.guidance_scale > 1 else 1
    steps = [n for n in autoregressive_schedule(config.num_image_tokens, setting.num_inference_steps) if n]
    return {
        "text": _counted_text(pipeline, setting),
        "temporal": temporal_flops(config, length, len(steps), copies, setting.kv_cache),
        "spatial": _spatial(config, length, steps, copies),
        "head": length * sum(_head(config, n, copies, setting.num_diffusion_steps) for n in steps),
        "vae": _counted_vae(pipeline, length),
    }


def temporal_flops(config: NOVAConfig, length: int, steps: int, copies: int, kv_cache: bool) -> int:
    """The temporal layers over ``length`` latent frames, with ``steps`` spatial steps in each.

    With temporal autoregression once per frame; without, over all frames at every step (App. E).
    """
    tokens, dim = config.num_video_tokens, config.width
    condition = (config.text_token_len or 0) + MOTION_TOKENS * config.has_motion
    patch = _linear(tokens, config.image_dim * (2 * config.patch_size) ** 2, dim)
    if not config.temporal_autoregressive:
        sequence = length * tokens
        network = _encoder(config.temporal, condition + sequence, condition + sequence, sequence)
        time = 0 if config.rotary_pos_embed else length * (_linear(1, 256, dim) + _linear(1, dim, dim))
        each = length * patch + time + copies * (network + (length - 1) * _mixer(config))
        return steps * each
    total = (length - 1) * patch + copies * (length - 1) * _mixer(config)
    for frame in range(length):
        seen = condition + (frame + 1) * tokens
        if not kv_cache:
            total += copies * _encoder(config.temporal, seen, seen, seen - condition)
        elif frame == 0:
            total += copies * _encoder(config.temporal, seen, seen, tokens)
        else:
            total += copies * _encoder(config.temporal, tokens, seen, tokens)
    return total


def _spatial(config: NOVAConfig, length: int, steps: list[int], copies: int) -> int:
    """Each frame, token set by token set; the new tokens are embedded for the next set.

    Where tokens enter, their queries, keys and values are computed once: of known ones per frame, of masked ones per
    order of prediction, of the condition whenever it changes (see :class:`~nova_bench.nova.spatial.SpatialCache`).
    """
    m, n, dim, depth = config.num_video_tokens, config.num_image_tokens, config.width, config.spatial.depth
    half, total, known, entered = depth // 2, 0, 0, 0
    late, tam = depth - half - 1, config.temporal_autoregressive
    for count in steps:
        total += copies * half * _block(dim, m + known, m + known, m + known)
        total += copies * late * _block(dim, m + n, m + n, m + n)
        total += copies * _block(dim, m + n, m + n, count)
        total += _linear(count, config.patch_values, dim)
        if half:
            condition = 0 if tam and known else copies * m
            total += _linear(condition + known - entered - copies * (m + known), dim, 3 * dim)
        if late:
            total -= copies * _linear(n - known, dim, 3 * dim)
        entered, known = known, known + count
    orders = 1 if tam else length
    return length * total + (orders * _linear(n, dim, 3 * dim) if late else 0)


def _head(config: NOVAConfig, count: int, copies: int, diffusion_steps: int) -> int:
    """The diffusion MLP on ``count`` tokens of one step: the condition once, the rest at every diffusion step."""
    dim, depth, values = config.decoder.width, config.decoder.depth, config.patch_values
    once = copies * (_linear(count, config.width, dim) + _linear(count, dim, dim))
    statistics = _linear(count, dim, (3 * depth + 2) * dim)
    layers = depth * 2 * _linear(count, dim, dim) + _linear(count, dim, values)
    return once + diffusion_steps * (_linear(count, values, dim) + copies * (statistics + layers))


def _encoder(size: NetworkSize, queries: int, keys: int, outputs: int) -> int:
    """All blocks of an encoder; the last one makes ``outputs`` of the ``queries`` tokens."""
    whole = _block(size.width, queries, keys, queries)
    return (size.depth - 1) * whole + _block(size.width, queries, keys, outputs)


def _block(dim: int, tokens: int, keys: int, outputs: int) -> int:
    """One transformer block: keys and values of ``tokens`` new ones, queries and MLP of ``outputs`` of them."""
    projections = _linear(tokens, dim, 2 * dim) + 2 * _linear(outputs, dim, dim)
    return projections + 2 * _linear(outputs, dim, keys) + 2 * _linear(outputs, dim, 4 * dim)


def _mixer(config: NOVAConfig) -> int:
    """Scale and shift of one frame's tokens, through the low rank if there is one."""
    rank, dim, tokens = config.video_mixer_rank or 0, config.width, config.num_video_tokens
    if rank < 0:
        return _linear(tokens, dim, 2 * dim)
    return _linear(tokens, dim, rank) + _linear(tokens, rank, 2 * dim)


def _linear(rows: int, inner: int, outer: int) -> int:
    return 2 * rows * inner * outer


class FlopObserver(Observer):
    """Attributes what torch's counter counts to the regions of a generation; use it inside ``counting``."""

    def __init__(self) -> None:
        self.flops: dict[str, int] = {}

    @contextmanager
    def counting(self) -> Iterator[None]:
        """Count every operation in here."""
        import torch
        from torch.utils.flop_counter import FlopCounterMode

        # torch's counter knows the kernels of GPUs, but not two of the CPU's own.
        own = {
            torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention,
            torch.ops.aten.mkldnn_convolution: _convolution,
        }
        with FlopCounterMode(display=False, custom_mapping=own) as self._counter:
            yield

    def region(self, name: str) -> AbstractContextManager[None]:
        """Count one region."""

        @contextmanager
        def counted() -> Iterator[None]:
            before = self._counter.get_total_flops()
            yield
            self.flops[name] = self.flops.get(name, 0) + self._counter.get_total_flops() - before

        return counted()


def _attention(query: Sequence[int], key: Sequence[int], value: Sequence[int], *_: Any, **__: Any) -> int:
    """Both products of an attention, from the shapes [B, heads, tokens, d] of its inputs."""
    batch, heads, tokens, inner = query
    return batch * heads * (_linear(tokens, inner, key[2]) + _linear(tokens, key[2], value[3]))


def _convolution(x: Sequence[int], weight: Sequence[int], *_: Any, out_shape: Sequence[int], **__: Any) -> int:
    """A convolution, from the shapes of its input, its weight [out, in per group, ...] and its result [B, out, ...]."""
    return 2 * prod(out_shape) * prod(weight[1:])


def _counted_text(pipeline: NOVAPipeline, setting: Setting) -> int:
    """Tokens of one prompt and of its null text through Phi, the projection and the motion embedding."""
    import torch

    from nova_bench.nova.conditioning import condition_tokens
    from nova_bench.nova.guidance import Guidance

    guidance, observer = Guidance(setting.guidance_scale), FlopObserver()
    with torch.inference_mode(), observer.counting(), observer.region("text"):
        rows = pipeline.encode_prompt("prompt 0", guided=guidance.enabled)
        condition_tokens(pipeline.transformer, rows, guidance, 5.0)
    return observer.flops["text"]


def _counted_vae(pipeline: NOVAPipeline, length: int) -> int:
    """One video through the decoder."""
    import torch

    vae, config = pipeline.vae, pipeline.transformer.config
    latents = torch.zeros(1, config.image_dim, length, *config.latent_size, device=vae.device, dtype=vae.dtype)
    observer = FlopObserver()
    with torch.inference_mode(), observer.counting(), observer.region("vae"):
        vae.decode(latents)
    return observer.flops["vae"]
