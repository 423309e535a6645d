"""Vision-language judges: the probabilities of one plain call per question, and honest errors."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from nova_bench.core.errors import MediaError, MissingAsset, UserError
from nova_bench.judges.base import Judge, Viewed, judge_called
from nova_bench.judges.chat import spellings
from nova_bench.judges.vlm import PROMPT, judged
from tests.card_marks import needs_driver
from tests.judges.conftest import answers_on_the_card, picture
from tests.judges.tiny_models import SPELLINGS, TEMPLATE, chat_tokenizer, make_vlm, make_vqa

FAMILIES = {"qwen2_5_vl": 2, "qwen3_vl": 9}
"""Each with a seed whose answers, or else probabilities, differ much."""
PICTURES = [picture(112, 140, 0), picture(112, 140, 1), picture(64, 200, 2, ("Is it red?",)), picture(112, 140, 3)]


@pytest.fixture(scope="module", params=list(FAMILIES))
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_vlm(tmp_path_factory.mktemp(request.param), request.param, seed=FAMILIES[request.param])


@cache
def library_model(folder: Path) -> Any:
    from transformers import AutoModelForImageTextToText

    return AutoModelForImageTextToText.from_pretrained(folder).eval()


def plain(folder: Path, viewed: Viewed, question: str) -> tuple[float, float]:
    """The probabilities of yes and no: one call of the library's model with one image and one question."""
    from transformers import AutoTokenizer, Qwen2VLImageProcessorPil

    model = library_model(folder)
    reader = AutoTokenizer.from_pretrained(folder)
    images = Qwen2VLImageProcessorPil.from_pretrained(folder)(
        images=[Image.fromarray(viewed.image.numpy())], return_tensors="pt"
    )
    content = [{"type": "image"}, {"type": "text", "text": PROMPT.format(question=question)}]
    text = reader.apply_chat_template(
        [{"role": "user", "content": content}], chat_template=TEMPLATE, tokenize=False, add_generation_prompt=True
    )
    tokens = int(images["image_grid_thw"].prod()) // 4
    ids = reader(text.replace("<|image_pad|>", "<|image_pad|>" * tokens), return_tensors="pt")["input_ids"]
    kinds = (ids == model.config.image_token_id).int()
    with torch.inference_mode():
        logits = model(input_ids=ids, mm_token_type_ids=kinds, **images).logits[0, -1]
    probabilities = logits.double().softmax(0)
    yes, no = (
        sum(float(probabilities[reader.convert_tokens_to_ids(token)]) for token in SPELLINGS[word])
        for word in ("yes", "no")
    )
    return yes, no


@pytest.mark.slow
@pytest.mark.parametrize("family", ["qwen2_vl", "qwen3_vl_moe"])
def test_relatives(family: str, tmp_path: Path, judge: Callable[[str], Judge]) -> None:
    folder = make_vlm(tmp_path, family)
    for viewed, found in zip(PICTURES, judge(f"vlm:{folder}").answer(PICTURES), strict=True):
        for asked, answer in zip(viewed.questions, found, strict=True):
            yes, no = plain(folder, viewed, asked.text)
            assert answer.probability == pytest.approx(yes / (yes + no), abs=1e-5)


def test_answers_are_those_of_one_call_per_question(folder: Path, judge: Callable[[str], Judge]) -> None:
    answers = judge(f"vlm:{folder}").answer(PICTURES)
    kinds, probabilities = set(), []
    for viewed, found in zip(PICTURES, answers, strict=True):
        for asked, answer in zip(viewed.questions, found, strict=True):
            yes, no = plain(folder, viewed, asked.text)
            assert answer.probability == pytest.approx(yes / (yes + no), abs=1e-5)
            expected = "neither" if yes + no < 0.5 else "yes" if yes >= no else "no"
            assert answer.text == expected
            kinds.add(expected)
            probabilities.append(answer.probability)
    assert len(kinds) > 1 or max(probabilities) - min(probabilities) > 0.5


def test_an_answer_does_not_depend_on_the_others(folder: Path, judge: Callable[[str], Judge]) -> None:
    asked = judge(f"vlm:{folder}")
    together = asked.answer(PICTURES)
    for viewed, answers in zip(PICTURES, together, strict=True):
        for question, answer in zip(viewed.questions, answers, strict=True):
            [[alone]] = asked.answer([Viewed(viewed.frames, (question,))])
            assert alone.text == answer.text
            assert alone.probability == pytest.approx(answer.probability, abs=1e-5)


