"""The rows that `benchmarks/gpu.py` measures: functions of the bench that return what belongs into the archive.

Those with several parts return their names, each with such a function.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from vbench_inputs import MERGES, NETWORKS, PROMPT, TEXTS, make_network, place_words

ROOT = Path(__file__).resolve().parents[1]
VECTORS = ROOT / "tests" / "parity" / "vectors"
LISTS = ("tag2text-tags", "kinetics-400")
"""Word lists that the kit brings along; weights are made by the rule of tests/parity."""
PROMPTS = ("a beach with no people", "beautiful fireworks in the sky with red, white and blue")
Row = dict[str, Any]
SHORT_STEPS = (8, 16)
"""Autoregressive steps of the runs from which Table 2's time without TAM is projected."""


class NotEnoughTime(Exception):
    """A row isn't begun, or not finished, in the time that is left."""


@dataclass
class Bench:
    """What all rows share. ``small``: a rehearsal, with miniatures that show nothing but that the code runs."""

    device: str
    kit: Path
    small: bool
    until: float
    """Monotonic time at which everything must be over."""
    original: Path | None = None
    say: Callable[[str], None] = print
    weights: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="nova_bench-weights-")))
    _subject: Any = None

    @property
    def left(self) -> float:
        """Seconds left."""
        return self.until - time.monotonic()

    @property
    def subject(self) -> Any:
        """The NOVA that is timed, with random weights: time depends on the architecture alone."""
        from nova_bench.experiments.latency.subject import Subject
        from nova_bench.models.nova import NovaSpec

        if self._subject is None:
            name = "miniature" if self.small else "nova-0.6b-t2v"
            spec = NovaSpec(adapter="nova", label=name, checkpoint=name, random_weights=True)
            self._subject = Subject(spec, self.device, self.say)
        return self._subject

    def release(self) -> None:
        """Free the memory of the network that was timed."""
        from nova_bench.core.batches import free_memory

        self._subject = None
        free_memory()

    @cached_property
    def clips(self) -> dict[str, Any]:
        """The kit's clips by name: decoded here, since PyAV isn't there."""
        import numpy as np
        import torch

        from nova_bench.video import Clip

        described = json.loads((self.kit / "clips.json").read_text(encoding="utf-8"))
        clips = {}
        with np.load(self.kit / "clips.npz") as arrays:
            for name, about in described.items():
                frames = torch.from_numpy(arrays[name])
                rate = Fraction(about["fps"])
                clips[name] = Clip(frames, rate, "yuv420p", len(frames), len(frames), 0, False, Path(name))
        return clips

    def scorer(self, name: str, **settings: Any) -> tuple[Any, Any]:
        """A scorer's description, and the scorer with weights made by the rule; settings it lacks are left out."""
        from nova_bench.config.catalog import SCORERS
        from nova_bench.scorers.base import ScorerContext

        info = SCORERS.get(name)
        known = {key: value for key, value in settings.items() if key in info.settings.model_fields}
        return info, info.build(info.settings(**known), ScorerContext(self.device, self.asset))

    def asset(self, name: str) -> Path:
        """A file that a scorer asks for."""
        from vbench_ours import ASSETS

        if name == "clip-bpe":
            return MERGES
        if name in LISTS:
            return next(self.kit.glob(f"{name}.*"))
        path = self.weights / ASSETS[name]
        while not path.with_suffix(".ready").exists():  # a process of its own makes them meanwhile
            if self.left < 5:
                raise NotEnoughTime(f"{path.name} isn't made yet")
            time.sleep(0.2)
        return path


Parts = list[tuple[str, Callable[[Bench], Row]]]


def setting(bench: Bench, **changes: Any) -> Any:
    """The appendix's setting (Sec. D): 29 frames of 768x480, batch 24, 128 x 25 steps, float16."""
    from nova_bench.experiments.latency.spec import Setting

    full = {
        "num_frames": 29,
        "size": "768x480",
        "batch_size": 24,
        "num_inference_steps": 128,
        "num_diffusion_steps": 25,
        "dtype": "float16",
    }
    little = {"num_frames": 5, "size": "96x64", "batch_size": 2, "num_inference_steps": 16, "num_diffusion_steps": 2}
    return Setting(
        **{**full, **(little if bench.small else {}), "dtype": "float32" if bench.small else "float16", **changes}
    )


def once(**more: Any) -> Any:
    """How a row is measured: one call of minutes, after a warm-up on the first frame."""
    from nova_bench.experiments.latency.spec import MeasureSpec

    return MeasureSpec(warmup=1, warmup_frames=1, repeats=1, overhead=None, **more)


def measured(bench: Bench, wanted: Any, how: Any = None) -> Row:
    """Measure a setting as a suite of the kind `latency` does, if it fits."""
    from nova_bench.experiments.latency.estimate import expected_seconds
    from nova_bench.experiments.latency.measure import measure

    how = how or once()
    expected = expected_seconds(bench.subject, wanted, how)
    if expected > bench.left:
        raise NotEnoughTime(f"about {expected:.0f} s expected, {bench.left:.0f} s left")
    return {"asked": wanted.model_dump(mode="json"), "expected": expected, **measure(bench.subject, wanted, how)}


