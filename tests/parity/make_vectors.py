"""Computes ``vectors/cases.safetensors`` with the original implementation (not run by the tests).

    python -m tests.parity.make_vectors CHECKOUT PIPELINES

CHECKOUT is a checkout of the original repository, PIPELINES the folder with the full float32 reference pipelines.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

from benchmarks.nova_original import load_original
from tests.parity.cases import CASES, SEED, arguments, inputs


def main(checkout: str, pipelines: str) -> None:
    tensors = inputs()
    out = {f"input.{name}": value for name, value in tensors.items()}
    for model in sorted({name for models, _ in CASES.values() for name in models}):
        pipeline = load_original(checkout, Path(pipelines) / model / "pipeline")
        for case, (models, _) in CASES.items():
            if model not in models:
                continue
            if hasattr(pipeline.scheduler, "set_shift"):
                pipeline.scheduler.set_shift(1.0)  # the original keeps the shift of an earlier call
            generator = torch.Generator().manual_seed(SEED)
            frames = pipeline(**arguments(model, case, tensors), generator=generator).frames
            out[f"{model}.{case}"] = frames.contiguous()
            out[f"{model}.{case}.probe"] = torch.rand(4, generator=generator)
    save_file(out, Path(__file__).parent / "vectors" / "cases.safetensors")


if __name__ == "__main__":
    main(*sys.argv[1:])