def test_all_spellings_of_a_word_and_nothing_else() -> None:
    reader = chat_tokenizer()
    for word, found in zip(("yes", "no"), spellings(reader, ("yes", "no")), strict=True):
        assert found == [reader.convert_tokens_to_ids(token) for token in SPELLINGS[word]]
    with pytest.raises(UserError, match="no token 'perhaps'"):
        spellings(reader, ("yes", "perhaps"))


@pytest.mark.parametrize(
    ("yes", "no", "text", "probability"),
    [
        (0.25, 0.25, "yes", 0.5),
        (0.2499, 0.2501, "no", 0.4998),
        (0.3, 0.1999, "neither", 0.3 / 0.4999),
        (1e-300, 1e-320, "neither", 1.0),
    ],
)
def test_when_a_probability_is_an_answer(yes: float, no: float, text: str, probability: float) -> None:
    answer = judged(math.log(yes), math.log(no))
    assert (answer.text, answer.probability) == (text, pytest.approx(probability))


def test_weights_that_are_not_numbers(folder: Path, tmp_path: Path, judge: Callable[[str], Judge]) -> None:
    copy = copied(folder, tmp_path)
    weights = load_file(copy / "model.safetensors")
    name = next(name for name in weights if name.endswith("mlp.down_proj.weight") and "visual" not in name)
    save_file({**weights, name: weights[name] * math.nan}, copy / "model.safetensors", {"format": "pt"})
    with pytest.raises(ValueError, match="not finite"):
        judge(f"vlm:{copy}").answer(PICTURES[:1])


def test_a_video_is_refused(folder: Path, judge: Callable[[str], Judge]) -> None:
    video = Viewed(PICTURES[0].frames.expand(5, -1, -1, -1), PICTURES[0].questions)
    with pytest.raises(MediaError, match="5 frames, but the judge looks at images"):
        judge(f"vlm:{folder}").answer([video])


def copied(folder: Path, to: Path) -> Path:
    for path in folder.iterdir():
        (to / path.name).write_bytes(path.read_bytes())
    return to


def test_unusable_models(folder: Path, tmp_path: Path, judge: Callable[[str], Judge]) -> None:
    copy = copied(folder, tmp_path)
    weights = load_file(copy / "model.safetensors")
    lost = next(iter(weights))
    save_file({n: w for n, w in weights.items() if n != lost}, copy / "model.safetensors", {"format": "pt"})
    with pytest.raises(UserError, match="the weights lack "):
        judge(f"vlm:{copy}")
    copied(folder, tmp_path)
    (copy / "chat_template.json").unlink()
    with pytest.raises(UserError, match="has no chat template"):
        judge(f"vlm:{copy}")
    (copy / "preprocessor_config.json").write_text("{")
    with pytest.raises(UserError, match="image processor can't be loaded"):
        judge(f"vlm:{copy}")
    (copy / "model.safetensors").rename(copy / "pytorch_model.bin")
    with pytest.raises(MissingAsset, match=r"needs .*lacks model\.safetensors"):
        judge(f"vlm:{copy}")


def test_other_architectures_are_named(tmp_path: Path, judge: Callable[[str], Judge]) -> None:
    with pytest.raises(UserError, match=r"vilt is not an architecture that this judge knows .*the judge is vqa"):
        judge(f"vlm:{make_vqa(tmp_path / 'vilt', 'vilt')}")
    (tmp_path / "vilt" / "config.json").write_text(json.dumps({"model": "?"}))
    with pytest.raises(UserError, match="no configuration of a model"):
        judge(f"vlm:{tmp_path / 'vilt'}")


@pytest.mark.parametrize(
    ("name", "said"),
    [("vlm", "no model named"), ("vlm:", "no model named"), ("vlm:qwen", "neither a hub id nor a folder")],
)
def test_names(name: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        judge_called(name)


@needs_driver
def test_on_the_card_the_probabilities_are_the_same(folder: Path, judge: Callable[[str], Judge]) -> None:
    expected = judge(f"vlm:{folder}").answer(PICTURES)
    found = answers_on_the_card(f"vlm:{folder}", PICTURES)
    for here, there in zip(expected, found, strict=True):
        assert [answer.text for answer in there] == [answer.text for answer in here]
        assert [a.probability for a in there] == pytest.approx([a.probability for a in here], abs=5e-2)  # bfloat16
