"""Time DPG-Bench's judge mPLUG against the official code: same weights, image, questions and machine.

    python benchmarks/mplug_judge.py [--official-python PATH] [--prepare MODULE] [--questions N] [--pairs N]
                                     [--threads N] [--end BIAS] [--small]

Full-size weights follow the rule of tests/parity/mplug, so times mean something and answers don't; `--end` makes these
end after as few steps as answers of the trained network do. Each run is a process of its own, and both sides alternate.
The seconds are the processor's, without loading. Peak memory includes loading, for which both sides read one file.

PATH is a Python for the official side with modelscope 1.40.2 and transformers 4.57.6. MODULE, found through PYTHONPATH,
is imported there first: it registers torchvision's operators if they are not compiled for that torch. The official side
encodes the image for each question, as its pipeline does; pixels and ids come from the libraries that it calls.
"""

from __future__ import annotations

import argparse
import gzip
import importlib
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from sides import ROOT, peak_bytes, run_side, set_imports

VOCABULARY = ROOT / "tests" / "data" / "bert_vocab.txt.gz"
IMAGE = ROOT / "tests" / "parity" / "mplug" / "vectors" / "image0.png"
THINGS = ("cat", "dog", "red umbrella", "wooden table", "window with curtains", "man in a blue coat", "bicycle")
QUESTIONS = [
    *(f"Is there a {thing}?" for thing in THINGS),
    *(f"Is the {thing} on the left side of the picture?" for thing in THINGS),
]


def make_files(folder: Path, end: float, small: bool) -> None:
    """The official files, from the rule."""
    import torch

    from nova_bench.networks.mplug.config import read_config
    from nova_bench.networks.mplug.mplug import MPlug
    from tests.parity.mplug.rule import made_weights

    (folder / "config.yaml").write_text(json.dumps({"distill": True, **(SMALL_VISION if small else {})}))
    (folder / "config_bert.json").write_text(json.dumps(BERT | (SMALL_BERT if small else {})))
    (folder / "configuration.json").write_text('{"task": "visual-question-answering"}')
    (folder / "vocab.txt").write_bytes(gzip.decompress(VOCABULARY.read_bytes()))
    config = read_config(folder)
    with torch.device("meta"):
        shapes = {key: tuple(value.shape) for key, value in MPlug(config).state_dict().items()}
    for name in ("weight", "bias"):
        del shapes[f"text_decoder.cls.predictions.decoder.{name}"]
    shapes["text_decoder.cls.predictions.bias"] = (30522,)
    for bert in ("text_encoder", "text_decoder.bert"):
        shapes[f"{bert}.embeddings.token_type_embeddings.weight"] = (2, config.text.width)
    state = made_weights(shapes)
    state["text_decoder.cls.predictions.bias"][102] += end
    torch.save({"model": {f"model.{name}": value for name, value in state.items()}}, folder / "pytorch_model.bin")


BERT = {
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_attention_heads": 12,
    "num_hidden_layers": 12,
    "vocab_size": 30522,
    "max_position_embeddings": 512,
    "type_vocab_size": 2,
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-12,
    "fusion_layer": 6,
    "encoder_width": 768,
    "text_encoder_layers": 6,
    "fusion_layers": 6,
    "text_decode_layers": 12,
    "stride_layer": 6,
    "add_cross_attention": False,
}
"""The sizes of mPLUG's own configuration of its large models (github.com/X-PLUG/mPLUG, configs/config_bert.json)."""

SMALL_VISION = {"image_res": 28, "vision_width": 64, "clip_vision_layers": 1}
SMALL_BERT = {
    **{"hidden_size": 32, "num_attention_heads": 2, "intermediate_size": 32},
    **{"text_encoder_layers": 1, "fusion_layers": 1, "text_decode_layers": 1},
}


def ours(folder: Path) -> Callable[[list[str]], list[str]]:
    """Return what answers with our judge."""
    import numpy as np
    import torch
    from PIL import Image

    from nova_bench.judges.base import Asked, JudgeContext, Viewed
    from nova_bench.judges.mplug import MPlugJudge

    judge = MPlugJudge(JudgeContext("cpu", lambda name: folder))
    frames = torch.from_numpy(np.array(Image.open(IMAGE).convert("RGB")))[None]
    return lambda texts: [a.text for a in judge.answer([Viewed(frames, tuple(Asked(text) for text in texts))])[0]]


