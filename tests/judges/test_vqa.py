"""Judges for visual question answering: the answers of one plain call per question."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image

from nova_bench.core.errors import UserError
from nova_bench.judges.base import Judge, Viewed
from tests.card_marks import needs_driver
from tests.judges.conftest import answers_on_the_card, picture
from tests.judges.tiny_models import make_vlm, make_vqa

PICTURES = [picture(112, 140, 0), picture(64, 200, 1)]


@pytest.fixture(scope="module", params=["vilt", "blip"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_vqa(tmp_path_factory.mktemp(request.param), request.param)


def plain(folder: Path, viewed: Viewed, question: str) -> str:
    """One call of the library's model with one image and one question."""
    import transformers

    reader = transformers.AutoTokenizer.from_pretrained(folder)
    limit = 40 if "vilt" in folder.name else 64
    text = reader(question, return_tensors="pt", truncation=True, max_length=limit)
    images = [Image.fromarray(viewed.image.numpy())]
    with torch.inference_mode():
        if "vilt" in folder.name:
            pixels = transformers.ViltImageProcessorPil.from_pretrained(folder)(images=images, return_tensors="pt")
            model = transformers.ViltForQuestionAnswering.from_pretrained(folder).eval()
            return model.config.id2label[int(model(**text, **pixels).logits.argmax())]
        pixels = transformers.BlipImageProcessorPil.from_pretrained(folder)(images=images, return_tensors="pt")
        model = transformers.BlipForQuestionAnswering.from_pretrained(folder).eval()
        words = model.generate(text["input_ids"], pixels["pixel_values"], text["attention_mask"], max_new_tokens=20)
        return reader.decode(words[0], skip_special_tokens=True)


def test_answers_are_those_of_one_call_per_question(folder: Path, judge: Callable[[str], Judge]) -> None:
    answers = judge(f"vqa:{folder}").answer(PICTURES)
    found = [[answer.text for answer in about] for about in answers]
    assert found == [[plain(folder, viewed, asked.text) for asked in viewed.questions] for viewed in PICTURES]
    assert len({text for texts in found for text in texts}) > 1
    assert all(answer.probability is None for about in answers for answer in about)


def test_a_question_that_is_cut_is_told(folder: Path, judge: Callable[[str], Judge]) -> None:
    [[short, long]] = judge(f"vqa:{folder}").answer([picture(64, 64, 0, ("Is it?", "Is it red? " * 12))])
    assert short.note == ""
    limit = 40 if "vilt" in folder.name else 64
    assert long.note == f"questions are cut at the {limit} tokens that the judge reads"


def test_other_architectures_are_named(tmp_path: Path, judge: Callable[[str], Judge]) -> None:
    with pytest.raises(UserError, match=r"qwen3_vl is not an architecture that this judge knows .*the judge is vlm"):
        judge(f"vqa:{make_vlm(tmp_path, 'qwen3_vl')}")


@pytest.mark.slow
@needs_driver
def test_on_the_card_it_answers(folder: Path, judge: Callable[[str], Judge]) -> None:
    expected = judge(f"vqa:{folder}").answer(PICTURES)
    found = answers_on_the_card(f"vqa:{folder}", PICTURES)
    if "vilt" in folder.name:
        assert found == expected
    else:  # in bfloat16 random weights write other texts
        assert [[bool(answer.text) for answer in answers] for answers in found] == [[True] * 4] * 2
