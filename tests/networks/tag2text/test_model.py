"""Tag2Text in miniature: against transformers' BERT, with and without memory, from files that are right or wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from transformers import BertConfig, BertLMHeadModel

from nova_bench.core.errors import UserError
from nova_bench.networks.bert_text import TextConfig
from nova_bench.networks.swin import SwinConfig
from nova_bench.networks.tag2text.beam_search import Beams, Rules, likeliest, search
from nova_bench.networks.tag2text.model import Tag2Text, Tag2TextConfig, load_tag2text
from nova_bench.networks.tag2text.text import CaptionDecoder
from nova_bench.networks.weights import load_network

TEXT = TextConfig(width=32, depth=2, heads=4, inner=64, vocabulary=60, positions=40)
SMALL = Tag2TextConfig(SwinConfig(32, 16, (2, 2), (1, 2), 4), TEXT, tags=12)
PROMPT = [58, 4, 5, 6]
EMBEDDINGS = "text_decoder.bert.embeddings.word_embeddings.weight"


@pytest.fixture(autouse=True)
def _inference():
    torch.manual_seed(0)
    with torch.inference_mode():
        yield


def random_decoder() -> CaptionDecoder:
    decoder = CaptionDecoder(TEXT).eval()
    for parameter in decoder.parameters():
        nn.init.normal_(parameter, std=0.5)
    decoder.cls.predictions.decoder.weight = decoder.bert.embeddings.word_embeddings.weight
    return decoder


def random_state() -> dict[str, Tensor]:
    """By official names, each tensor once."""
    state = {name: torch.randn_like(value) for name, value in Tag2Text(SMALL).state_dict().items()}
    del state["text_decoder.cls.predictions.decoder.weight"]
    state["text_decoder.cls.predictions.bias"] = state.pop("text_decoder.cls.predictions.decoder.bias")
    return state


def loaded(state: dict[str, Tensor], folder: Path) -> Tag2Text:
    path = folder / "weights.pth"
    torch.save({"model": state, "optimizer": {"state": {0: torch.zeros(3)}}}, path)
    return load_network(lambda: Tag2Text(SMALL), path, Tag2Text.official_keys, entry="model")


def test_the_decoder_equals_transformers() -> None:
    """Which has types of tokens besides; they are set to zero."""
    decoder, states = random_decoder(), torch.randn(2, 7, 32)
    theirs = BertLMHeadModel(
        BertConfig(
            hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64, vocab_size=60,
            max_position_embeddings=40, is_decoder=True, add_cross_attention=True,
        )
    ).eval()  # fmt: skip
    state = decoder.state_dict() | {"bert.embeddings.token_type_embeddings.weight": torch.zeros(2, 32)}
    state["cls.predictions.bias"] = state["cls.predictions.decoder.bias"]
    missing, unknown = theirs.load_state_dict(state, strict=False)
    assert not unknown
    assert all("position_ids" in name or "token_type_ids" in name for name in missing)
    ids = torch.randint(60, (2, 9))
    expected = theirs(input_ids=ids, encoder_hidden_states=states).logits
    captions, first = decoder.begin(states, ids[0, :4].tolist(), 9)
    torch.testing.assert_close(first[0], expected[0, 3], atol=1e-5, rtol=0)
    for place in range(4, 9):  # with keys and values kept
        logits = captions.add(ids[:, place : place + 1])
        torch.testing.assert_close(logits[0], expected[0, place], atol=1e-5, rtol=0)


def without_memory(decoder: CaptionDecoder, state: Tensor, rules: Rules) -> list[int]:
    """The same search for one image, with the whole caption read again for each word, as officially."""
    beams = Beams(PROMPT, rules)
    while not beams.complete and len(beams.running[0]) < rules.longest:
        logits = torch.cat([decoder.begin(state[None], tokens, rules.longest)[1] for tokens in beams.running])
        beams.go_on(likeliest(logits, [beams], rules)[0])
    return beams.best()


def test_beams_equal_a_search_without_memory() -> None:
    """Also after images have left: each image's caption is the same alone and among others."""
    decoder, states, rules = random_decoder(), torch.randn(8, 5, 32), Rules(end=3, shortest=6, longest=12)
    decoder.cls.predictions.decoder.bias.data[3] += 5.0
    together = search(decoder, states, PROMPT, rules)
    assert together == [without_memory(decoder, state, rules) for state in states]
    assert len({len(caption) for caption in together}) > 1
    for caption in together:
        assert caption[:4] == PROMPT
        assert 6 <= len(caption) <= 12
        assert 3 not in caption[4:]


