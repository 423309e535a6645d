"""Learning rate, weight decay groups, averaged weights and autocast: what every stage of training shares."""

from __future__ import annotations

import math
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn

from nova_bench.errors import UserError
from nova_bench.train.spec import OptimizationSpec


def learning_rate(spec: OptimizationSpec, step: int) -> float:
    """Learning rate of a step, counted from 0: linear warmup, then constant or half a cosine."""
    if step < spec.warmup_steps:
        return spec.learning_rate * (step + 1) / spec.warmup_steps
    if spec.schedule == "constant":
        return spec.learning_rate
    progress = (step - spec.warmup_steps) / max(1, spec.steps - spec.warmup_steps)
    cosine = 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))
    return spec.learning_rate * (spec.final_fraction + (1 - spec.final_fraction) * cosine)


def make_optimizer(spec: OptimizationSpec, module: nn.Module) -> torch.optim.AdamW:
    """AdamW on everything trainable, with weight decay on matrices and kernels alone."""
    parameters = [p for p in module.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in parameters if min(p.ndim, len(p)) > 1], "weight_decay": spec.weight_decay},
        {"params": [p for p in parameters if min(p.ndim, len(p)) <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=spec.learning_rate, betas=spec.betas)


class AveragedWeights:
    """Exponential moving average of a module's parameters.

    The decay grows from 0.1 to its final value, so that the random beginning is forgotten quickly.
    """

    def __init__(self, module: nn.Module, decay: float):
        self._decay = decay
        self.weights = {name: p.detach().clone() for name, p in module.named_parameters()}

    @torch.no_grad()
    def update(self, module: nn.Module, step: int) -> None:
        """Take in the parameters after optimizer step ``step`` (from 0)."""
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
        self._kind = kind
        self._dtype = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}[setting]
        self.scaler = torch.amp.GradScaler(kind, enabled=setting == "fp16")

    def autocast(self) -> AbstractContextManager:
        """The context that losses are computed in."""
        return torch.autocast(self._kind, self._dtype) if self._dtype else nullcontext()
