"""The NOVA pipeline: prompts in, images or videos out, with the official call's arguments and defaults."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from nova_bench.nova import loading
from nova_bench.nova.conditioning import Embeds, condition_tokens, text_rows
from nova_bench.nova.config import NOVAConfig
from nova_bench.nova.draws import Draws
from nova_bench.nova.errors import InputError
from nova_bench.nova.first_frame import encode_first_frame, known_frames
from nova_bench.nova.generation import Sampling, generate_latents
from nova_bench.nova.graphs import GraphCache
from nova_bench.nova.guidance import Guidance
from nova_bench.nova.observe import Observer, Watcher
from nova_bench.nova.output import OUTPUT_TYPES, NOVAPipelineOutput, decode_latents, refuse_not_finite
from nova_bench.nova.text import PhiTextEncoder
from nova_bench.nova.transformer import NOVATransformer3DModel
from nova_bench.nova.whole_video import generate_whole_video

Generators = torch.Generator | Sequence[torch.Generator] | None


class NOVAPipeline:
    """Tokenizer, Phi, transformer, scheduler and autoencoder of one NOVA model.

    Any of ``vae``, ``text_encoder`` and ``tokenizer`` may be None: then request latents, or pass ``prompt_embeds``.
    """

    def __init__(
        self,
        transformer: NOVATransformer3DModel,
        scheduler: Any,
        vae: Any = None,
        text_encoder: PhiTextEncoder | None = None,
        tokenizer: Any = None,
    ):
        self.transformer, self.scheduler = transformer, scheduler
        self.vae, self.text_encoder, self.tokenizer = vae, text_encoder, tokenizer
        self._offload_device: torch.device | None = None
        self._graphs: GraphCache | None = None

    @classmethod
    def from_pretrained(
        cls,
        source: str | Path,
        torch_dtype: torch.dtype = torch.float32,
        device: str | torch.device = "cpu",
        *,
        revision: str | None = None,
        cache_dir: str | Path | None = None,
        local_files_only: bool = False,
        token: str | None = None,
        arrangement: Mapping[str, Any] | None = None,
        trust_remote_code: bool | None = None,
        **components: Any,
    ) -> NOVAPipeline:
        """Load a checkpoint folder in the published layout, or a hub repository (``owner/name``).

        ``components`` replace parts (``vae=None`` leaves one out). ``arrangement`` states the expected arrangement, see
        :func:`loading.load_transformer`. ``trust_remote_code`` is accepted for the official scripts and ignored: code
        in a checkpoint is never run. Raises :class:`CheckpointError` or :class:`ConfigError`.
        """
        folder = loading.resolve_folder(source, revision, cache_dir, local_files_only, token)
        return cls(**loading.load_components(folder, torch_dtype, device, arrangement, components))

    @classmethod
    def from_config(
        cls,
        source: str | Mapping[str, Any] | NOVAConfig,
        torch_dtype: torch.dtype = torch.float32,
        device: str | torch.device = "cpu",
        **components: Any,
    ) -> NOVAPipeline:
        """Build a pipeline with random weights, for training from scratch or timing; reads no checkpoint.

        ``source`` is the name of a published model (``nova-d48w1024-osp480``) or a transformer configuration. On the
        "meta" device nothing is allocated. ``components`` replace parts by objects or configurations; None leaves one
        out. Weights come from torch's global random numbers. Prompts are tokenized byte by byte.
        """
        return cls(**loading.random_components(source, torch_dtype, device, **components))

    def save_pretrained(self, folder: str | Path) -> None:
        """Write a folder in the published layout that :meth:`from_pretrained` reads again."""
        self._refuse_if_fixed("saved")
        loading.save_components(self, Path(folder))

    @property
    def device(self) -> torch.device:
        """Where generation runs."""
        return self._offload_device or self.transformer.device

    @property
    def dtype(self) -> torch.dtype:
        """Type of the transformer's parameters."""
        return self.transformer.dtype

    def to(self, *args: Any, **kwargs: Any) -> NOVAPipeline:
        """Move or cast all networks, as ``torch.nn.Module.to``. InputError after :meth:`speed_up`."""
        self._refuse_if_fixed("moved or cast")
        for module in self._networks():
            module.to(*args, **kwargs)
        return self

    def enable_model_cpu_offload(self, device: str | torch.device = "cuda") -> None:
        """Keep networks on the CPU and move each to ``device`` only while it runs."""
        self.to("cpu")
        self._offload_device = torch.device(device)

    def enable_cuda_graphs(self) -> None:
        """Replay the diffusion loop as CUDA graphs, captured in the first call with given settings.

        For CUDA without offload; elsewhere, and with ``guidance_renorm`` below 1, nothing changes. Observers
        then don't see ``head``.
        """
        self._graphs = GraphCache()

    def speed_up(self) -> None:
        """Use this CPU's fastest layers (:mod:`nova_bench.kernels.layers`); if it has none, nothing changes.

        For float32 on a CPU; elsewhere nothing changes. Results are the same up to rounding. Afterwards the pipeline
        only generates: it can't be saved, moved, cast or compiled. Weights that aren't finite stay as they are, so
        that they can be found.
        """
        model = self.transformer
        fits = model.device.type == "cpu" and model.dtype == torch.float32 and self._offload_device is None
        if fits and not model.is_fixed and all(bool(value.sum().isfinite()) for value in model.parameters()):
            model.speed_up()
            if self.vae is not None and all(bool(value.sum().isfinite()) for value in self.vae.parameters()):
                self.vae.speed_up()

    def compile(self, **options: Any) -> None:
        """Compile spatial blocks and diffusion MLP with ``torch.compile`` (``options`` are its own).

        The first calls compile, which takes minutes for large models; token counts are dynamic. The last block stays as
        it is: it is given a slice, which would compile all of them again.
        """
        self._refuse_if_fixed("compiled")
        for block in self.transformer.image_encoder.blocks[:-1]:
            block.compile(**{"dynamic": True, **options})
        decoder = self.transformer.image_decoder
        predict = torch.compile(decoder.predict, **{"dynamic": True, **options})
        decoder.predict = predict  # type: ignore[method-assign]  # replaces the method

    def enable_vae_slicing(self) -> None:
        """Decode one sample at a time even when ``vae_batch_size`` is larger."""
        self.vae.enable_slicing()

    def enable_vae_tiling(self) -> None:
        """Decode in spatial tiles: less memory, slightly different pixels."""
        self.vae.enable_tiling()

    @torch.inference_mode()
    def __call__(
        self,
        prompt: str | Sequence[str] | None = None,
        num_inference_steps: int = 64,
        num_diffusion_steps: int = 25,
        max_latent_length: int = 1,
        guidance_scale: float = 5,
        guidance_trunc: float = 0,
        guidance_renorm: float = 1,
        image_guidance_scale: float = 0,
        spatiotemporal_guidance_scale: float = 0,
        flow_shift: float | None = None,
        motion_flow: float | Sequence[float] = 5,
        negative_prompt: str | Sequence[str] | None = None,
        image: Any = None,
        num_images_per_prompt: int = 1,
        generator: Generators = None,
        latents: Tensor | Sequence[Tensor] | None = None,
        prompt_embeds: Embeds | None = None,
        negative_prompt_embeds: Embeds | None = None,
        disable_progress_bar: bool = False,
        output_type: str = "pil",
        *,
        min_guidance_scale: float | None = None,
        vae_batch_size: int = 1,
        extrapolation: str = "interpolate",
        extrapolation_window: int | None = None,
        kv_cache: bool = True,
        observer: Watcher | None = None,
        **ignored: Any,
    ) -> NOVAPipelineOutput:
        """Generate images (``max_latent_length`` 1) or videos; B = prompts * ``num_images_per_prompt`` samples.

        Args:
            prompt: one or several texts.
            num_inference_steps: spatial autoregressive steps per frame.
            num_diffusion_steps: diffusion steps per spatial step.
            max_latent_length: latent frames of the video, the given first one included.
            guidance_scale: text guidance; 1 or less runs the conditional copy only.
            guidance_trunc: diffusion timestep (0..1000) below which guidance is dropped.
            guidance_renorm: lower bound of the factor that restores the conditional prediction's norm; 1 is off.
            image_guidance_scale, spatiotemporal_guidance_scale: see :class:`Guidance`; one of them at most.
            flow_shift: shift of the flow-matching timesteps for this call.
            motion_flow: requested mean optical flow, one value or one per sample (video models).
            negative_prompt: one text, or one per prompt; "" if not given.
            image: first frame, RGB integers 0..255 [H, W, 3] (array, tensor or PIL), one for all prompts or a list with
                one per prompt.
            num_images_per_prompt: samples of each prompt, adjacent in the batch.
            generator: one ``torch.Generator``, or a list with one per sample. With a list a sample's random numbers
                do not depend on its batch.
            latents: known scaled latent frames, a list of [B, C, h, w] or one [B, C, T, h, w]; the result begins with
                them, and the last replaces the first new frame.
            prompt_embeds, negative_prompt_embeds: text features [tokens, E] of each prompt instead of texts.
            disable_progress_bar: no bar on standard error.
            output_type: "pil", "np", "pt" or "latent", see :class:`NOVAPipelineOutput`.
            min_guidance_scale: text guidance of the first spatial step, rising linearly to ``guidance_scale``.
            vae_batch_size: samples decoded together.
            extrapolation, extrapolation_window: rule for videos longer than in training, see :class:`VideoContext`.
            kv_cache: False recomputes the temporal keys and values of all earlier frames for each frame: the same
                video for more work (:class:`TemporalContext`).
            observer: see :class:`Observer`.
            ignored: other keywords, which the official call ignores; a warning names them.

        Raises:
            InputError: an argument is invalid; raised before anything is computed.
            NotFiniteError: latents or pixels are NaN or infinite; the error holds the finite samples.
        """
        if ignored:
            warnings.warn(f"NOVAPipeline ignores {', '.join(sorted(ignored))}", stacklevel=2)
        if output_type not in OUTPUT_TYPES:
            raise InputError(f"output_type {output_type!r} is none of {', '.join(OUTPUT_TYPES)}")
        config, observer = self.transformer.config, observer or Observer()
        if max_latent_length < 1 or (max_latent_length > 1 and not config.has_motion):
            what = (
                "a video has at least one latent frame" if max_latent_length < 1 else "an image model makes one frame"
            )
            raise InputError(f"max_latent_length {max_latent_length}: {what}")
        if self.vae is None and (output_type != "latent" or image is not None):
            raise InputError("this pipeline has no vae: ask for output_type='latent' and pass latents, not an image")
        if image is not None and latents is not None:
            raise InputError("give image or latents, not both")
        guidance = Guidance(
            guidance_scale,
            image_guidance_scale,
            spatiotemporal_guidance_scale,
            guidance_trunc,
            guidance_renorm,
            min_guidance_scale,
        )
        self.scheduler.set_timesteps(num_diffusion_steps, self.device, flow_shift)
        sampling = Sampling(
            self.scheduler,
            num_inference_steps,
            max_latent_length,
            guidance,
            extrapolation,
            extrapolation_window,
            None if self._offload_device else self._graphs,
            kv_cache,
        )
        with observer.region("text"), self._working(self.text_encoder, self.transformer):
            texts = (prompt, negative_prompt, prompt_embeds, negative_prompt_embeds)
            rows = self.encode_prompt(*texts, num_images_per_prompt, guided=guidance.enabled)
            observer.record("text_embeds", rows)
            condition = condition_tokens(self.transformer, rows, guidance, motion_flow)
            observer.record("condition", condition)
        batch = condition.shape[0] // guidance.copies
        draws = Draws(generator, batch, self.device)
        if image is not None:
            with observer.region("vae"), self._working(self.vae):
                latents = [encode_first_frame(self.vae, image, config, draws, num_images_per_prompt)]
        with self._working(self.transformer):
            run = generate_latents if config.temporal_autoregressive else generate_whole_video
            x = run(
                self.transformer,
                sampling,
                condition,
                draws,
                known_frames(latents, config, batch, self.device, self.dtype),
                observer,
                _progress(not disable_progress_bar and max_latent_length > 1),
                _progress(not disable_progress_bar and max_latent_length == 1),
            )
        if output_type == "latent":
            refuse_not_finite({}, x, "latents")
            return NOVAPipelineOutput(frames=x)
        with observer.region("vae"), self._working(self.vae):
            return decode_latents(self.vae, x, output_type, vae_batch_size)

    def encode_prompt(
        self,
        prompt: str | Sequence[str] | None = None,
        negative_prompt: str | Sequence[str] | None = None,
        prompt_embeds: Embeds | None = None,
        negative_prompt_embeds: Embeds | None = None,
        num_images_per_prompt: int = 1,
        guided: bool = True,
    ) -> Tensor:
        """Text features [B or 2B, L, E] as :func:`conditioning.text_rows` orders them."""
        return text_rows(
            self.transformer,
            self.tokenizer,
            self.text_encoder,
            guided,
            prompt,
            negative_prompt,
            prompt_embeds,
            negative_prompt_embeds,
            num_images_per_prompt,
        )

    def _refuse_if_fixed(self, what: str) -> None:
        if self.transformer.is_fixed:
            raise InputError(f"after speed_up() a pipeline can't be {what}: load it again")

    def _networks(self) -> Iterator[nn.Module]:
        yield from (m for m in (self.transformer, self.vae, self.text_encoder) if m is not None)

    @contextmanager
    def _working(self, *modules: nn.Module | None) -> Iterator[None]:
        """With CPU offload, move ``modules`` to the device and back to the CPU afterwards."""
        moved = [m for m in modules if m is not None] if self._offload_device else []
        for module in moved:
            module.to(self._offload_device)
        try:
            yield
        finally:
            for module in moved:
                module.to("cpu")


def _progress(show: bool) -> Any:
    def bar(steps: Sequence[int]) -> Iterable[int]:
        if not show:
            return steps
        from tqdm import tqdm

        return tqdm(steps)

    return bar
