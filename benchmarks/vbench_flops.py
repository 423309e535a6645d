"""Count what VBench's networks compute for one video: our arrangement and the official one, and a GPU's time on paper.

    python benchmarks/vbench_flops.py [--size HEIGHTxWIDTH] [--frames N] [--write]
                                      [--official-python PATH [--dino-code FOLDER] [--prepare MODULE]]

The networks have their real sizes but no values (torch's meta device), so nothing is computed. AMT and RAFT's flow run
on small frames, and their count grows with the pixels. A multiplication with its addition counts as two. Assumed are
ten objects a frame, names of three word pieces and captions of eight, and that RAFT looks at every pair.

The official column needs the official packages (vbench_official.py says which): their own modules are counted
(vbench_official_flops.py) and put together as often as the official functions call them.
``--write`` renews `nova_bench/pipeline/operations.json`, from which `plan` estimates.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vbench_inputs import CAPTION, DETECTION, NAME, OBJECTS, PROMPT_IDS, TAG_STEPS

if TYPE_CHECKING:
    from torch import Tensor, nn

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
TABLE = ROOT / "nova_bench" / "pipeline" / "operations.json"
SIZES = ((480, 768), (720, 1280))
FEW = (96, 160)
TAG_FRAMES = 6  # of sixteen frames six are captioned
PROMPTS = {
    "subject_consistency": 72,
    "background_consistency": 86,
    "motion_smoothness": 72,
    "dynamic_degree": 72,
    "aesthetic_quality": 93,
    "imaging_quality": 93,
    "object_class": 79,
    "multiple_objects": 82,
    "human_action": 100,
    "color": 85,
    "spatial_relationship": 84,
    "scene": 86,
    "appearance_style": 90,
    "temporal_style": 100,
    "overall_consistency": 93,
}
SAMPLES = 5


def flops(run: Callable[[], object], device: str = "meta") -> float:
    """GFLOP of a call that makes its tensors on ``device``."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter, torch.inference_mode(), torch.device(device):
        run()
    return counter.get_total_flops() / 1e9


def built(make: Callable[[], nn.Module], device: str = "meta") -> Any:
    """A network of the right shapes, settled as after loading."""
    network = make().eval().requires_grad_(False)
    for module in network.modules():
        if callable(settle := getattr(module, "settle", None)):
            settle()
    return network.to(device)


def blank(*shape: int, device: str = "meta") -> Tensor:
    """Zeros."""
    import torch

    return torch.zeros(shape, device=device)


