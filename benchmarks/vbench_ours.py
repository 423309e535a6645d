"""Our side of VBench's benchmarks: scorers with loaded networks."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from vbench_inputs import MERGES, PROMPT, TEXTS

ASSETS = {
    "dino-vitb16": "dino_vitb16.pth",
    "clip-vit-b-32": "clip_vitb32.pth",
    "amt-s": "amt_s.pth",
    "raft-things": "raft.pth",
    "clip-vit-l-14": "clip_vitl14.pth",
    "aesthetic-linear": "sa_0_4_vit_l_14_linear.pth",
    "musiq-spaq": "musiq_spaq.pth",
    "umt-l-16": "umt_l16.pth",
    "viclip-l-14": "viclip_l14.pth",
    "grit-b": "grit.pth",
    "tag2text-swin-14m": "tag2text.pth",
    "bert-vocab": "vocab.txt",
}


def context(weights: Path, device: str) -> Any:
    """What the harness offers a scorer; lists of tags and actions come from the official package or the cache."""
    from nova_bench.assets import asset_path
    from nova_bench.scorers.base import ScorerContext

    def asset(name: str) -> Path:
        if name == "clip-bpe":
            return MERGES
        return weights / ASSETS[name] if name in ASSETS else asset_path(name)

    return ScorerContext(device, asset)


def shorten_texts(longest: int) -> None:
    """Cut GRiT's texts off after so many word pieces, the begin included."""
    from nova_bench.networks.grit import text_decoder

    text_decoder._LONGEST = longest


def load(dimension: str, videos: list[str], weights: Path, device: str, longest: int) -> Callable[[], list[Any]]:
    """Return a function that scores the videos with our scorer, whose network is loaded."""
    from nova_bench.config.catalog import SCORERS
    from nova_bench.video import read_clip

    shorten_texts(longest)
    read_clip(videos[0], 1)  # the decoder's import is not part of the work
    info = SCORERS.get(dimension)
    scorer = info.build(info.settings(), context(weights, device))
    scale = 100.0 if dimension == "imaging_quality" else 1.0

    def run() -> list[float | None]:
        samples = [_sample(info, clip, path) for path, clip in decoded(videos, device)]
        return [None if score.value is None else score.value * scale for score in scorer.score(samples)]

    return run


def decoded(videos: Sequence[str], device: str) -> Iterator[tuple[Path, Any]]:
    """The clips: beside a GPU decoded ahead, as users run it; on a CPU here, so that its processor time counts."""
    from nova_bench.video import decode_ahead, read_clip

    if device == "cpu":
        yield from ((Path(video), read_clip(video)) for video in videos)
    else:
        yield from decode_ahead(videos)


def _sample(info: Any, clip: Any, path: Path) -> Any:
    """What a scorer reads of a video; frames are decoded again if it wants another size."""
    from nova_bench.scorers.base import Sample
    from nova_bench.video import read_clip

    if info.decode_size is not None:
        clip = read_clip(path, size=info.decode_size)
    return Sample(clip, prompt=PROMPT, metadata=info.reads(**{name: TEXTS[name] for name in info.reads.model_fields}))


class NetworkClock:
    """Counts seconds inside networks: the outermost modules, and RAFT's steps, which are not module calls.

    On CUDA it synchronizes on entry and exit.
    """

    def __init__(self, device: str):
        from torch.nn.modules import module

        from nova_bench.networks.raft import RAFT

        self.seconds, self._depth, self._began, self._device = 0.0, 0, 0.0, device
        module.register_module_forward_pre_hook(lambda *_: self._enter())
        module.register_module_forward_hook(lambda *_: self._leave())
        for name in ("features", "context", "flow"):
            setattr(RAFT, name, self._timed(getattr(RAFT, name)))

    def _timed(self, step: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*arguments: Any) -> Any:
            self._enter()
            result = step(*arguments)
            self._leave()
            return result

        return timed

    def _now(self) -> float:
        if self._device.startswith("cuda"):
            import torch

            torch.cuda.synchronize()
        return time.perf_counter()

    def _enter(self) -> None:
        self._depth += 1
        if self._depth == 1:
            self._began = self._now()

    def _leave(self) -> None:
        self._depth -= 1
        if self._depth == 0:
            self.seconds += self._now() - self._began


def load_set(
    dimensions: Sequence[str], videos: list[str], weights: Path, device: str, longest: int
) -> Callable[[], dict[str, Any]]:
    """Return a function that scores the videos in all dimensions, decoding each once, and reports timings."""
    from nova_bench.config.catalog import SCORERS
    from nova_bench.video import read_clip

    shorten_texts(longest)
    read_clip(videos[0], 1)
    infos = {dimension: SCORERS.get(dimension) for dimension in dimensions}
    offered = context(weights, device)
    scorers = {dimension: info.build(info.settings(), offered) for dimension, info in infos.items()}

    def run() -> dict[str, Any]:
        clock, frames = NetworkClock(device), 0
        spent = dict.fromkeys(["decoding", *scorers], 0.0)
        before = time.perf_counter()
        for path, clip in decoded(videos, device):
            spent["decoding"] += time.perf_counter() - before
            frames += clip.frame_count
            for dimension, scorer in scorers.items():
                before = time.perf_counter()
                scorer.score([_sample(infos[dimension], clip, path)])
                spent[dimension] += time.perf_counter() - before
            before = time.perf_counter()
        return {"frames": frames, "networks": clock.seconds, "seconds": spent}

    return run