def table_1(bench: Bench) -> Row:
    """Table 1: seconds per video, with temporal autoregression."""
    return measured(bench, setting(bench))


def table_2_projected(bench: Bench) -> Row:
    """Table 2's time without TAM, from two short runs: the same tokens are predicted in fewer steps."""
    from nova_bench.experiments.latency.measure import measure

    short, longer = (
        measure(bench.subject, setting(bench, temporal_autoregressive=False, num_inference_steps=steps), once())
        for steps in SHORT_STEPS
    )
    totals = [min(call["total"] for call in found["observed"]) for found in (short, longer)]
    wanted = setting(bench)
    per_step = (totals[1] - totals[0]) / (SHORT_STEPS[1] - SHORT_STEPS[0])
    projected = totals[0] + (wanted.num_inference_steps - SHORT_STEPS[0]) * per_step
    return {
        "what": f"projected from runs of {SHORT_STEPS[0]} and {SHORT_STEPS[1]} of {wanted.num_inference_steps} steps",
        "seconds per video": projected / wanted.batch_size,
        "runs": [short, longer],
    }


def table_2(bench: Bench) -> Row:
    """Table 2's time without TAM in full."""
    return measured(bench, setting(bench, temporal_autoregressive=False))


def parity_nova(bench: Bench) -> Row:
    """NOVA's latents against the original implementation's, which a CPU computed (tests/parity/vectors)."""
    import torch
    from safetensors.torch import load_file

    from nova_bench.nova import NOVAPipeline

    found = {}
    for model in ("t2v_abs_mixer", "t2v_rope", "t2i_abs"):
        pipe = NOVAPipeline.from_pretrained(VECTORS / model / "pipeline", torch_dtype=torch.float32, vae=None)
        runs = json.loads((VECTORS / model / "cases.json").read_text(encoding="utf-8"))["runs"]
        for number, run in enumerate(runs[:1] if bench.small else runs):
            expected = load_file(VECTORS / model / run["file"])["latents"]
            for how in ("eager", "graphs"):
                pipe.to(bench.device)
                if how == "graphs":
                    pipe.enable_cuda_graphs()
                call = {**run["args"], "output_type": "latent", "disable_progress_bar": True}
                generator = torch.Generator().manual_seed(call.pop("seed"))  # the CPU's draws, as for the vectors
                latents = pipe(**call, generator=generator).frames.float().cpu()
                difference = (latents - expected).abs().max() / expected.abs().max()
                found[f"{model} {number} {how}"] = float(difference)
    return {"what": "largest difference over largest value, float32, generators of the CPU", "found": found}


def dimensions(small: bool) -> list[str]:
    """All of VBench's, those with the largest networks last; in a rehearsal those with small ones."""
    if small:
        return ["temporal_flickering", "dynamic_degree", "imaging_quality"]
    return sorted(NETWORKS, key=lambda name: ("grit" in NETWORKS[name], "tag2text" in NETWORKS[name]))


def parity_vbench(bench: Bench) -> Parts:
    """A dimension's score of the kit's clips against those that the CPU gave when the kit was made."""
    expected = json.loads((bench.kit / "scores.json").read_text(encoding="utf-8"))
    return [(name, partial(_against, name, expected[name])) for name in dimensions(bench.small)]


def _against(name: str, expected: dict[str, Any], bench: Bench) -> Row:
    return {"expected": expected, "found": scores(bench, name)}


def scores(bench: Bench, name: str) -> dict[str, Any]:
    """A dimension's score of each small clip in float32, with its details: with random weights many scores are 0."""
    info, scorer = bench.scorer(name, precision="float32")
    clips = small_clips(bench)
    results = scorer.score([sample(info, clip) for clip in clips.values()])
    return {
        clip: json.loads(json.dumps({"score": result.value, "details": result.details}))
        for clip, result in zip(clips, results, strict=True)
    }


def small_clips(bench: Bench) -> dict[str, Any]:
    """The kit's short clips, and the beginning of the long one, which is large enough for every dimension."""
    few = {name: clip for name, clip in bench.clips.items() if clip.frame_count <= 4}
    name, longest = max(bench.clips.items(), key=lambda item: item[1].frame_count)
    return {**few, f"{name}, 5 frames": _cut(longest, 5)}


def _cut(clip: Any, frames: int) -> Any:
    return replace(clip, frames=clip.frames[:frames], frame_count=frames, declared_frames=frames)


def sample(info: Any, clip: Any) -> Any:
    """What a scorer is given; frames are resampled here if it wants another size."""
    from nova_bench.scorers.base import Sample

    return Sample(
        _resized(clip, info.decode_size),
        prompt=PROMPT,
        metadata=info.reads(**{name: TEXTS[name] for name in info.reads.model_fields}),
    )


