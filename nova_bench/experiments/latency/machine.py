"""The machine and its state during timing: peak memory, clocks, and the speed of matrix products."""

from __future__ import annotations

import os
import re
import subprocess
import time
from pathlib import Path
from typing import Any

from nova_bench.core.device import describe_device, free_cuda_bytes
from nova_bench.core.stopwatch import synchronize

_CLOCKS = ("clocks.sm", "clocks.max.sm", "clocks.mem", "temperature.gpu", "power.draw")
_SIDES = {"cpu": (512, 1024, 2048), "cuda": (2048, 4096, 8192)}
_SECONDS = 0.5


def describe_machine(device: str) -> dict[str, str]:
    """Device, driver, threads and all else that a run's times depend on; equal for equal machines."""
    import torch

    facts = {**describe_device(device), "torch": torch.__version__}
    if not device.startswith("cuda"):
        facts["threads"] = str(torch.get_num_threads())
    return facts


def free_memory(device: str) -> int | None:
    """Bytes that can still be allocated on a device; None if unknown."""
    if device.startswith("cuda"):
        return free_cuda_bytes(device)
    try:
        found = re.search(r"MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text(encoding="ascii"))
    except OSError:
        return None
    return int(found[1]) * 1024 if found else None


def reset_peak_memory(device: str) -> bool:
    """Restart the measurement of peak memory; returns whether this machine supports it."""
    if device.startswith("cuda"):
        import torch

        torch.cuda.reset_peak_memory_stats(device)
        return True
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return False
    return True


def peak_memory(device: str) -> int | None:
    """Peak memory in bytes: of tensors on a GPU, of the whole process on the CPU; None if unknown."""
    if device.startswith("cuda"):
        import torch

        return torch.cuda.max_memory_allocated(device)
    try:
        found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="ascii"))
    except OSError:
        return None
    return int(found[1]) * 1024 if found else None


def clocks(device: str) -> dict[str, str]:
    """Clock rates, temperature and power of a GPU; clock rate and load of the CPU. What can't be read is left out."""
    if device.startswith("cuda"):
        return _gpu_clocks(device)
    facts = {"load": f"{os.getloadavg()[0]:.2f}"} if hasattr(os, "getloadavg") else {}
    try:
        rates = re.findall(r"cpu MHz\s*: ([\d.]+)", Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    except OSError:
        rates = []
    return {**facts, "MHz": f"{max(map(float, rates)):.0f}"} if rates else facts


def _gpu_clocks(device: str) -> dict[str, str]:
    import torch

    # nvidia-smi numbers all cards, torch only those in CUDA_VISIBLE_DEVICES: the UUID is the same for both.
    card = f"GPU-{torch.cuda.get_device_properties(device).uuid}"
    command = ["nvidia-smi", f"--id={card}", f"--query-gpu={','.join(_CLOCKS)}", "--format=csv,noheader"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return {}
    return dict(zip(_CLOCKS, (value.strip() for value in answer.splitlines()[0].split(",")), strict=False))


def matmul_rate(device: str, dtype: str) -> dict[str, Any]:
    """The fastest product of two square matrices in that precision: operations per second, and the matrices' side.

    This is what the device reaches in practice, in the same run as the networks: the bound for their time.
    """
    import torch

    best: dict[str, Any] = {"flops_per_second": 0.0, "side": 0}
    for side in _SIDES["cuda" if device.startswith("cuda") else "cpu"]:
        a, b = (torch.randn(side, side, device=device).to(getattr(torch, dtype)) for _ in range(2))
        a @ b
        began = time.perf_counter()
        while time.perf_counter() - began < _SECONDS:
            # Several products per reading, so that launch overhead doesn't count on a GPU.
            count = 10 if device.startswith("cuda") else 1
            synchronize(device)
            started = time.perf_counter()
            for _ in range(count):
                a @ b
            synchronize(device)
            rate = 2 * side**3 * count / (time.perf_counter() - started)
            if rate > best["flops_per_second"]:
                best = {"flops_per_second": rate, "side": side}
    return best
