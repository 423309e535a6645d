"""Optimizers, learning rate, averaged weights and autocast, shared by all training stages."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from nova_bench.core.errors import UserError
from nova_bench.train.spec import OptimizationSpec


class Optimizer:
    """AdamW, or Muon for the hidden matrices and AdamW for the rest, with one schedule.

    ``outer`` are parts of parameter names of the first and last layers, which AdamW always updates. Weight decay
    applies only to matrices and kernels. Raises UserError if torch has no Muon.
    """

    def __init__(self, spec: OptimizationSpec, module: nn.Module, outer: Sequence[str], precision: Precision):
        self._spec, self._module, self._precision = spec, module, precision
        named = [(name, p) for name, p in module.named_parameters() if p.requires_grad]
        muon_rate = spec.muon_learning_rate
        self._hidden = [p for name, p in named if muon_rate and _is_hidden(name, p, outer)]
        # Muon takes matrices: these views share memory with the kernels, and their gradients with those of the kernels.
        self._matrices = [nn.Parameter(p.detach().flatten(1)) for p in self._hidden]
        moved = {id(p) for p in self._hidden}
        rest = [p for _, p in named if id(p) not in moved]
        groups = [
            {"params": [p for p in rest if min(p.ndim, len(p)) > 1], "weight_decay": spec.weight_decay},
            {"params": [p for p in rest if min(p.ndim, len(p)) <= 1], "weight_decay": 0.0},
        ]
        adam = torch.optim.AdamW(groups, lr=spec.learning_rate, betas=spec.betas)
        self._parts: list[tuple[torch.optim.Optimizer, float]] = [(adam, spec.learning_rate)]
        if self._matrices and muon_rate:
            self._parts.append((_muon(self._matrices, muon_rate, spec), muon_rate))

    def step(self, loss: Tensor, step: int) -> tuple[float, float]:
        """Update all parameters and return the norm of the whole gradient and AdamW's learning rate."""
        scaler = self._precision.scaler
        self._module.zero_grad(set_to_none=True)
        scaler.scale(loss).backward()
        for matrix, parameter in zip(self._matrices, self._hidden, strict=True):
            matrix.grad = None if parameter.grad is None else parameter.grad.view_as(matrix)
        for part, _ in self._parts:
            scaler.unscale_(part)
        limit = self._spec.clip_norm
        norm = nn.utils.clip_grad_norm_(self._module.parameters(), math.inf if limit is None else limit)
        fraction = rate_fraction(self._spec, step)
        for part, peak in self._parts:
            for group in part.param_groups:
                group["lr"] = peak * fraction
            scaler.step(part)
        scaler.update()
        return norm.item(), self._spec.learning_rate * fraction

    def state_dict(self) -> dict[str, Any]:
        """Moments of all parameters and the loss scale."""
        return {
            "parts": [part.state_dict() for part, _ in self._parts],
            "scaler": self._precision.scaler.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from :meth:`state_dict`."""
        for (part, _), stored in zip(self._parts, state["parts"], strict=True):
            part.load_state_dict(stored)
        self._precision.scaler.load_state_dict(state["scaler"])


def _is_hidden(name: str, parameter: Tensor, outer: Sequence[str]) -> bool:
    return parameter.ndim > 1 and len(parameter) > 1 and not any(part in name for part in outer)


def _muon(matrices: list[nn.Parameter], learning_rate: float, spec: OptimizationSpec) -> torch.optim.Optimizer:
    if not hasattr(torch.optim, "Muon"):
        raise UserError(
            f"torch {torch.__version__} has no Muon", "torch 2.9 or newer, or no optimization.muon_learning_rate"
        )
    return torch.optim.Muon(
        matrices,
        lr=learning_rate,
        weight_decay=spec.weight_decay,
        momentum=spec.betas[1],
        adjust_lr_fn="match_rms_adamw",
    )


def rate_fraction(spec: OptimizationSpec, step: int) -> float:
    """Learning rate of a step, counted from 0, as a fraction of its peak: linear warmup, constant or half a cosine."""
    if step < spec.warmup_steps:
        return (step + 1) / spec.warmup_steps
    if spec.schedule == "constant":
        return 1.0
    progress = (step - spec.warmup_steps) / max(1, spec.steps - spec.warmup_steps)
    cosine = 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))
    return spec.final_fraction + (1 - spec.final_fraction) * cosine


class AveragedWeights:
    """Exponential moving average of a module's parameters.

    The decay grows from 0.1 to its final value, so the random initial weights are forgotten quickly.
    """

    def __init__(self, module: nn.Module, decay: float):
        self._decay = decay
        self.weights = {name: p.detach().clone() for name, p in module.named_parameters()}

    @torch.no_grad()
    def update(self, module: nn.Module, step: int) -> None:
        """Include the parameters after optimizer step ``step`` (from 0)."""
        decay = min(self._decay, (1 + step) / (10 + step))
        current = [p.detach() for _, p in module.named_parameters()]
        torch._foreach_lerp_(list(self.weights.values()), current, 1 - decay)

    @torch.no_grad()
    def copy_to(self, module: nn.Module) -> None:
        """Put the average in place of the module's parameters."""
        for name, parameter in module.named_parameters():
            parameter.copy_(self.weights[name])

    def load(self, weights: dict[str, Tensor]) -> None:
        """Continue from a saved average."""
        for name, value in self.weights.items():
            value.copy_(weights[name])


class Precision:
    """Autocast and loss scaling of one setting on one device."""

    def __init__(self, setting: str, device: str):
        kind = torch.device(device).type
        if setting == "auto":
            setting = "bf16" if kind == "cuda" else "fp32"
        if setting == "fp16" and kind != "cuda":
            raise UserError(f"precision fp16 needs CUDA, the device is {device}", "precision: auto, fp32 or bf16")
        self.setting = setting
        """What was asked for, with `auto` decided."""
        self._kind = kind
        self._dtype = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}[setting]
        self.scaler = torch.amp.GradScaler(kind, enabled=setting == "fp16")

    def autocast(self) -> AbstractContextManager:
        """The context in which losses are computed."""
        return torch.autocast(self._kind, self._dtype) if self._dtype else nullcontext()
