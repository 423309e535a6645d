"""Many workers and many units, without a model: what scheduling costs, and whether a long run stays healthy.

    python benchmarks/scale.py workers [--most 64] [--each 20] [--executor ray]   # sleeping units, 1, 2, 4, ... workers
    python benchmarks/scale.py decoding [--clips 64] [--milliseconds 60]   # a worker decodes what it scores next
    python benchmarks/scale.py soak [--units 20000] [--kills 50]   # tiny units while workers are killed

`workers`: units of one second that only sleep, in worker processes without torch. Efficiency is the work done in the
steady state, between the moment when all workers are ready and the one when the first has nothing left, over what that
many workers could do in it. Then units without any content show where the driver saturates, with and without a store.

`decoding`: clips of 33 frames of 480 x 768 go through one worker process in chunks of 8. A device that isn't there is
asked for its time for each clip, meanwhile the worker's processor waits. Decoding ahead stops at a chunk's end, or goes
on with the next one; one run of each, in turns, and the seconds that the device alone would take.

`soak`: units of a few milliseconds go through four workers into a store while workers are killed or stopped at random
times. Every unit must be in the store once, and the driver's memory, open files and processes are as before.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import re
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from nova_bench.config.catalog import SCORERS
from nova_bench.config.metadata import Metadata
from nova_bench.core.identity import file_digest
from nova_bench.core.steps import report_step
from nova_bench.execute import process
from nova_bench.execute.crew import LEAST_FREE_BYTES, Arrival, Crew
from nova_bench.execute.local import LocalExecutor
from nova_bench.execute.ray import RayExecutor
from nova_bench.pipeline.decoding import Decoding, Job
from nova_bench.store import Row, Status, Store
from nova_bench.video.limits import MediaLimits


@dataclass(frozen=True)
class Sleep:
    """Work that takes its time and computes nothing."""

    seconds: float
    start: str = ""
    """Nothing begins before this file is there."""

    def arrival(self) -> Arrival:
        return Arrival("here", "no device", {}, True, LEAST_FREE_BYTES)

    def __call__(self, items: Sequence[int]) -> Iterator[int]:
        while self.start and not os.path.exists(self.start):
            time.sleep(0.005)
        for item in items:
            report_step(str(item))
            time.sleep(self.seconds)
            yield item


class Starter(Crew):
    """Lets the work begin when all workers are ready, however slowly they start."""

    def __init__(self, workers: int, start: Path):
        super().__init__(lambda text: None)
        self.workers, self.start, self.ready = workers, start, 0.0

    def arrive(self, *args: object, **more: object) -> None:
        super().arrive(*args, **more)
        self.workers -= 1
        if self.workers == 0:
            self.start.touch()
            self.ready = time.monotonic()


def ends_of(
    kind: str, seconds: float, workers: int, units: int, store: Store | None = None
) -> tuple[float, list[float]]:
    """The time at which all workers began, and that of each result."""
    ends = []
    with tempfile.TemporaryDirectory() as folder:
        crew = Starter(workers, Path(folder) / "start")
        work = Sleep(seconds, str(crew.start))
        with RayExecutor(workers, 1, "cpu") if kind == "ray" else LocalExecutor(workers, 1) as executor:
            for item in executor.map(work, range(units), never_lost, crew):
                if store is not None:
                    store.add_rows([row(item)])
                ends.append(time.monotonic())
    return crew.ready, ends


def never_lost(item: int, problem: Exception) -> int:
    raise AssertionError(problem)


def efficiency(kind: str, workers: int, each: int) -> dict[str, float]:
    """Scheduling efficiency with units of one second, one unit at a time."""
    began = time.monotonic()
    ready, ends = ends_of(kind, 1.0, workers, workers * each)
    until = ends[-workers]  # from then on workers have nothing left to take
    asleep = sum(max(0.0, min(end, until) - max(end - 1.0, ready)) for end in ends)
    return {
        "workers": workers,
        "seconds until all are ready": ready - began,
        "steady seconds": until - ready,
        "efficiency": asleep / (workers * (until - ready)),
        "seconds in all": ends[-1] - began,
    }


def saturation(kind: str, workers: int, units: int, root: Path | None) -> float:
    """Units without work that the driver hands out and takes back a second, and puts into a store if there is one."""
    with Store.writer(root) if root else nullcontext() as store:
        ready, ends = ends_of(kind, 0.0, workers, units, store)
    return len(ends) / (ends[-1] - ready)


def row(item: int) -> Row:
    """A stored score for a unit."""
    return Row(f"{item:064x}", "scorer", "", "scale", "1", Status.OK, float(item))


class Scoring:
    """Decodes clips and waits for a device; ahead of it only within a chunk."""

    def __init__(self, seconds: float):
        self.seconds, self.decoding = seconds, Decoding(MediaLimits())

    def __call__(self, jobs: Sequence[Job]) -> Iterator[int]:
        for batch in self.decoding.batches(jobs, [SCORERS.get("temporal_flickering")], 8, 2**29):
            assert not any(isinstance(entry.clip, Exception) for entry in batch)
            time.sleep(self.seconds * len(batch))
            yield len(batch)


class ScoringAhead(Scoring):
    """The same, and it decodes what comes next."""

    def prepare(self, jobs: Sequence[Job]) -> None:
        self.decoding.expect(jobs)


def overlap(clips: int, seconds: float, height: int, width: int, folder: Path) -> dict[str, float]:
    """Seconds in which a worker scores clips, with and without decoding across chunks."""
    import torch

    from nova_bench.video import write_mp4

    noise = torch.randint(0, 256, (height // 8 + 33, width // 8, 3), dtype=torch.uint8)
    frames = [noise[at : at + height // 8].repeat_interleave(8, 0).repeat_interleave(8, 1) for at in range(33)]
    write_mp4(folder / "clip.mp4", torch.stack(frames), 12)
    clip = folder / "clip.mp4"
    jobs = [Job(file_digest(clip), str(clip), str(item), None, Metadata(), ((0, ""),)) for item in range(clips)]
    found = {"the device alone": clips * seconds}
    for name, kind in (("within chunks", Scoring), ("across chunks", ScoringAhead)):
        with LocalExecutor(1, 8) as executor:
            work, crew = kind(seconds), Crew(lambda text: None)
            results = executor.map(work, jobs, never_lost, crew)
            next(results)  # the start of the processes isn't measured
            began = time.monotonic()
            assert sum(results) == clips - 8
            found[name] = (time.monotonic() - began) * clips / (clips - 8)
    return found


class Killer(threading.Thread):
    """Kills or stops a worker again and again."""

    def __init__(self, kills: int, pause: float):
        super().__init__(daemon=True)
        self.kills, self.pause, self.hits = kills, pause, 0
        self.random, self.over = random.Random(0), threading.Event()

    def run(self) -> None:
        while self.hits < self.kills and not self.over.wait(self.random.uniform(0.5, 1.5) * self.pause):
            if workers := multiprocessing.active_children():
                signals = [signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGSTOP]
                os.kill(self.random.choice(workers).pid, self.random.choice(signals))
                self.hits += 1


def soak(units: int, kills: int, seconds: float, pause: float, root: Path) -> dict[str, float]:
    """Units through workers into a store, while workers are lost; raises AssertionError if anything is left behind."""
    process.STOPPED_SECONDS = 1.0
    with LocalExecutor(2, 8) as executor:
        assert len(list(executor.map(Sleep(0.0), range(32), never_lost, Crew(lambda text: None)))) == 32
    lines: list[str] = []
    crew = Crew(lines.append)
    killer = Killer(kills, pause)
    lost: list[int] = []
    with Store.writer(root) as store:
        store.add_rows([row(units)])
        before, memory = state(), [state()["MiB"]]
        began = time.monotonic()
        killer.start()
        with LocalExecutor(4, 8) as executor:
            give_up = lambda item, problem: lost.append(item) or item  # noqa: E731
            for count, item in enumerate(executor.map(Sleep(seconds), range(units), give_up, crew, 60)):
                store.add_rows([row(item)])
                if count % max(1, units // 20) == 0:
                    memory.append(state()["MiB"])
        took = time.monotonic() - began
        killer.over.set()
        killer.join()
        for account in crew.accounts():
            assert account
        after = state()
        stored = len(store.rows(["scorer"]))
    assert stored == units + 1, f"{stored} of {units + 1} rows"
    assert killer.hits >= kills, f"only {killer.hits} kills in {took:.0f} s: use more units or a shorter --pause"
    assert after["open files"] <= before["open files"], (before, after)
    assert after["threads"] <= before["threads"], (before, after)
    assert after["zombies"] == after["children"] == 0, after
    middle = sorted(memory)[len(memory) // 2]
    assert after["MiB"] < middle + 16, f"memory grew to {after['MiB']:.0f} MiB from {middle:.0f}"
    return {
        "units": units,
        "kills": killer.hits,
        "workers lost": len(lines),
        "units given up": len(lost),
        "seconds": took,
        "MiB at first": memory[0],
        "MiB at most": max(memory),
        "MiB at last": after["MiB"],
    }


def state() -> dict[str, float]:
    """Memory, open files, threads and child processes of this process. The resource tracker is no child."""
    text = Path("/proc/self/status").read_text(encoding="utf-8")
    children = [stat for path in Path("/proc").glob("[0-9]*/stat") if (stat := _stat(path)) and stat[1] == os.getpid()]
    tracker = multiprocessing.resource_tracker._resource_tracker._pid
    return {
        "MiB": int(re.search(r"VmRSS:\s+(\d+)", text)[1]) / 1024,
        "open files": len(os.listdir("/proc/self/fd")),
        "threads": int(re.search(r"Threads:\s+(\d+)", text)[1]),
        "children": sum(stat[0] != tracker for stat in children),
        "zombies": sum(stat[2] == "Z" for stat in children),
    }


def _stat(path: Path) -> tuple[int, int, str] | None:
    """Number, parent and state of a process; None if it just ended."""
    try:
        state, parent = path.read_text().rpartition(")")[2].split()[:2]
    except OSError:
        return None
    return int(path.parent.name), int(parent), state


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    kinds = parser.add_subparsers(dest="kind", required=True)
    many = kinds.add_parser("workers")
    many.add_argument("--most", type=int, default=64, help="most workers")
    many.add_argument("--each", type=int, default=20, help="units for each worker")
    many.add_argument("--empty", type=int, default=5000, help="units without content")
    many.add_argument("--executor", choices=["local", "ray"], default="local")
    ahead = kinds.add_parser("decoding")
    ahead.add_argument("--clips", type=int, default=64)
    ahead.add_argument("--milliseconds", type=float, default=60, help="of the device for each clip")
    ahead.add_argument("--size", type=int, nargs=2, default=(480, 768), help="height and width")
    long = kinds.add_parser("soak")
    long.add_argument("--units", type=int, default=20_000)
    long.add_argument("--kills", type=int, default=50)
    long.add_argument("--seconds", type=float, default=0.02, help="of each unit")
    long.add_argument("--pause", type=float, default=2.0, help="seconds between kills")
    for kind in (many, ahead, long):
        kind.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if options.kind == "soak":
            found = soak(options.units, options.kills, options.seconds, options.pause, Path(folder) / "store")
            print(json.dumps(found) if options.json else "\n".join(f"{k}: {v:.6g}" for k, v in found.items()))
            return
        if options.kind == "decoding":
            found = overlap(options.clips, options.milliseconds / 1000, *options.size, Path(folder))
            print(json.dumps(found) if options.json else "\n".join(f"{k}: {v:.3g} s" for k, v in found.items()))
            return
        if options.executor == "ray":
            import ray

            # Each actor asks for a core, which sleeping ones don't need.
            ray.init(num_cpus=options.most, log_to_driver=False, include_dashboard=False, configure_logging=False)
        counts = [2**power for power in range(options.most.bit_length()) if 2**power <= options.most]
        rows = [efficiency(options.executor, workers, options.each) for workers in counts]
        few = [count for count in counts if count in (1, 2, 8)]
        empty = [
            {
                "workers": workers,
                "units a second": saturation(options.executor, workers, options.empty, None),
                "with a store": saturation(options.executor, workers, options.empty, Path(folder) / f"store-{workers}"),
            }
            for workers in few
        ]
    if options.json:
        print(json.dumps({"sleeping": rows, "empty": empty}))
        return
    for entry in rows + empty:
        print(", ".join(f"{name} {value:.4g}" for name, value in entry.items()))


if __name__ == "__main__":
    main()
