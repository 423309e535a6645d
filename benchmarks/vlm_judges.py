"""Time vision-language judges against one call of the library's model per question: same weights, images, questions.

    python benchmarks/vlm_judges.py [--family qwen2_5_vl|qwen3_vl] [--questions N] [--images N] [--size PIXELS]
                                    [--width N] [--layers N] [--pairs N] [--threads N]

Random weights in the structure of Qwen2.5-VL and Qwen3-VL, so times mean something and answers don't. The judge reads
an image once and all of its questions in one further pass; the library's way reads the image again for each question.
Both sides alternate in one process, loading excluded; the largest difference of a probability stands beside the ratio.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

FAMILIES = ("qwen2_5_vl", "qwen3_vl")
WORDS = ("a red cat", "two dogs on a sofa", "a large wooden table under the window", "the sky", "a small boat at sea")


def questions(count: int) -> list[str]:
    """Different questions of different lengths, as long as DPG-Bench's: 15 to 60 tokens of bytes."""
    return [f"Is there {WORDS[index % len(WORDS)]} in picture {index}?" for index in range(count)]


def one_call_each(judge: Any, viewed: Any) -> list[float]:
    """p(yes) of each question from a call of its own, with the judge's own model, prompts and preprocessing."""
    import torch

    from nova_bench.judges.base import Viewed
    from nova_bench.judges.vlm import judged

    model = judge._model._model
    found = []
    for asked in viewed.questions:
        prompts = judge._prompts(Viewed(viewed.frames, (asked,)))
        tokens = prompts.grid[0] * prompts.grid[1] * prompts.grid[2] // judge._model._merged
        ids = torch.tensor([[*prompts.before, *[model.config.image_token_id] * tokens, *prompts.after[0]]])
        with torch.inference_mode():
            logits = model(
                input_ids=ids,
                mm_token_type_ids=(ids == model.config.image_token_id).int(),
                pixel_values=prompts.patches,
                image_grid_thw=torch.tensor([prompts.grid]),
                logits_to_keep=1,
            ).logits[0, -1]
        log_probabilities = logits.log_softmax(0)
        yes, no = (float(log_probabilities[tokens].logsumexp(0)) for tokens in (judge._yes, judge._no))
        found.append(judged(yes, no).probability)
    return found


def measure(family: str, options: argparse.Namespace) -> str:
    """One line of the table."""
    import torch

    from nova_bench.assets import asset_path
    from nova_bench.judges.base import Asked, JudgeContext, Viewed, judge_called
    from tests.judges.tiny_models import make_vlm

    generator = torch.Generator().manual_seed(0)
    asked = tuple(map(Asked, questions(options.questions)))
    shape = (1, options.size, options.size, 3)
    images = [
        Viewed(torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator), asked)
        for _ in range(options.images)
    ]
    with tempfile.TemporaryDirectory() as folder:
        make_vlm(Path(folder), family, options.width, options.layers)
        info, model = judge_called(f"vlm:{folder}")
        judge: Any = info.build(JudgeContext("cpu", asset_path, model))
    ours, plain, difference = [], [], 0.0
    for _ in range(options.pairs):
        start = time.perf_counter()
        shared = judge.answer(images)
        ours.append(time.perf_counter() - start)
        start = time.perf_counter()
        single = [one_call_each(judge, viewed) for viewed in images]
        plain.append(time.perf_counter() - start)
        difference = max(
            difference,
            *(
                abs(answer.probability - probability)
                for about, alone in zip(shared, single, strict=True)
                for answer, probability in zip(about, alone, strict=True)
            ),
        )
    ratios = sorted(there / here for here, there in zip(ours, plain, strict=True))
    return (
        f"| {family} | {median(plain):.2f} s | {median(ours):.2f} s | {median(ratios):.1f} "
        f"({ratios[0]:.1f} to {ratios[-1]:.1f}) | {difference:.0e} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--family", action="append", choices=FAMILIES)
    parser.add_argument("--questions", type=int, default=14)
    parser.add_argument("--images", type=int, default=2)
    parser.add_argument("--size", type=int, default=448, help="height and width of the images")
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--layers", type=int, default=8)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    import torch

    torch.set_num_threads(options.threads)
    print(
        f"{options.images} images of {options.size} pixels, {options.questions} questions each, {options.pairs} pairs"
    )
    print("| model | one call each | judge | ratio | largest difference of p |\n|---|---|---|---|---|")
    for family in options.family or FAMILIES:
        print(measure(family, options), flush=True)


if __name__ == "__main__":
    main()
