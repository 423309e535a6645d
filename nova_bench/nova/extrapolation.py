"""The temporal context of a video being generated, and three rules for videos longer than in training (App. C)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from nova_bench.nova.errors import InputError
from nova_bench.nova.guidance import Guidance
from nova_bench.nova.observe import Watcher
from nova_bench.nova.positions import rotary_table
from nova_bench.nova.temporal import block_causal_mask
from nova_bench.nova.transformer import NOVATransformer3DModel

RULES = ("interpolate", "extend", "window")


def frame_times(rule: str, length: int, base: int) -> list[float]:
    """Position in time of each of ``length`` latent frames, in training frame distances; ``base`` frames were trained.

    ``interpolate``, the official rule, squeezes (or stretches) every video into the trained range. ``extend`` does so
    for videos up to ``base`` frames and beyond them keeps the trained distance. ``window`` is :func:`frame_times` of
    ``interpolate`` for at most ``base`` frames. Rotary positions are never rescaled, whatever the rule.
    """
    if rule not in RULES:
        raise InputError(f"extrapolation {rule!r} is none of {', '.join(RULES)}")
    if rule == "interpolate" or length <= base:
        return [i / (length / base) for i in range(length)]
    return [float(i) for i in range(length if rule == "extend" else base)]


class TemporalContext:
    """Condition, key-value caches and anchor of one video (Section 3.2), advanced by one frame at a time.

    Without ``kv_cache`` every frame runs the condition and all frames so far again, under the block-causal mask. The
    features are the same; this mode only measures what the cache saves.
    """

    def __init__(
        self,
        model: NOVATransformer3DModel,
        condition: Tensor,
        guidance: Guidance,
        times: list[float],
        observer: Watcher,
        kv_cache: bool = True,
    ):
        self.model, self.condition, self.guidance, self.observer = model, condition, guidance, observer
        self.capacity, self.frame = len(times), 0
        self.anchor: Tensor | None = None
        self.batch = condition.shape[0] // guidance.copies
        self.space = model.video_space()
        self.time = None
        if model.video_pos_embed is not None:
            self.time = model.video_pos_embed(torch.tensor(times, device=condition.device))
        tokens = condition.shape[1] + len(times) * model.config.num_video_tokens
        self.caches = None
        self.seen: list[Tensor] | None = None if kv_cache else []
        if kv_cache and len(times) > 1:
            self.caches = model.video_encoder.make_caches(condition.shape[0], tokens, condition.dtype, condition.device)

    def advance(self, previous: Tensor | None) -> Tensor:
        """Return the next frame's features [G*B, M, D] from the previous latent [B, C, h, w] (None: begin of video)."""
        model, t = self.model, self.frame
        if previous is None:
            tokens = model.mask_embed.bos_token.expand(self.batch, model.config.num_video_tokens, -1)
        else:
            tokens = model.video_encoder.patch_embed(previous)
        if self.time is not None:
            tokens = tokens + self.time[t] + self.space
        tokens = self.guidance.hide_frames(self.guidance.expand(tokens), model.mask_embed.bos_token)
        features = self._encode_new(tokens) if self.seen is None else self._encode_again(tokens, self.seen)
        self.observer.record("temporal", features)
        self.frame += 1
        mixer = model.video_encoder.mixer
        if mixer is not None:
            if self.anchor is None:
                self.anchor = features
            else:
                features = mixer(self.anchor, features)
        self.observer.record("mixed", features)
        return features

    def _encode_new(self, tokens: Tensor) -> Tensor:
        """Features of the current frame's tokens [G*B, M, D]; everything before is in the caches."""
        condition = self.condition if self.frame == 0 else None
        rotary = self._rotary([self.frame], 0 if condition is None else condition.shape[1], tokens.dtype)
        return self.model.video_encoder(tokens, condition, rotary, caches=self.caches)

    def _encode_again(self, tokens: Tensor, seen: list[Tensor]) -> Tensor:
        """The same features, from the condition and all frames so far."""
        seen.append(tokens)
        length, (_, count, _) = self.condition.shape[1], tokens.shape
        mask = block_causal_mask(length, len(seen), count, tokens.dtype, tokens.device)
        rotary = self._rotary(range(len(seen)), length, tokens.dtype)
        return self.model.video_encoder(torch.cat(seen, 1), self.condition, rotary, mask)[:, -count:]

    def _rotary(self, frames: Sequence[int], condition: int, dtype: torch.dtype) -> Tensor | None:
        """Rotary table of ``condition`` unrotated tokens and the tokens of ``frames``; None with absolute positions."""
        if self.time is not None:
            return None
        angles = torch.cat([self.model.video_angles(frame) for frame in frames])
        return rotary_table(angles, dtype, condition)[:, None, None]


class VideoContext:
    """Hands out each frame's temporal features, under one of the extrapolation rules.

    ``window``: once the trained number of frames is reached, each new frame gets a fresh context of text,
    begin-of-video token and the last ``window`` frames, at their positions in training. Each frame sees at most
    ``window`` frames before it. Other rules keep one context for the whole video.
    """

    def __init__(
        self,
        model: NOVATransformer3DModel,
        condition: Tensor,
        guidance: Guidance,
        length: int,
        rule: str,
        window: int | None,
        observer: Watcher,
        kv_cache: bool = True,
    ):
        base = model.config.video_base_size[0]
        self.args = (model, condition, guidance, frame_times(rule, length, base), observer, kv_cache)
        self.slides = rule == "window" and length > base
        self.window = base - 1 if window is None else window
        if rule == "window" and not 1 <= self.window < base:
            raise InputError(
                f"extrapolation_window must be from 1 to {base - 1} (trained frames: {base}), not {window}"
            )
        self.context = TemporalContext(*self.args)

    def next(self, history: list[Tensor]) -> Tensor:
        """Features [G*B, M, D] of the frame after ``history`` (all earlier latent frames [B, C, h, w])."""
        if not self.slides:
            return self.context.advance(history[-1] if history else None)
        known = [None, *history]
        if len(history) >= self.context.capacity:
            self.context = TemporalContext(*self.args)
            known = [None, *history[-self.window :]]
        while self.context.frame < len(known) - 1:  # pre-fill what this context has not seen
            self.context.advance(known[self.context.frame])
        return self.context.advance(known[-1])