def test_tags_look_at_the_image_alone(tmp_path: Path) -> None:
    network = loaded(random_state(), tmp_path)
    image = network.image_tokens(torch.randn(3, 3, 32, 32))
    logits = network.tag_logits(image)
    assert logits.shape == (3, 12)
    torch.testing.assert_close(network.tag_logits(image[1:2]), logits[1:2], atol=1e-5, rtol=1e-5)
    network.label_embed.weight.data[5:] = 0
    torch.testing.assert_close(network.tag_logits(image)[:, :5], logits[:, :5], atol=1e-5, rtol=1e-5)
    attention = network.tag_encoder.encoder.layers[0].crossattention
    assert (attention.heads, network.tag_attentions[0].heads) == (4, 4)
    assert network.tag_attentions[0].self.key.weight is attention.self.key.weight


def test_padding_has_states_but_is_not_seen(tmp_path: Path) -> None:
    network = loaded(random_state(), tmp_path)
    image = network.image_tokens(torch.randn(1, 3, 32, 32))
    ids = torch.tensor([[59, 7, 8, 0, 0]])
    states = network.states(image, ids, ids != 0)
    longer = network.states(image, torch.tensor([[59, 7, 8, 9, 9]]), ids != 0)
    torch.testing.assert_close(states[:, :3], longer[:, :3])
    assert not torch.allclose(states[:, 3:], longer[:, 3:])


def test_of_a_tensor_under_two_names_the_second_counts(tmp_path: Path) -> None:
    state = random_state()
    query = "encoder.layer.1.crossattention.self.query.weight"
    state[f"vision_multi.{query}"] = torch.full((32, 32), 2.0)
    state["text_decoder.cls.predictions.decoder.weight"] = torch.full((60, 32), 3.0)
    network = loaded(state, tmp_path)
    assert network.tag_encoder.encoder.layers[1].crossattention.self.query.weight.unique().item() == 2.0
    assert network.text_decoder.bert.embeddings.word_embeddings.weight.unique().item() == 3.0
    network = loaded(random_state(), tmp_path)
    decoder = network.text_decoder
    assert decoder.cls.predictions.decoder.weight.equal(decoder.bert.embeddings.word_embeddings.weight)


def test_a_file_may_contain_more_but_not_less(tmp_path: Path) -> None:
    state = random_state()
    loaded({**state, "text_decoder.bert.embeddings.position_ids": torch.arange(40), "queue": torch.ones(2)}, tmp_path)
    state["fc.W"] = torch.zeros(1, 12, 31)
    with pytest.raises(UserError, match=r"weights.pth: fc.W has shape \(1, 12, 31\), expected \(1, 12, 32\)"):
        loaded(state, tmp_path)
    del state["fc.W"]
    with pytest.raises(UserError, match=r"weights.pth: lacks fc.W"):
        loaded(state, tmp_path)


def test_a_file_that_was_cut_off_or_is_another_is_told(tmp_path: Path) -> None:
    loaded(random_state(), tmp_path)
    path = tmp_path / "weights.pth"
    with pytest.raises(UserError, match=r"weights.pth: .* has shape"):
        load_tag2text(path)
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(UserError, match=r"weights.pth: can't be read as weights") as refusal:
        load_tag2text(path)
    assert "\n" not in refusal.value.message


def test_the_file_may_change_after_it_was_read(tmp_path: Path) -> None:
    state = random_state()
    network = loaded(state, tmp_path)
    (tmp_path / "weights.pth").write_bytes(b"")
    assert network.fc.W.equal(state["fc.W"])
