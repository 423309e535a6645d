"""The judge mPLUG on a network that is small enough for fast tests; its parity with the official one: tests/parity."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import hypothesis.strategies as st
import pytest
import torch
import yaml
from hypothesis import given, settings

from nova_bench.core.errors import MediaError, UserError
from nova_bench.judges.base import Answer, Asked, JudgeContext, Viewed, judge_called
from nova_bench.judges.mplug import MPlugJudge
from nova_bench.networks.mplug.config import read_config
from nova_bench.networks.mplug.mplug import MPlug
from tests.card_marks import needs_driver
from tests.fake_card import fake_card

VOCABULARY = Path(__file__).parents[1] / "data" / "bert_vocab.txt.gz"
QUESTIONS = [
    "Is there a cat?",
    "is there a cat?",
    "Is the big dog red?",
    "How many of the cats sleep on the sofa?",
    "a",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The official files of a tiny network."""
    folder = tmp_path_factory.mktemp("mplug")
    vision = {"image_res": 28, "vision_width": 64, "clip_vision_layers": 1, "max_length": 4}
    (folder / "config.yaml").write_text(yaml.safe_dump(vision))
    bert = {"hidden_size": 32, "num_attention_heads": 2, "intermediate_size": 32, "stride_layer": 6}
    layers = {"text_encoder_layers": 1, "fusion_layers": 1, "text_decode_layers": 1}
    (folder / "config_bert.json").write_text(json.dumps(bert | layers))
    (folder / "vocab.txt").write_bytes(gzip.decompress(VOCABULARY.read_bytes()))
    torch.manual_seed(0)
    state = MPlug(read_config(folder)).state_dict()
    # So that different questions are answered differently.
    state = {name: value * 3 if name.endswith("word_embeddings.weight") else value for name, value in state.items()}
    for bert in ("text_encoder", "text_decoder.bert"):
        state[f"{bert}.embeddings.token_type_embeddings.weight"] = torch.zeros(2, 32)
    torch.save(state, folder / "pytorch_model.bin")
    return folder


@pytest.fixture(scope="module")
def judge(folder: Path) -> MPlugJudge:
    return MPlugJudge(JudgeContext("cpu", lambda name: folder))


def viewed(seed: int, questions: list[str]) -> Viewed:
    pixels = torch.randint(0, 256, (1, 20, 30, 3), generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)
    return Viewed(pixels, tuple(map(Asked, questions)))


def test_an_answer_depends_on_nothing_else(judge: MPlugJudge) -> None:
    alone = {(seed, text): judge.answer([viewed(seed, [text])])[0][0] for seed in range(3) for text in QUESTIONS}
    assert len({answer.text for answer in alone.values()}) > 1
    assert all(answer.probability is None for answer in alone.values())

    images = st.tuples(st.integers(0, 2), st.lists(st.sampled_from(QUESTIONS), min_size=1))

    @settings(max_examples=15)
    @given(st.lists(images, min_size=1, max_size=4))
    def check(asked: list[tuple[int, list[str]]]) -> None:
        found = judge.answer([viewed(seed, texts) for seed, texts in asked])
        assert found == [[alone[seed, text] for text in texts] for seed, texts in asked]

    check()


def test_a_video_is_no_image(judge: MPlugJudge) -> None:
    with pytest.raises(MediaError, match="3 frames, but the judge looks at images"):
        judge.answer([Viewed(torch.zeros(3, 20, 20, 3, dtype=torch.uint8), (Asked("Is there a cat?"),))])


def test_damaged_weights_are_named(folder: Path, tmp_path: Path) -> None:
    for file in folder.iterdir():
        content = file.read_bytes()
        (tmp_path / file.name).write_bytes(content[: len(content) // 2] if file.suffix == ".bin" else content)
    with pytest.raises(UserError, match=r"pytorch_model\.bin: can't be read as weights"):
        MPlugJudge(JudgeContext("cpu", lambda name: tmp_path))


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("mplg", "unknown judge 'mplg'; did you mean 'mplug'"),
        ("mplug:ORG/MODEL", "judge mplug: takes no model, but 'ORG/MODEL' is named"),
        ("vlm", "judge vlm: no model named"),
    ],
)
def test_a_judge_is_named_as_it_is_called(name: str, problem: str) -> None:
    with pytest.raises(UserError, match=problem):
        judge_called(name)


def test_no_questions_no_answers(judge: MPlugJudge) -> None:
    empty: list[list[Answer]] = [[]]
    assert judge.answer([viewed(0, [])]) == empty


@needs_driver
def test_on_the_card_it_answers_the_same(judge: MPlugJudge, folder: Path) -> None:
    asked = [viewed(seed, QUESTIONS[: 3 + seed]) for seed in range(3)]
    with fake_card() as card:
        there = MPlugJudge(JudgeContext("cuda", lambda name: folder))
        assert there.answer(asked) == judge.answer(asked)
        assert card.peak > 0
