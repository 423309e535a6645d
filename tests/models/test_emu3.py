"""The emu3 adapter on a random miniature: which tokens are drawn, and which image they become."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nova_bench.config.loading import load_suite
from nova_bench.config.units import Unit
from nova_bench.core.errors import UserError
from nova_bench.core.identity import file_digest
from nova_bench.models.base import AdapterContext, Output
from nova_bench.models.emu3 import Emu3Adapter
from nova_bench.models.shorthand import model_section
from tests.models import tiny_emu3

HEIGHT, WIDTH = 32, 48
PROMPTS = ["a cat", "a very long sentence about several dogs", "two cubes"]
# float32 on the CPU: matrix products of another batch size round differently.
BATCH_TOLERANCE = 1


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_emu3.save(tmp_path_factory.mktemp("emu3"))


def section(folder: Path, **sampling: Any) -> dict[str, Any]:
    """The section of Emu3-Gen for the miniature: fewer pixels, all other settings its own."""
    own = {key: value for key, value in model_section("emu3_gen").items() if key != "checkpoint"}
    return {**own, "folder": str(folder), "sampling": {**own["sampling"], "height": HEIGHT, "width": WIDTH, **sampling}}


def adapter(write_suite: Callable[..., Path], model: dict[str, Any], device: str = "cpu") -> Emu3Adapter:
    suite = load_suite(str(write_suite(model=model, scorers=[], sampling={"num_frames": 1})))
    context = AdapterContext(suite, device, Path, file_digest, lambda *_, **__: None)
    return Emu3Adapter(suite.model, context)  # type: ignore[arg-type]


def units() -> list[Unit]:
    return [Unit(str(index), str(index), text, text, 0, 100 + index) for index, text in enumerate(PROMPTS)]


def pixels(output: Output) -> Any:
    assert output.error is None, output.error
    assert output.frames is not None
    return output.frames.int()


def test_an_image_is_the_same_in_a_batch_and_alone(folder: Path, write_suite: Callable) -> None:
    model = adapter(write_suite, section(folder))
    together = [pixels(output) for output in model.generate(units())]
    alone = [pixels(output) for unit in units() for output in model.generate([unit])]
    assert [tuple(image.shape) for image in together] == [(1, HEIGHT, WIDTH, 3)] * 3
    assert max(int((a - b).abs().max()) for a, b in zip(together, alone, strict=True)) <= BATCH_TOLERANCE
    other = Unit("x", "x", PROMPTS[0], PROMPTS[0], 1, 7)
    assert int((pixels(next(model.generate([other]))) - together[0]).abs().max()) > BATCH_TOLERANCE


def test_the_likeliest_tokens_are_those_of_plain_guidance(folder: Path) -> None:
    """With a single candidate nothing is drawn: the image follows from the two branches' logits, computed whole."""
    import torch

    from nova_bench.models.emu3_sampling import draw_images, load_emu3

    model, processor = load_emu3(folder, "float32", "cpu")
    rows, columns = 2, 3
    [image] = draw_images(
        model, processor, ["a cat"], [0], negative="dull", guidance=3.0, size=(8 * rows, 8 * columns), top_k=1
    )
    vocab = processor.tokenizer.get_vocab()
    visual = torch.tensor([vocab[token] for token in tiny_emu3.VISUAL])

    def start(text: str) -> list[int]:
        named = tiny_emu3.SPECIAL
        request = f"{named['boi_token']}{rows}*{columns}{named['image_wrapper_token']}"
        return processor.tokenizer.encode(f"{tiny_emu3.NAMED['bos_token']}{text}{request}")

    drawn: list[int] = []
    for place in range(rows * (columns + 1)):
        if place % (columns + 1) == columns:
            drawn.append(vocab[tiny_emu3.END_OF_LINE])
            continue
        with torch.no_grad():
            given, without = (
                model(input_ids=torch.tensor([[*start(text), *drawn]])).logits[0, -1].log_softmax(-1)
                for text in ("a cat", "dull")
            )
        drawn.append(int(visual[(without + 3.0 * (given - without))[visual].argmax()]))
    tokens = [vocab[name] for name in (tiny_emu3.SPECIAL["eof_token"], tiny_emu3.SPECIAL["eoi_token"])]
    tokens.append(vocab[tiny_emu3.NAMED["eos_token"]])
    with torch.no_grad():
        expected = model.decode_image_tokens(image_tokens=torch.tensor([[*drawn, *tokens]]), height=rows, width=columns)
    scaled = ((expected[0].permute(1, 2, 0) + 1) * 127.5).clamp(0, 255)
    assert image is not None
    assert int((scaled - image).abs().max()) <= 1


def test_emu3_runs_from_suite_to_images(folder: Path, write_suite: Callable, tmp_path: Path) -> None:
    from nova_bench.core.progress import Progress
    from nova_bench.pipeline.run import measure_suite
    from nova_bench.store import Artifact, Store

    path = write_suite(
        model=section(folder),
        prompts={"entries": PROMPTS[:2], "samples_per_prompt": 2},
        sampling={"num_frames": 1, "num_inference_steps": 128, "num_diffusion_steps": 25},
        scorers=[],
        execution={"batch_size": 3},
    )
    with Store.writer(tmp_path / "store") as store:
        plan, _ = measure_suite(load_suite(str(path)), store, None, Progress(quiet=True))
        made = list(store.artifacts(unit.digest for unit in plan.units).values())
    assert [isinstance(artifact, Artifact) for artifact in made] == [True] * 4


@pytest.mark.parametrize(
    ("sampling", "problem"),
    [
        ({"height": 36}, "sampling asks for 48x36, but Emu3 makes 48x32"),
        ({"num_inference_steps": 50}, "sampling.num_inference_steps: Emu3 has no such setting"),
        ({"num_frames": 9}, "the suite asks for 9 frames"),
    ],
)
def test_what_emu3_lacks_is_refused(sampling: dict, problem: str, folder: Path, write_suite: Callable) -> None:
    with pytest.raises(UserError, match=problem):
        list(adapter(write_suite, section(folder, **sampling)).generate(units()))


def test_a_checkpoint_without_weights_is_incomplete(folder: Path, write_suite: Callable, tmp_path: Path) -> None:
    for name in ("config.json", "tokenizer.json"):
        (tmp_path / "half" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "half" / name).write_bytes((folder / name).read_bytes())
    with pytest.raises(UserError, match="no safetensors weights"):
        adapter(write_suite, section(tmp_path / "half")).digest()
    assert (
        adapter(write_suite, section(folder)).digest() != adapter(write_suite, {**section(folder), "top_k": 7}).digest()
    )
