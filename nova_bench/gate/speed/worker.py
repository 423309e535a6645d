"""Times one generation whenever it is told: a side of `compare --speed`, in a process of its own.

The interpreter of a side runs this file as a script, also if its nova_bench is another build, older or newer. It
therefore uses only the few names of that build that SURFACE lists. The protocol is lines of JSON over its standard
input and output:

- the job comes first: ``model`` (options of the nova adapter), ``setting`` (fields that differ from a latency suite's
  defaults), ``device`` and ``warmup`` (untimed calls). The answer is ``facts``.
- each further line asks for a generation. The answer is its seconds: ``wall``, and ``processor`` of this process.
- any answer may instead be ``error``, with ``remedy`` and ``usage`` (whether the user's options caused it).

The process ends when its input does, so it never outlives its parent.
"""

from __future__ import annotations

import gc
import json
import os
import queue
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

SURFACE = {
    "NovaSpec": "nova_bench.models.nova",
    "Setting": "nova_bench.experiments.latency.spec",
    "Subject": "nova_bench.experiments.latency.subject",
    "generate": "nova_bench.experiments.latency.subject",
    "resolved_setting": "nova_bench.experiments.latency.measure",
    "describe_machine": "nova_bench.experiments.latency.machine",
    "resolve_device": "nova_bench.core.device",
}
"""Everything that a build must offer: the name -> its module."""
USAGE = 2
CPU_POLICY = Path("/sys/devices/system/cpu")
GPU_POLICY = ("persistence_mode", "clocks.applications.graphics", "clocks.applications.memory", "power.limit")


class NotOffered(Exception):
    """The build of this interpreter lacks what timing needs."""

    remedy = "time it with a build that has the suites of the kind latency"

    def __init__(self, message: str):
        super().__init__(message)
        self.message = message


def main() -> None:
    """Answer until the input ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print must not come between the answers
    orders: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(orders,), daemon=True).start()

    def answer(content: dict[str, Any]) -> None:
        print(json.dumps(content), file=answers, flush=True)

    try:
        facts, generation = prepare(json.loads(orders.get()))
        answer({"facts": facts})
        while orders.get():
            answer(timed(generation))
    except Exception as error:
        message = str(getattr(error, "message", "")) or f"{type(error).__name__}: {error}"
        usage = getattr(error, "exit_code", None) == USAGE
        answer({"error": message, "remedy": getattr(error, "remedy", None), "usage": usage})


def prepare(job: dict[str, Any]) -> tuple[dict[str, Any], Callable[[], None]]:
    """Load the model and warm it up: what the times depend on, and the generation to time."""
    build = {name: _offered(name, module) for name, module in SURFACE.items()}
    device = build["resolve_device"](job["device"])
    subject = build["Subject"](build["NovaSpec"](**job["model"]), device, lambda text: print(text, file=sys.stderr))
    setting = build["Setting"](**job["setting"])
    pipeline = subject.pipeline(setting)
    for _ in range(job["warmup"]):
        build["generate"](pipeline, setting)
    package = import_module("nova_bench")
    facts = {
        "machine": {**build["describe_machine"](device), "usable cores": _usable_cores(), **clocks_policy(device)},
        "setting": build["resolved_setting"](subject, pipeline, setting),
        "build": {"nova_bench": package.__version__, "folder": str(Path(str(package.__file__)).parent)},
    }
    gc.collect()
    gc.freeze()  # existing objects needn't be scanned before every call
    return facts, lambda: build["generate"](pipeline, setting)


def timed(generation: Callable[[], None]) -> dict[str, float]:
    """Seconds of one generation by each clock."""
    gc.collect()
    wall, processor = time.perf_counter(), time.process_time()
    generation()
    return {"processor": time.process_time() - processor, "wall": time.perf_counter() - wall}


def clocks_policy(device: str) -> dict[str, str]:
    """What decides on clock rates; what can't be read is left out."""
    if device.startswith("cuda"):
        return _gpu_policy(device)
    facts = {}
    governors = {path.read_text().strip() for path in CPU_POLICY.glob("cpufreq/policy*/scaling_governor")}
    if governors:
        facts["governor"] = ", ".join(sorted(governors))
    for name, path in (("turbo off", "intel_pstate/no_turbo"), ("boost", "cpufreq/boost")):
        if (CPU_POLICY / path).is_file():
            facts[name] = (CPU_POLICY / path).read_text().strip()
    return facts


def _gpu_policy(device: str) -> dict[str, str]:
    # nvidia-smi numbers all cards, torch only those in CUDA_VISIBLE_DEVICES: the UUID is the same for both.
    uuid = import_module("torch").cuda.get_device_properties(device).uuid
    command = ["nvidia-smi", f"--id=GPU-{uuid}", f"--query-gpu={','.join(GPU_POLICY)}", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return {}
    values = done.stdout.splitlines()[0].split(",")
    return {re.sub(r"[._]", " ", name): value.strip() for name, value in zip(GPU_POLICY, values, strict=False)}


def _usable_cores() -> str:
    return str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count())


def _offered(name: str, module: str) -> Any:
    try:
        return getattr(import_module(module), name)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "nova_bench":
            raise
        missing = "nova_bench" if error.name == "nova_bench" else module
        raise NotOffered(f"this Python has no {missing}, which timing needs") from error
    except AttributeError as error:
        raise NotOffered(f"this build has no {module}.{name}, which timing needs") from error


def _receive(orders: queue.SimpleQueue[str]) -> None:
    for line in sys.stdin:
        orders.put(line)
    os._exit(0)


if __name__ == "__main__":
    main()
