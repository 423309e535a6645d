"""The tokenizer of a world's words, and what a reload makes of it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nova_bench.nova.text import PhiTextEncoder, encode_prompts, load_tokenizer
from nova_bench.shapes import ShapesWorld
from nova_bench.train.spec import TextSpec
from nova_bench.train.text import make_text_encoder, make_tokenizer, notice_cut_captions

WORLD = ShapesWorld()
TOKENIZER = make_tokenizer(WORLD.vocabulary(), 40)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tokenizer")
    TOKENIZER.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("index", range(8))
def test_every_word_is_one_token(index: int) -> None:
    import re

    clip = WORLD[index]
    for text in (clip.caption, clip.dense_caption):
        assert len(TOKENIZER(text)["input_ids"]) == len(re.findall(r"\w+|[^\w\s]", text))


def test_captions_that_are_cut_are_named_with_what_is_kept() -> None:
    heard: list[tuple[str, list[str]]] = []
    captions = ["a red circle", "a red circle and a blue circle", "a red circle"]
    notice_cut_captions(TOKENIZER, captions, 4, lambda *told: heard.append(told))
    notice_cut_captions(TOKENIZER, ["a red circle"], 4, pytest.fail)
    ((text, names),) = heard
    assert text.startswith("1 of 2 captions are cut at text.max_tokens 4; the longest has 7 tokens (")
    assert names == ["a red circle and a blue circle: 4 of 7 tokens"]


@given(st.text(max_size=60))
@settings(deadline=None, max_examples=30)
def test_any_text_survives(saved: Path, text: str) -> None:
    """Nothing is unknown, and the reloaded tokenizer agrees."""
    ids = TOKENIZER(text)["input_ids"]
    assert TOKENIZER.decode(ids, clean_up_tokenization_spaces=False).lstrip(" ") == text.lstrip(" ")
    assert load_tokenizer(saved)(text)["input_ids"] == ids


def test_captions_fit_the_limit_of_tiny() -> None:
    from nova_bench.train.load import load_training

    limit = load_training("tiny").text.max_tokens
    assert max(len(TOKENIZER(WORLD[i].dense_caption, truncation=False)["input_ids"]) for i in range(300)) <= limit


def test_gradients_reach_the_text_encoder() -> None:
    from nova_bench.nova.embeddings import TextEmbed

    encoder = make_text_encoder(TextSpec(width=16, layers=1, heads=2), TOKENIZER, seed=0)
    embed = TextEmbed(16, 8, 12)
    embed(embed.fill(encode_prompts(TOKENIZER, encoder, ["a red circle", ""], 12))).square().sum().backward()
    assert all(parameter.grad is not None for parameter in encoder.parameters())


def test_text_encoder_reloads(tmp_path: Path) -> None:
    encoder = make_text_encoder(TextSpec(width=16, layers=1, heads=2), TOKENIZER, seed=0)
    encoder.save_pretrained(tmp_path)
    again = PhiTextEncoder.from_pretrained(tmp_path)
    ids = [TOKENIZER("a red circle")["input_ids"]]
    torch.testing.assert_close(encoder(ids)[0], again(ids)[0])