def of_size(height: int, width: int) -> dict[str, float]:
    """GFLOP of the parts that depend on the size of a frame."""
    from nova_bench.networks.amt import AMT
    from nova_bench.networks.dino import DINO
    from nova_bench.networks.frames import dino_size
    from nova_bench.networks.grit.config import MULTIPLE, STRIDES
    from nova_bench.networks.grit.grit import GRiT
    from nova_bench.networks.musiq import MUSIQ
    from nova_bench.networks.raft import ITERATIONS, RAFT

    grit, raft, dino, musiq = built(GRiT), built(RAFT), built(DINO), built(MUSIQ)
    matched, interpolated = built(RAFT, "cpu"), built(AMT, "cpu")
    rows, columns = height + -height % MULTIPLE, width + -width % MULTIPLE
    maps = [blank(1, 256, -(-rows // stride), -(-columns // stride)) for stride in STRIDES]
    share = min(1.0, 512 / max(height, width))
    tall, wide = dino_size(height, width)
    frame = blank(1, 3, height, width)
    # These two read values, so they run, on few pixels.
    small, encoded = blank(1, 3, *FEW, device="cpu"), blank(1, 256, FEW[0] // 8, FEW[1] // 8, device="cpu")
    share_of_few = height * width / (FEW[0] * FEW[1])
    flow = flops(lambda: matched.flow(encoded, encoded, encoded, 1), "cpu") * share_of_few
    more = flops(lambda: matched.flow(encoded, encoded, encoded, 2), "cpu") * share_of_few - flow
    return {
        "dino": flops(lambda: dino(blank(1, 3, tall // 16 * 16, wide // 16 * 16))),
        "musiq": flops(lambda: musiq(blank(1, 3, int(share * height), int(share * width)))),
        "grit": flops(lambda: grit.backbone(blank(1, 3, rows, columns)))
        + flops(lambda: grit.proposal_generator.centernet_head(maps)),
        "raft frame": flops(lambda: raft.features(frame)),
        "raft context": flops(lambda: raft.context(frame)),
        "raft flow": flow + (ITERATIONS - 1) * more,
        "amt": flops(lambda: interpolated(small, small), "cpu") * share_of_few,
    }


def fixed() -> dict[str, float]:
    """GFLOP of the parts whose input has one size."""
    import torch

    from nova_bench.networks.clip import VIT_B_32, VIT_L_14, CLIPImageEncoder
    from nova_bench.networks.grit.grit import GRiT
    from nova_bench.networks.tag2text.model import Tag2Text
    from nova_bench.networks.umt import UMT
    from nova_bench.networks.viclip import ViCLIP

    grit, tags, umt, viclip = built(GRiT), built(Tag2Text), built(UMT), built(ViCLIP)
    base, large = (built(lambda config=config: CLIPImageEncoder(config)) for config in (VIT_B_32, VIT_L_14))
    words, stages = grit.roi_heads.text_decoder.textual, grit.roi_heads.stages
    features, image = blank(OBJECTS, 196, 256), blank(1, 145, 1024)
    with torch.device("meta"), torch.inference_mode():
        memory = words.remember(features)
        written, _ = tags.text_decoder.begin(blank(3, 40, 768), list(range(PROMPT_IDS)), PROMPT_IDS + TAG_STEPS)
        ids = torch.zeros(OBJECTS, 1, dtype=torch.int64)
        beams = torch.zeros(3, 1, dtype=torch.int64)
        seen = torch.ones(1, 40, dtype=torch.bool)
    return {
        "clip b/32": flops(lambda: base(blank(1, 3, 224, 224))),
        "clip l/14": flops(lambda: large(blank(1, 3, 224, 224))),
        "umt": flops(lambda: umt(blank(1, 16, 3, 224, 224))),
        "viclip": flops(lambda: viclip.vision_encoder(blank(1, 8, 3, 224, 224))),
        "boxes": flops(lambda: [predictor(head(blank(256, 49, 256))) for head, predictor in stages]),
        "memory": flops(lambda: words.remember(features)),
        "word": flops(lambda: words.logits(memory, ids, 0)),
        "swin": flops(lambda: tags.image_tokens(blank(1, 3, 384, 384))),
        "tags": flops(lambda: tags.tag_logits(image)),
        "states": flops(lambda: tags.states(image, seen.long(), seen)),
        "beams": flops(lambda: written.add(beams)),
    }


def per_video(parts: dict[str, float], frames: int) -> Iterator[tuple[str, float]]:
    """Our GFLOP of each dimension for one video with a rate of 8 frames a second."""
    pairs = frames - 1
    yield "subject_consistency", frames * parts["dino"]
    yield "background_consistency", frames * parts["clip b/32"]
    yield "motion_smoothness", pairs // 2 * parts["amt"]
    yield "dynamic_degree", frames * parts["raft frame"] + pairs * (parts["raft context"] + parts["raft flow"])
    yield "aesthetic_quality", frames * parts["clip l/14"]
    yield "imaging_quality", frames * parts["musiq"]
    for name in DETECTION:
        words = parts["memory"] + (NAME + (CAPTION if name == "color" else 0)) * parts["word"]
        yield name, 16 * (parts["grit"] + parts["boxes"] + words)
    yield "human_action", parts["umt"]
    image = parts["swin"] + parts["tags"]
    yield "scene", TAG_FRAMES * (image + parts["states"] + (PROMPT_IDS + TAG_STEPS) * parts["beams"])
    yield "appearance_style", frames * parts["clip b/32"]
    for name in ("temporal_style", "overall_consistency"):
        yield name, parts["viclip"]


def officially(parts: dict[str, float], frames: int) -> Iterator[tuple[str, float]]:
    """The official GFLOP of each dimension, from its modules' counts."""
    pairs = frames - 1
    yield "subject_consistency", frames * parts["dino"]
    yield "background_consistency", frames * parts["clip b/32"]
    yield "motion_smoothness", pairs // 2 * parts["amt"]
    yield "dynamic_degree", pairs * parts["raft"]
    yield "aesthetic_quality", frames * parts["clip l/14"]
    yield "imaging_quality", frames * parts["musiq"]
    names, captions = (sum(parts[f"word {length}"] for length in range(1, most + 1)) for most in (NAME, CAPTION))
    for name in DETECTION:  # two passes, each with boxes, texts and masks; only color's first one writes captions
        texts = names + (captions if name == "color" else names)
        yield name, 16 * (parts["grit"] + 2 * (parts["boxes"] + parts["masks"]) + texts)
    yield "human_action", parts["umt"]
    yield "scene", sum(parts[part] for part in ("swin", "tags", "states", "captions"))
    yield "appearance_style", frames * parts["clip b/32 with text"]
    for name in ("temporal_style", "overall_consistency"):
        yield name, parts["viclip"]


def count_officially(options: argparse.Namespace) -> dict[str, float]:
    """Counts of the official modules, from a process in their environment."""
    command = [options.official_python, str(Path(__file__).with_name("vbench_official_flops.py"))]
    command += ["--size", options.size, "--dino-code", options.dino_code]
    command += ["--prepare", options.prepare] if options.prepare else []
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise SystemExit(f"the official modules can't be counted:\n{result.stderr}")
    return json.loads(result.stdout.strip().splitlines()[-1])


def table(frames: int) -> dict[str, dict[str, Any]]:
    """What `plan` reads: GFLOP per frame and per megapixel that a scorer looks at, through both sizes."""
    same, sized = fixed(), [of_size(*size) for size in SIZES]
    low, high = (height * width / 1e6 for height, width in SIZES)
    found = [dict(per_video(same | parts, frames)) for parts in sized]
    looked = {"motion_smoothness": "middles", "dynamic_degree": "flow"}
    counts = {"middles": (frames - 1) // 2, "flow": frames - 1, "all": frames, "video": 1}
    once = ("human_action", "scene", "temporal_style", "overall_consistency")
    grown = ("motion_smoothness", "dynamic_degree", "object_class", "multiple_objects", "color", "spatial_relationship")
    rows = {}
    for name, first in found[0].items():
        kind = looked.get(name, "video" if name in once or name in grown else "all")
        slope = (found[1][name] - first) / (high - low) if name in grown else 0.0
        count = counts[kind]
        rows[name] = {
            "looks_at": kind,
            "gflop": round((first - slope * low) / count, 3),
            "gflop_per_megapixel": round(slope / count, 3),
        }
    rows["static_filter"] = rows["dynamic_degree"]
    return rows


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="480x768")
    parser.add_argument("--frames", type=int, default=33)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--official-python", metavar="PATH")
    parser.add_argument("--dino-code", metavar="FOLDER", default="")
    parser.add_argument("--prepare", metavar="MODULE")
    options = parser.parse_args(arguments)
    height, width = (int(side) for side in options.size.split("x"))
    parts = fixed() | of_size(height, width)
    listed = ", ".join(f"{name} {value:.0f}" for name, value in parts.items())
    print(f"GFLOP of the parts at {options.size}: {listed}\n")
    sides = [dict(per_video(parts, options.frames))]
    heads = ["dimension", "ours, GFLOP a video", "ours, PFLOP in all"]
    if options.official_python:
        sides.append(dict(officially(count_officially(options), options.frames)))
        heads += ["official, GFLOP a video", "official, PFLOP in all"]
    print(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}")
    totals = [0.0] * len(sides)
    for name, prompts in PROMPTS.items():
        cells = []
        for number, side in enumerate(sides):
            totals[number] += (whole := side[name] * prompts * SAMPLES / 1e6)
            cells += [f"{side[name]:.0f}", f"{whole:.2f}"]
        print(f"| {name} | {' | '.join(cells)} |")
    print(f"| all, without the static filter | {' | '.join(f' | {total:.1f}' for total in totals)} |")
    if options.write:
        known = json.loads(TABLE.read_text())
        known["scorers"] = table(options.frames)
        TABLE.write_text(json.dumps(known, indent=2) + "\n")


if __name__ == "__main__":
    main()
