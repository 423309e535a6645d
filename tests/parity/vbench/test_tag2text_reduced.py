"""Tag2Text and scene in miniature equal the official classes in miniature, from video files on, in seconds.

The files have one, two and sixteen frames; many tags have names beyond ASCII.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from nova_bench.networks.bert_text import TextConfig
from nova_bench.networks.bert_tokens import PADDING
from nova_bench.networks.frames import tag2text_input, to_float
from nova_bench.networks.swin import SwinConfig
from nova_bench.networks.tag2text import captioner
from nova_bench.networks.tag2text.model import TAGS, Tag2Text, Tag2TextConfig
from nova_bench.networks.weights import load_network
from nova_bench.scorers.base import Sample, ScorerContext
from nova_bench.scorers.vbench import scene
from nova_bench.scorers.vbench.middle_frames import middle_frames
from nova_bench.video import Clip, read_clip
from tests.fake_card import fake_card

from .description_rule import described_weights
from .test_tag2text import PROMPT, RULES, VOCABULARY, captions_of, official_shapes
from .tolerances import assert_close

FOLDER = Path(__file__).parent / "vectors"
CLIPS = Path(__file__).parents[2] / "data" / "vbench_clips"
CASE = json.loads((FOLDER / "tag2text_reduced.json").read_text("utf-8"))
EXPECTED = load_file(FOLDER / "tag2text_reduced.safetensors")
CONFIG = Tag2TextConfig(
    SwinConfig(width=16, depths=(1, 2, 2, 1), heads=(1, 2, 2, 4)),
    TextConfig(width=32, depth=2, heads=8, inner=64, vocabulary=30524),
)
STORED = {"one": (0,), "two": (0, 15), "sixteen": (0, 3)}  # of sixteen frames, those whose tensors were kept


def load(path: Path) -> Tag2Text:
    return load_network(lambda: Tag2Text(CONFIG), path, Tag2Text.official_keys, entry="model")


@pytest.fixture(autouse=True)
def _inference() -> Iterator[None]:
    with torch.inference_mode():
        yield


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tag2text") / "tag2text.pth"
    torch.save({"model": described_weights("tag2text_reduced", official_shapes(CONFIG))}, path)
    return path


@pytest.fixture
def context(weights: Path, tmp_path: Path) -> ScorerContext:
    """The vocabulary of the other tests with some real words, and a list of tags of which some have real names."""
    words = gzip.decompress(VOCABULARY.read_bytes()).decode().rstrip("\n").split("\n")
    for number, word in CASE["words"].items():
        words[int(number)] = word
    (tmp_path / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    names = [CASE["names"].get(str(number), f"tag {number}") for number in range(TAGS)]
    (tmp_path / "tags.py").write_text(f"tra_array = {names!r}\n", encoding="utf-8")
    files = {"tag2text-swin-14m": weights, "bert-vocab": tmp_path / "vocab.txt", "tag2text-tags": tmp_path / "tags.py"}
    return ScorerContext("cpu", files.__getitem__)


def read(case: dict[str, Any]) -> Clip:
    path = next(folder / case["file"] for folder in (FOLDER, CLIPS) if (folder / case["file"]).exists())
    return read_clip(path, size=scene.INFO.decode_size)


@pytest.mark.parametrize("name", CASE["files"])
def test_a_file_to_captions(name: str, context: ScorerContext, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(captioner, "load_tag2text", load)
    case = CASE["files"][name]
    scorer = scene.INFO.build(scene.SceneSettings(), context)
    [result] = scorer.score([Sample(read(case), metadata=scene.Place(scene=case["scene"]))])
    assert captions_of(result) == case["captions"]
    counted = zip(result.details["tags"], result.details["counts"], strict=True)
    assert [" | ".join(tags) for tags, count in counted for _ in range(count)] == case["tags"]
    assert_close("scene", result.value, case["value"])


@pytest.mark.parametrize("name", CASE["files"])
def test_its_tensors(name: str, weights: Path) -> None:
    clip, network = read(CASE["files"][name]), load(weights)
    looked_at = middle_frames(clip.frame_count, len(CASE["files"][name]["captions"]))
    frames = clip.frames[[looked_at[number] for number in STORED[name]]]
    tokens = network.image_tokens(tag2text_input(to_float(frames, "cpu")))
    assert_close("Tag2Text image tokens", tokens[:, ::12, ::8], EXPECTED[f"{name}.tokens"])
    assert_close("Tag2Text tag logits", network.tag_logits(tokens)[:, ::12], EXPECTED[f"{name}.logits"])
    ids = EXPECTED[f"{name}.ids"].long()
    states = network.states(tokens, ids, ids != PADDING)
    assert_close("Tag2Text states", states[:, ::5, ::2], EXPECTED[f"{name}.states"])
    _, logits = network.text_decoder.begin(states, PROMPT, RULES.longest)
    assert_close("Tag2Text first word", logits[:1, ::100], EXPECTED[f"{name}.first"][:1])


def test_many_names_are_beyond_ascii() -> None:
    named = {tag for case in CASE["files"].values() for tags in case["tags"] for tag in tags.split(" | ")}
    assert {"café", "İstanbul", "中文 x", "e\u0301clair"} <= named


@pytest.mark.slow
@pytest.mark.parametrize("name", CASE["files"])
def test_on_the_card_it_says_the_same(name: str, context: ScorerContext, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(captioner, "load_tag2text", load)
    case = CASE["files"][name]
    sample = Sample(read(case), metadata=scene.Place(scene=case["scene"]))
    with fake_card() as card:
        scorer = scene.INFO.build(scene.SceneSettings(), ScorerContext("cuda", context.asset))
        [result] = scorer.score([sample])
        assert card.peak > 0
    assert captions_of(result) == case["captions"]
    assert_close("scene", result.value, case["value"])
