"""The pipeline that is timed: loaded for a precision and mode, set to a size and arrangement, called."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from zlib import crc32

from nova_bench.assets.cache import megabytes
from nova_bench.core.errors import UserError
from nova_bench.core.stopwatch import synchronize
from nova_bench.experiments.latency.machine import free_memory
from nova_bench.experiments.latency.spec import Setting
from nova_bench.models.nova import NovaSpec, dtype_name, explained, load_pipeline
from nova_bench.models.random_weights import weight_bytes

if TYPE_CHECKING:
    from nova_bench.nova import NOVAConfig, NOVAPipeline
    from nova_bench.nova.observe import Watcher

SEED = 0
GRAPHS = ("cuda_graphs", "compiled_cuda_graphs")
COMPILED = ("compiled", "compiled_cuda_graphs")


@dataclass(frozen=True)
class StandInTokenizer:
    """Gives every prompt ``count`` tokens, which differ between prompts: Phi's time depends on nothing else.

    A measurement thus states its exact number of tokens, for checkpoints and for random weights, which have no
    vocabulary. The tokenizer's own time, some tens of microseconds, is not measured.
    """

    count: int
    vocabulary: int

    def __call__(self, text: str, truncation: bool, max_length: int) -> dict[str, list[int]]:
        """Token ids of ``text``."""
        start = crc32(text.encode())
        return {"input_ids": [(start + 31 * i) % self.vocabulary for i in range(min(self.count, max_length))]}


class Subject:
    """Provides the model ready for a setting. Reloads it if precision or mode change: neither can be undone."""

    def __init__(self, options: NovaSpec, device: str, warn: Callable[[str], None]):
        self.device = device
        self._options, self._warn = options, warn
        self._loaded: tuple[tuple[str, str], NOVAPipeline, NOVAConfig] | None = None

    def dtype(self, setting: Setting) -> str:
        """Name of the precision that ``setting`` means here."""
        return dtype_name(setting.dtype, self.device)

    def pipeline(self, setting: Setting) -> NOVAPipeline:
        """The pipeline in that setting. UserError if this model doesn't support it."""
        wanted = (self.dtype(setting), setting.mode)
        loaded = self._loaded
        if loaded is None or loaded[0] != wanted:
            loaded = self._loaded = None  # frees the memory before the next one is loaded
            pipeline = self._load(*wanted)
            loaded = self._loaded = (wanted, pipeline, pipeline.transformer.config)
        _, pipeline, own = loaded
        pipeline.transformer.config = _arranged(own, setting)
        assert pipeline.text_encoder is not None, "load_pipeline loads all parts"
        pipeline.tokenizer = StandInTokenizer(setting.prompt_tokens, pipeline.text_encoder.config["vocab_size"])
        latent_frames(pipeline, setting.num_frames)
        limit = pipeline.transformer.text_conditions.num_tokens
        if setting.prompt_tokens > limit:
            raise UserError(f"prompt_tokens {setting.prompt_tokens}: this model reads {limit}", f"at most {limit}")
        return pipeline

    def _load(self, dtype: str, mode: str) -> NOVAPipeline:
        if mode in GRAPHS and not self.device.startswith("cuda"):
            raise UserError(f"mode {mode!r} needs a CUDA device, not {self.device}", "mode: eager or compiled")
        self._refuse_what_does_not_fit(dtype)
        with explained():
            options = self._options.model_copy(update={"dtype": dtype})
            pipeline = load_pipeline(options, self.device, self._warn)
        if mode in GRAPHS:
            pipeline.enable_cuda_graphs()
        if mode in COMPILED:
            pipeline.compile()
        else:
            pipeline.speed_up()
        return pipeline

    def _refuse_what_does_not_fit(self, dtype: str) -> None:
        """Raise UserError before building weights that can't fit: the system would kill the process."""
        name, free = self._options.checkpoint, free_memory(self.device)
        if not self._options.random_weights or name is None or free is None:
            return
        if (needed := weight_bytes(name, dtype)) > free:
            raise UserError(
                f"{name} in {dtype}: {megabytes(needed)} of weights, but {megabytes(free)} of memory are free "
                f"({self.device})",
                "dtype: bfloat16 takes half of float32; or a smaller model",
            )


def _arranged(own: NOVAConfig, setting: Setting) -> NOVAConfig:
    """The model's configuration in another size or arrangement; the weights are the same in all of them."""
    changes: dict[str, Any] = {}
    if setting.temporal_autoregressive is not None:
        changes["temporal_autoregressive"] = setting.temporal_autoregressive
    if setting.size is not None:
        width, height = map(int, setting.size.split("x"))
        cell = own.image_stride * own.patch_size
        if width % (2 * cell) or height % (2 * cell):
            raise UserError(f"size {setting.size}: no multiple of {2 * cell}", "for example 256x256")
        rows, columns = height // cell, width // cell
        changes |= {"image_size": (height, width), "image_base_size": (rows, columns)}
        changes["video_base_size"] = (own.video_base_size[0], rows // 2, columns // 2)
    return own.with_arrangement(**changes)


def latent_frames(pipeline: NOVAPipeline, num_frames: int) -> int:
    """Latent frames of a video of that many frames. UserError if there is no such number.

    The autoencoder decodes complete tiles only, so it may produce fewer frames: the paper's 29 frames are 8 latents,
    which it decodes to 17 frames.
    """
    stride, has_motion = pipeline.vae.temporal_stride, pipeline.transformer.config.has_motion
    if num_frames > 1 and not has_motion:
        raise UserError(f"num_frames {num_frames}: this model makes images", "num_frames: 1")
    if (num_frames - 1) % stride:
        raise UserError(f"num_frames {num_frames}: this model makes 1 + {stride}n frames", "for example 5, 29 or 33")
    return 1 + (num_frames - 1) // stride


def generate(pipeline: NOVAPipeline, setting: Setting, observer: Watcher | None = None, decode: bool = True) -> None:
    """One whole generation, prompts to bytes on the host; waits until it is done. The videos are discarded.

    Without ``decode`` it ends at the latents, before the autoencoder.

    Every sample has a prompt of its own; one random generator serves them all, as in the official scripts.
    """
    import torch

    from nova_bench.nova import NotFiniteError

    # These videos are not looked at, and non-finite numbers take the same time.
    with suppress(NotFiniteError):
        pipeline(
            [f"prompt {index}" for index in range(setting.batch_size)],
            num_inference_steps=setting.num_inference_steps,
            num_diffusion_steps=setting.num_diffusion_steps,
            max_latent_length=latent_frames(pipeline, setting.num_frames),
            guidance_scale=setting.guidance_scale,
            generator=torch.Generator(pipeline.device).manual_seed(SEED),
            output_type="np" if decode else "latent",
            disable_progress_bar=True,
            vae_batch_size=setting.vae_batch_size,
            kv_cache=setting.kv_cache,
            observer=observer,
        )
    synchronize(str(pipeline.device))