def _resized(clip: Any, size: tuple[int, int] | None) -> Any:
    if size is None:
        return clip
    import cv2
    import torch

    height, width = size
    frames = [cv2.resize(frame, (width, height), interpolation=cv2.INTER_CUBIC) for frame in clip.frames.numpy()]
    return replace(clip, frames=torch.stack([torch.from_numpy(frame) for frame in frames]))


def modes(bench: Bench) -> Parts:
    """One frame with few steps: eager, with CUDA graphs, compiled; float16 and bfloat16."""
    few = {"num_frames": 1, "num_inference_steps": 16}
    kinds: dict[str, dict[str, Any]] = {"eager": {}, "cuda_graphs": {"mode": "cuda_graphs"}}
    if not bench.small:
        kinds |= {"compiled": {"mode": "compiled_cuda_graphs"}, "bfloat16": {"dtype": "bfloat16"}}
    return [(name, partial(_short, {**few, **changes})) for name, changes in kinds.items()]


def _short(changes: dict[str, Any], bench: Bench) -> Row:
    return measured(bench, setting(bench, **changes), once(seconds=20.0).model_copy(update={"repeats": 3}))


def vbench_seconds(bench: Bench) -> Parts:
    """Seconds of each dimension for a video of 33 frames of 768x480, and peak memory."""
    bench.release()
    clip = large_clip(bench)
    return [(name, partial(_scoring, name, clip)) for name in dimensions(bench.small)]


def _scoring(name: str, clip: Any, bench: Bench) -> Row:
    """Seconds without loading; the first call also warms up."""
    import torch

    info, scorer = bench.scorer(name)
    torch.cuda.reset_peak_memory_stats()
    # A clip of its own each time: scorers share what they computed of one.
    samples = [sample(info, replace(clip)) for _ in range(2 if bench.small else 3)]
    seconds = [_seconds(partial(scorer.score, [one]), bench.device) for one in samples]
    return {"first": seconds[0], "seconds": seconds[1:], "peak_memory": torch.cuda.max_memory_allocated()}


def large_clip(bench: Bench) -> Any:
    """33 frames of 768x480 (in a rehearsal 2 of 160x136): a clip of the kit forwards and backwards, enlarged."""
    import torch

    if bench.small:
        return next(clip for clip in bench.clips.values() if clip.frame_count == 2)
    source = max(bench.clips.values(), key=lambda clip: clip.frame_count)
    order = [*range(source.frame_count), *range(source.frame_count - 2, 0, -1)]
    frames = source.frames[torch.tensor([order[index % len(order)] for index in range(33)])]
    clip = replace(source, frames=frames, frame_count=33, declared_frames=33)
    return _resized(clip, (480, 768))


def original(bench: Bench) -> Row:
    """Both implementations alternately on the same videos of few frames: original / this of each pair."""
    import torch
    from nova_generate import VAE
    from nova_original import load_original

    from nova_bench.models.random_weights import random_pipeline
    from nova_bench.nova import NOVAPipeline

    if bench.original is None:
        raise FileNotFoundError("give --original PATH, a checkout of the original implementation")
    bench.release()
    own = random_pipeline("miniature" if bench.small else "nova-0.6b-t2v", torch.float16, bench.device)
    if bench.small:  # the original's normalization needs at least 32 channels
        own = NOVAPipeline.from_config(own.transformer.config, torch.float32, bench.device, vae=VAE)
    with tempfile.TemporaryDirectory() as folder:
        own.save_pretrained(folder)
        theirs = load_original(bench.original, folder).to(bench.device, own.transformer.dtype)
    batch, steps, diffusion = (2, 4, 4) if bench.small else (24, 32, 25)
    call = {
        "prompt": [PROMPTS[index % len(PROMPTS)] for index in range(batch)],
        "num_inference_steps": steps,
        "num_diffusion_steps": diffusion,
        "max_latent_length": 2,
        "guidance_scale": 7.0,
        "output_type": "np",
        "disable_progress_bar": True,
    }
    pipelines = {"own": own, "original": theirs}
    timed: dict[str, list[float]] = {name: [] for name in pipelines}
    for turn in range(4):  # the first pair warms up
        for name in sorted(pipelines, reverse=turn % 2 == 1):
            generator = torch.Generator(bench.device).manual_seed(0)
            timed[name].append(_seconds(partial(pipelines[name], generator=generator, **call), bench.device))
    ratios = [old / new for old, new in zip(timed["original"][1:], timed["own"][1:], strict=True)]
    return {"what": "eager, same random weights", "setting": call, "seconds": timed, "ratio": statistics.median(ratios)}


def _seconds(work: Callable[[], object], device: str) -> float:
    from nova_bench.core.stopwatch import synchronize

    synchronize(device)
    started = time.perf_counter()
    work()
    synchronize(device)
    return time.perf_counter() - started


def make_weights(folder: Path, small: bool) -> None:
    """Write each network's weights by the rule, with a mark when they are whole; those needed first come first."""
    place_words(folder)
    (folder / "vocab.ready").touch()
    for network in dict.fromkeys(network for name in dimensions(small) for network in NETWORKS[name]):
        make_network(folder, network).with_suffix(".ready").touch()