def official(folder: Path, prepare: str | None) -> Callable[[list[str]], list[str]]:
    """Return what answers with the official network."""
    if prepare:
        importlib.import_module(prepare)
    from modelscope.models.multi_modal.mplug import MPlug
    from PIL import Image
    from torchvision import transforms
    from transformers import BertTokenizer

    tokenizer = BertTokenizer.from_pretrained(str(folder))
    model = MPlug.from_pretrained(str(folder), task="visual-question-answering").eval()
    mean, deviation = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
    steps = [transforms.Resize((504, 504), interpolation=Image.BICUBIC), transforms.ToTensor()]
    pixels = transforms.Compose([*steps, transforms.Normalize(mean, deviation)])(Image.open(IMAGE).convert("RGB"))

    def answer(texts: list[str]) -> list[str]:
        answers = []
        for text in texts:
            ids = tokenizer(text.lower(), padding="max_length", truncation=True, max_length=25, return_tensors="pt")
            found, _ = model(pixels[None], ids, train=False)
            answers.append(tokenizer.decode(found[0][0], skip_special_tokens=True))
        return answers

    return answer


def work(options: argparse.Namespace) -> None:
    """Run one side once; print its seconds, peak memory and answers as JSON."""
    set_imports(official=options.side == "official")
    import torch

    torch.set_num_threads(options.threads)
    folder = Path(options.folder)
    answer = ours(folder) if options.side == "ours" else official(folder, options.prepare)
    cpu = time.process_time()
    with torch.inference_mode():
        answers = answer(QUESTIONS[: options.questions])
    cpu = time.process_time() - cpu
    print(json.dumps({"cpu": cpu, "peak": peak_bytes(), "answers": answers}))


def measure(side: str, options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Run one side in a process of its own."""
    python = sys.executable if side == "ours" else options.official_python
    arguments = ["--side", side, "--folder", folder, "--threads", options.threads, "--questions", options.questions]
    arguments += ["--prepare", options.prepare] if options.prepare else []
    return run_side(python, __file__, arguments, options.threads, side == "official", {})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--official-python", metavar="PATH")
    parser.add_argument("--prepare", metavar="MODULE")
    parser.add_argument("--questions", type=int, default=len(QUESTIONS))
    parser.add_argument("--pairs", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--end", type=float, default=6.0, metavar="BIAS", help="added to the end token's logit")
    parser.add_argument("--small", action="store_true", help="a tiny network, to try the script")
    parser.add_argument("--side", choices=["ours", "official"], help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        work(options)
        return
    sys.path.insert(0, str(ROOT))
    sides = ["official", "ours"] if options.official_python else ["ours"]
    found: dict[str, list[dict[str, Any]]] = {side: [] for side in sides}
    with tempfile.TemporaryDirectory() as name:
        make_files(Path(name), options.end, options.small)
        for _ in range(options.pairs):
            for side in sides:
                found[side].append(measure(side, options, Path(name)))
    print("| | CPU s | peak GB |\n|---|---|---|")
    for side, runs in found.items():
        print(f"| {side} | {median(r['cpu'] for r in runs):.1f} | {max(r['peak'] for r in runs) / 1e9:.1f} |")
    words = [len(answer.split()) for answer in found["ours"][0]["answers"]]
    print(f"\n{options.questions} questions about an image, answers of {min(words)} to {max(words)} words")
    if options.official_python:
        ratios = [a["cpu"] / b["cpu"] for a, b in zip(found["official"], found["ours"], strict=True)]
        pairs = list(zip(found["official"][0]["answers"], found["ours"][0]["answers"], strict=True))
        same = sum(a == b for a, b in pairs)
        print(f"ratio {median(ratios):.1f} ({min(ratios):.1f} to {max(ratios):.1f}), {same} of {len(pairs)} equal")


if __name__ == "__main__":
    main()
