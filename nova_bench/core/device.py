"""The device that work runs on, and its description."""

from __future__ import annotations

import os
import platform

from nova_bench.core.errors import UserError


def resolve_device(wanted: str) -> str:
    """``auto`` -> ``cuda`` if available, else ``cpu``; other names are checked. Raises UserError if it is absent."""
    if wanted == "cpu":
        return wanted
    import torch

    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(wanted)
    except RuntimeError as error:
        raise UserError(f"{wanted!r} is not a device", "use cpu, cuda, cuda:0, ..., or auto") from error
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UserError(
            f"{wanted}: torch {torch.__version__} sees {torch.cuda.device_count()} CUDA devices",
            "use --device cpu, or auto",
        )
    return wanted


def free_cuda_bytes(device: str) -> int:
    """Bytes that can still be allocated on a CUDA device."""
    import torch

    free, _ = torch.cuda.mem_get_info(device)
    return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)


def describe_device(device: str) -> dict[str, str]:
    """Name, memory and driver of a device, for manifests and `doctor`."""
    if not device.startswith("cuda"):
        return {"device": device, "name": _processor(), "cores": str(os.cpu_count())}
    import torch

    properties = torch.cuda.get_device_properties(device)
    return {
        "device": device,
        "name": properties.name,
        "memory": f"{properties.total_memory / 2**30:.0f} GiB",
        "cuda": str(torch.version.cuda),
        "driver": _driver(),
    }


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as stream:
            names = [line.partition(":")[2].strip() for line in stream if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()


def _driver() -> str:
    import subprocess

    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return answer.stdout.splitlines()[0].strip()
