"""What both sides of VBench's benchmarks get: weight files in the official layout, clips, texts."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
CLIPS = ROOT / "tests" / "data" / "vbench_clips"
VOCABULARY = ROOT / "tests" / "data" / "bert_vocab.txt.gz"
MERGES = ROOT / "tests" / "data" / "clip_merges.txt.gz"
QUALITY = {
    "subject_consistency": ("dino_vitb16",),
    "background_consistency": ("clip_vitb32",),
    "temporal_flickering": (),
    "motion_smoothness": ("amt_s",),
    "dynamic_degree": ("raft",),
    "aesthetic_quality": ("clip_vitl14", "aesthetic_linear"),
    "imaging_quality": ("musiq_spaq",),
}
DETECTION = ("object_class", "multiple_objects", "color", "spatial_relationship")
# dimension: names of its networks in the rules of tests/parity/vbench
NETWORKS: dict[str, tuple[str, ...]] = {
    **QUALITY,
    **dict.fromkeys(DETECTION, ("grit",)),
    "scene": ("tag2text",),
    "human_action": ("umt_l16",),
    "appearance_style": ("clip_vitb32",),
    "temporal_style": ("viclip_l14",),
    "overall_consistency": ("viclip_l14",),
}
DESCRIBED = ("grit", "tag2text")
# What counting operations assumes: objects of a frame, word pieces of their names and captions, steps of a caption of
# Tag2Text after the ids of its prompt.
OBJECTS, NAME, CAPTION = 10, 3, 8
PROMPT_IDS, TAG_STEPS = 4, 26
_ENTRIES = {"amt_s": "state_dict", "viclip_l14": "model"}  # of the official files, where weights are not the whole
# What the clips are said to show; with random weights nobody sees it.
PROMPT = "a red car on the left of a dog in the street, Van Gogh style"
TEXTS = {
    "object": "car",
    "objects": ("car", "dog"),
    "color": "red",
    "scene": "street",
    "action": "riding a bike",
    "appearance_style": "Van Gogh style",
    "spatial_relationship": {"object_a": "car", "object_b": "dog", "relationship": "on the left of"},
}
FLOW = "update_block.flow_head.conv2."  # RAFT's layer whose output is added up to the flow
MORE_FLOW = 3.0
HEAT, END = "agn_hm.bias", "textual.output.bias"


def place_words(folder: Path) -> None:
    """Write BERT's words, and CLIP's word pieces where the official code looks for them."""
    folder.joinpath("vocab.txt").write_bytes(gzip.decompress(VOCABULARY.read_bytes()))
    folder.joinpath("ViCLIP").mkdir(exist_ok=True)
    shutil.copy(MERGES, folder / "ViCLIP" / "bpe_simple_vocab_16e6.txt.gz")


def make_weights(folder: Path, dimensions: Sequence[str], heat: float = 0.0) -> None:
    """Write weight files for both sides, laid out and named as the official code expects, and the vocabulary.

    ``heat`` is added to the bias of GRiT's heat: the higher, the more objects.
    """
    place_words(folder)
    for network in sorted({network for dimension in dimensions for network in NETWORKS[dimension]}):
        make_network(folder, network, heat)


def make_network(folder: Path, network: str, heat: float = 0.0) -> Path:
    """Write one network's file."""
    import torch

    from tests.parity.vbench import rule

    if network in DESCRIBED:
        return make_described(folder, network, heat)
    state = rule.make_weights(network)
    path = folder / f"{'sa_0_4_vit_l_14_linear' if network == 'aesthetic_linear' else network}.pth"
    torch.save({_ENTRIES[network]: state} if network in _ENTRIES else state, path)
    return path


def make_described(folder: Path, network: str, heat: float = 0.0, end: float = 0.0) -> Path:
    """GRiT's or Tag2Text's file, with the biases of GRiT's heat and of its texts' end shifted."""
    import torch

    from nova_bench.networks.grit.grit import GRiT
    from nova_bench.networks.tag2text.model import Tag2Text
    from tests.parity.vbench.description_rule import described_weights

    with torch.device("meta"):
        shapes = (GRiT() if network == "grit" else Tag2Text()).state_dict()
    state = described_weights(network, shapes)
    for name in state:
        if name.endswith(HEAT):
            state[name] = state[name] + heat
        if name.endswith(END):
            state[name][102] += end
        if name.endswith("textual.output.weight"):
            state[name] = state[name.replace("output", "embedding.words")]
    path = folder / f"{network}.pth"
    torch.save({"model": state}, path)
    return path


def enlarge_flow(folder: Path) -> None:
    """Multiply what RAFT adds to its flow at each iteration."""
    import torch

    state = torch.load(folder / "raft.pth")
    larger = {key: value * MORE_FLOW if key.startswith(FLOW) else value for key, value in state.items()}
    torch.save(larger, folder / "raft.pth")


def make_large(folder: Path, frames: int) -> str:
    """Make a clip of realistic size, 768x480 at 12 frames a second: a test clip forwards and backwards, enlarged."""
    import cv2
    import numpy as np

    from nova_bench.video import read_clip, write_mp4

    small = read_clip(next(CLIPS.glob("r2_*.mp4"))).frames.numpy()
    order = [*range(len(small)), *range(len(small) - 2, 0, -1)]
    indices = [order[index % len(order)] for index in range(frames)]
    large = [cv2.resize(small[index], (768, 480), interpolation=cv2.INTER_CUBIC) for index in indices]
    path = folder / f"large_768x480_{frames}f.mp4"
    write_mp4(path, np.stack(large))
    return str(path)
