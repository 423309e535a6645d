"""Arithmetic settings hold while a network runs, and no longer."""

from __future__ import annotations

import pytest
import torch

from nova_bench.networks.numerics import numerics, runs_half


def state() -> tuple[bool, bool]:
    return torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32


@pytest.mark.parametrize(("precision", "inside"), [("official-cuda", (False, True)), ("float32", (False, False))])
def test_tf32_is_set_and_put_back(precision: str, inside: tuple[bool, bool]) -> None:
    def fail() -> None:
        with numerics(precision):
            assert state() == inside
            assert torch.is_inference_mode_enabled()
            raise RuntimeError("midway")

    before = state()
    try:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = True, False
        with pytest.raises(RuntimeError, match="midway"):
            fail()
        assert state() == (True, False)
        assert not torch.is_inference_mode_enabled()
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before


def test_clip_is_half_on_cuda_only() -> None:
    assert runs_half("official-cuda", "cuda:1")
    assert not runs_half("official-cuda", "cpu")
    assert not runs_half("float32", "cuda")
