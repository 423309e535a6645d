"""Classifier-free guidance: which condition each copy of the batch sees, and how their predictions combine."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import numpy as np
from torch import Tensor

from nova_bench.nova.errors import InputError


@dataclass(frozen=True)
class Guidance:
    """Scales of the three guidances, renormalization and truncation; a call's constants.

    ``scale`` text guidance (none at 1 and below); ``image_scale`` guidance by the previous frames;
    ``spatiotemporal_scale`` guidance by a perturbed copy; ``truncation`` diffusion timestep (0..1000) below which only
    the conditional copy is run; ``renorm`` lower bound of the factor that brings the guided prediction back to the
    norm of the conditional one (1: off); ``min_scale`` where the text scale starts, to rise linearly to ``scale`` over
    the spatial steps.
    """

    scale: float = 5.0
    image_scale: float = 0.0
    spatiotemporal_scale: float = 0.0
    truncation: float = 0.0
    renorm: float = 1.0
    min_scale: float | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not None and not math.isfinite(value):
                raise InputError(f"guidance: {field.name} must be a finite number, not {value}")
        if self.image_scale < 0 or self.spatiotemporal_scale < 0:
            raise InputError("image_guidance_scale and spatiotemporal_guidance_scale can't be negative")
        if self.image_scale and self.spatiotemporal_scale:
            raise InputError("image_guidance_scale and spatiotemporal_guidance_scale can't be combined")
        if (self.image_scale or self.spatiotemporal_scale) and self.scale <= 1:
            raise InputError("image_guidance_scale and spatiotemporal_guidance_scale need guidance_scale > 1")

    @property
    def enabled(self) -> bool:
        """Whether there is an unconditional copy."""
        return self.scale > 1

    @property
    def copies(self) -> int:
        """G, the number of copies of the batch.

        In other networks the perturbed copy of spatiotemporal guidance skips encoder layers. NOVA can't, so that copy
        would equal the conditional one and its term would vanish. It is not run.
        """
        if not self.enabled:
            return 1
        return 3 if self.image_scale else 2

    @property
    def conditions(self) -> tuple[int, ...]:
        """Condition of each copy: 0 prompt, 1 null."""
        return (0, 1, 1)[: self.copies]

    def expand(self, x: Tensor) -> Tensor:
        """[B, ...] -> [G*B, ...], copies outermost."""
        return x.repeat(self.copies, *(1,) * (x.dim() - 1))

    def hide_frames(self, tokens: Tensor, bos_token: Tensor) -> Tensor:
        """With image guidance, the second copy of frame tokens [G*B, M, D] becomes the bare begin-of-video token."""
        if not self.image_scale:
            return tokens
        batch = tokens.shape[0] // self.copies
        tokens[batch : 2 * batch] = bos_token
        return tokens

    def at_step(self, step: int, steps: int) -> float:
        """Text scale at spatial step ``step`` of ``steps``."""
        if self.min_scale is None:
            return self.scale
        return self.min_scale + (self.scale - self.min_scale) * (step + 1) / steps

    def combine(self, out: Tensor, scale: float | Tensor, rest: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Combine the predictions of all copies [G, B, n, P] into the guided one [B, n, P].

        ``scale`` is the text scale of this spatial step; a float32 tensor [] gives the same numbers.
        ``rest`` [B, N - n, P] are the values of the tokens not predicted in this step. They are the same in every copy,
        so guidance does not change them, but renormalization includes them in its norms and scales them; the second
        returned value holds them.
        """
        conditional, null = out[0], out[1]
        against = out[2] if self.image_scale else null
        if isinstance(scale, Tensor):  # in float32, as a product with a Python number is computed
            guided = null + ((conditional - against).float() * scale).to(out.dtype)
        else:
            guided = null + (conditional - against) * scale
        if self.renorm < 1:
            common = 0 if rest is None else rest.float().square().sum((1, 2), keepdim=True)
            before = (conditional.float().square().sum((1, 2), keepdim=True) + common).sqrt()
            after = (guided.float().square().sum((1, 2), keepdim=True) + common).sqrt()
            factor = (before / after).clamp(self.renorm, 1).to(out.dtype)
            guided = guided * factor
            rest = None if rest is None else rest * factor
        if self.image_scale:
            guided = guided + (out[2] - null) * self.image_scale
        return guided, rest


def autoregressive_schedule(num_tokens: int, steps: int) -> list[int]:
    """Tokens predicted at each of ``steps`` spatial steps (cosine schedule, Section 3.3); they sum to ``num_tokens``.

    Few tokens first, many last; steps may predict none. Rounds half to even, as the official pipeline does.
    """
    if steps < 1:
        raise InputError(f"num_inference_steps must be at least 1, not {steps}")
    ratio = np.cos(0.5 * np.pi * np.arange(steps + 1) / steps)
    return (-np.diff(np.round(ratio * num_tokens).astype(np.int64))).tolist()
