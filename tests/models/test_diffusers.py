"""The diffusers adapter and the models of suites/models, on random miniatures of the same classes.

Random weights make noise: what is tested is which image comes out, never how good it is.
"""

from __future__ import annotations

import inspect
import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from nova_bench.config.loading import load_suite
from nova_bench.config.suite import SamplingSpec
from nova_bench.config.suite_files import known_suites
from nova_bench.config.units import Unit
from nova_bench.core.errors import UserError
from nova_bench.core.identity import file_digest
from nova_bench.models.base import AdapterContext, Output
from nova_bench.models.diffusers import RESERVED, DiffusersAdapter
from nova_bench.models.optional_packages import PACKAGES, absent_packages
from nova_bench.models.shorthand import model_section
from tests.models.tiny_pipelines import SIDE, save

ENTRIES = sorted(known_suites("models"))
OPEN = [name for name in ENTRIES if model_section(name)["adapter"] == "diffusers"]
PROMPTS = ["a cat", "a very long sentence about several dogs of many colours in a small house", "two red cubes"]
# float32 on the CPU: matrix products of another batch size round differently.
BATCH_TOLERANCE = 1

needs_packages = pytest.mark.skipif(
    bool(absent_packages()), reason=f"needs {', '.join(absent_packages())}: pip install 'nova_bench[test]'"
)


@pytest.fixture(scope="session")
def miniature(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    folders: dict[str, Path] = {}

    def make(name: str) -> Path:
        if name not in folders:
            folders[name] = save(name, tmp_path_factory.mktemp(name))
        return folders[name]

    return make


def section(name: str, folder: Path, **sampling: Any) -> dict[str, Any]:
    """A model's section for its miniature: fewer steps and pixels, all other settings its own."""
    import diffusers

    own = model_section(name)
    kind = getattr(diffusers, own["pipeline"])
    arguments = own.get("arguments", {})
    if "use_resolution_binning" in inspect.signature(kind.__call__).parameters:
        arguments = {**arguments, "use_resolution_binning": False}  # its list has no size as small as this
    small = {**own["sampling"], "height": SIDE, "width": SIDE, "num_inference_steps": 2, **sampling}
    rest = {key: value for key, value in own.items() if key not in ("checkpoint", "dtype")}
    return {**rest, "folder": str(folder), "arguments": arguments, "sampling": small}


def adapter(
    write_suite: Callable[..., Path], model: dict[str, Any], device: str = "cpu", **keys: Any
) -> DiffusersAdapter:
    suite = load_suite(str(write_suite(model=model, scorers=[], sampling={"num_frames": 1}, **keys)))
    context = AdapterContext(suite, device, Path, file_digest, lambda *_, **__: None)
    return DiffusersAdapter(suite.model, context)  # type: ignore[arg-type]


def units(prompts: Sequence[str] = PROMPTS) -> list[Unit]:
    return [Unit(str(index), str(index), text, text, 0, 100 + index) for index, text in enumerate(prompts)]


def pixels(output: Output) -> Any:
    assert output.error is None, output.error
    assert output.frames is not None
    return output.frames.int()


@needs_packages
@pytest.mark.parametrize("name", OPEN)
def test_a_sample_is_the_same_in_a_batch_and_alone(name: str, miniature: Callable, write_suite: Callable) -> None:
    model = adapter(write_suite, section(name, miniature(name)))
    together = [pixels(output) for output in model.generate(units())]
    alone = [pixels(output) for unit in units() for output in model.generate([unit])]
    assert [tuple(image.shape) for image in together] == [(1, SIDE, SIDE, 3)] * 3
    assert max(int((a - b).abs().max()) for a, b in zip(together, alone, strict=True)) <= BATCH_TOLERANCE
    assert int((together[0] - together[1]).abs().max()) > 20  # other noise
    same_noise = Unit("x", "x", PROMPTS[1], PROMPTS[1], 0, units()[0].seed)
    assert int((pixels(next(model.generate([same_noise]))) - together[0]).abs().max()) > BATCH_TOLERANCE  # other text


@needs_packages
@pytest.mark.parametrize("name", OPEN)
def test_a_model_runs_from_suite_to_images(
    name: str, miniature: Callable, write_suite: Callable, tmp_path: Path
) -> None:
    from nova_bench.core.progress import Progress
    from nova_bench.pipeline.run import measure_suite
    from nova_bench.store import Artifact, Store
    from nova_bench.video import read_clip

    path = write_suite(
        model=section(name, miniature(name)),
        prompts={"entries": PROMPTS[:2], "samples_per_prompt": 2},
        sampling={"num_frames": 1, "num_inference_steps": 128, "num_diffusion_steps": 25},
        scorers=[],
        execution={"batch_size": 3},
    )
    with Store.writer(tmp_path / "store") as store:
        plan, _ = measure_suite(load_suite(str(path)), store, None, Progress(quiet=True))
        made = list(store.artifacts(unit.digest for unit in plan.units).values())
    assert len(made) == 4
    for artifact in made:
        assert isinstance(artifact, Artifact), artifact
        assert artifact.path.suffix == ".png"
        assert tuple(read_clip(artifact.path).frames.shape) == (1, SIDE, SIDE, 3)


@pytest.mark.parametrize("name", OPEN)
def test_a_model_asks_for_what_its_class_has(name: str, write_suite: Callable) -> None:
    from nova_bench.models.pipeline_calls import call_arguments
    from nova_bench.models.pipeline_loading import pipeline_class

    suite = load_suite(str(write_suite(sampling={"num_frames": 1, "motion_flow": 5})), model=model_section(name))
    options = suite.model
    arguments = call_arguments(pipeline_class(options.pipeline, Path(name)), suite.sampling, options.arguments)
    assert {"height", "width", "num_inference_steps", "guidance_scale"} <= arguments.keys()
    assert options.checkpoint
    assert "not stated" in options.settings_from


@pytest.mark.parametrize("name", ENTRIES)
def test_a_model_is_known_by_name_and_by_file(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert (
        model_section(name)
        == model_section(f"suites/models/{name}.yaml")
        == model_section(str(known_suites("models")[name]))
    )
    assert model_section(name)["label"]


def test_the_models_of_table_3_that_others_made_are_there() -> None:
    labels = {model_section(name)["label"] for name in ENTRIES}
    assert labels >= {"SD v1.5", "PixArt-α", "PixArt-Σ", "Lumina-Next", "SDXL", "Playground v2.5", "Hunyuan-DiT"}
    assert labels >= {"DALL-E 3", "SD3-medium", "Playground v3"}


def test_a_models_own_sampling_replaces_the_suites(write_suite: Callable) -> None:
    own = {"num_frames": 1, "num_inference_steps": 128, "num_diffusion_steps": 25, "guidance_scale": 7, "fps": 9}
    path = str(write_suite(sampling=own))
    suite = load_suite(path, model=model_section("sdxl"))
    stated = suite.sampling.model_dump(exclude_none=True)
    assert stated == {
        **{"num_frames": 1, "fps": 9, "lossless": False},
        **{"height": 1024, "width": 1024, "num_inference_steps": 50, "guidance_scale": 5.0},
    }
    changed = load_suite(path, ["sampling.num_inference_steps=7"], model_section("sdxl"))
    assert changed.sampling.num_inference_steps == 7


def test_plan_names_what_a_model_needs_without_importing_it(fresh_cli: Callable, write_suite: Callable) -> None:
    write_suite(scorers=[])
    result = fresh_cli("plan", "suite.yaml", "--model", "sdxl")
    assert result.returncode == 3, result.stderr
    repository = "stabilityai/stable-diffusion-xl-base-1.0"
    assert (
        f"missing: the checkpoint {repository} (download size unknown): python -m nova_bench assets fetch {repository}"
        in result.stdout
    )
    assert "those of the published DPG-Bench row are not stated" in result.stderr
    for name in ("sdxll", "suites/models/sdxll.yaml"):
        with pytest.raises(UserError, match=r"did you mean 'sdxl'\?"):
            model_section(name)


def test_absent_packages_are_an_error_with_the_command(
    miniature: Callable, write_suite: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PACKAGES, "beautifulsoup4", "no_such_module.at_all")
    model = adapter(write_suite, section("sd15", miniature("sd15")))
    with pytest.raises(UserError, match=r"need .*beautifulsoup4") as error:
        next(model.generate(units()))
    assert error.value.remedy == "pip install 'nova_bench[image-models]'"


def copy_of(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "copy"))


@needs_packages
def test_pixels_that_are_not_finite_are_failed_samples(
    miniature: Callable, write_suite: Callable, tmp_path: Path
) -> None:
    from safetensors.torch import load_file, save_file

    folder = copy_of(miniature("sd15"), tmp_path)
    weights = load_file(folder / "vae" / "diffusion_pytorch_model.safetensors")
    weights["decoder.conv_out.bias"].fill_(float("inf"))  # clamped, it would be plain white
    save_file(weights, folder / "vae" / "diffusion_pytorch_model.safetensors")
    outputs = list(adapter(write_suite, section("sd15", folder)).generate(units()))
    assert [str(output.error).partition(" (")[0] for output in outputs] == [
        "the model's decoded pixels are not finite"
    ] * 3


@needs_packages
@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"sampling": {"num_diffusion_steps": 25}}, "sampling.num_diffusion_steps: StableDiffusionPipeline has no"),
        ({"sampling": {"num_frames": 9}}, "makes images, but the suite asks for 9 frames"),
        ({"arguments": {"clean_captoin": True}}, "model.arguments.clean_captoin: StableDiffusionPipeline has no"),
        ({"scheduler": "DDIMScheduller"}, "did you mean 'DDIMScheduler'?"),
        ({"scheduler": "DDIMScheduler", "scheduler_options": {"beta": 1}}, "DDIMScheduler has no setting 'beta'"),
        ({"pipeline": "LuminaPipelin"}, "no pipeline 'LuminaPipelin'; did you mean 'LuminaPipeline'?"),
    ],
)
def test_settings_that_the_class_lacks_are_refused(
    change: dict, problem: str, miniature: Callable, write_suite: Callable
) -> None:
    model = adapter(write_suite, {**section("sd15", miniature("sd15")), **change})
    with pytest.raises(UserError) as error:
        list(model.generate(units()))
    assert problem in str(error.value)


def test_another_size_than_asked_for_ends_the_run() -> None:
    """As HunyuanDiTPipeline makes it, which replaces a size that is not in its list by one that is."""
    import numpy as np

    from nova_bench.models.pipeline_calls import pixels_of

    made = SimpleNamespace(images=np.zeros((1, 128, 64, 3), np.float32))
    sampling = SamplingSpec(num_frames=1, height=64, width=64)
    with pytest.raises(UserError, match=r"sampling asks for 1 x 64x64 .* but HunyuanDiTPipeline made 1 x 64x128"):
        list(pixels_of(made, 1, sampling, "HunyuanDiTPipeline"))


@pytest.mark.parametrize("key", sorted(RESERVED))
def test_what_a_unit_or_the_sampling_says_is_no_argument(key: str, write_suite: Callable) -> None:
    with pytest.raises(UserError, match=f"arguments: {key} can't be given here"):
        load_suite(str(write_suite(model={"adapter": "diffusers", "checkpoint": "a/b", "arguments": {key: 1}})))


def test_pickles_code_and_missing_parts_are_refused(miniature: Callable, write_suite: Callable, tmp_path: Path) -> None:
    from nova_bench.models.pipeline_files import pipeline_files

    folder = copy_of(miniature("sd15"), tmp_path)
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    weights.rename(weights.with_suffix(".bin"))
    with pytest.raises(UserError, match="pickled weights are never loaded"):
        pipeline_files(folder, None)
    weights.with_suffix(".bin").rename(weights)
    (folder / "unet" / "my_unet.py").write_text("raise SystemExit('remote code was run')")
    with pytest.raises(UserError, match="never run"):
        pipeline_files(folder, None)
    (folder / "unet" / "my_unet.py").unlink()
    (folder / "tokenizer" / "tokenizer.json").unlink()
    with pytest.raises(UserError, match="no vocabulary"):
        pipeline_files(folder, None)
    shutil.rmtree(folder / "tokenizer")
    with pytest.raises(UserError, match="no tokenizer/"):
        pipeline_files(folder, None)


@needs_packages
def test_weights_that_a_checkpoint_lacks_are_not_made_up(
    miniature: Callable, write_suite: Callable, tmp_path: Path
) -> None:
    from safetensors.torch import load_file, save_file

    folder = copy_of(miniature("sd15"), tmp_path)
    for part, file, name in (
        ("text_encoder", "model.safetensors", "final_layer_norm.weight"),
        ("unet", "diffusion_pytorch_model.safetensors", "conv_out.bias"),
    ):
        path = folder / part / file
        whole = load_file(path)
        save_file({key: value for key, value in whole.items() if not key.endswith(name)}, path, {"format": "pt"})
        with pytest.raises(UserError, match=r"weights are missing|can't be loaded"):
            next(adapter(write_suite, section("sd15", folder)).generate(units()))
        save_file(whole, path, {"format": "pt"})


def test_the_digest_is_of_content_and_settings(miniature: Callable, write_suite: Callable, tmp_path: Path) -> None:
    folder = copy_of(miniature("sd15"), tmp_path)
    own = section("sd15", folder)
    first = adapter(write_suite, own).digest()
    assert adapter(write_suite, section("sd15", miniature("sd15"))).digest() == first
    (folder / "README.md").write_text("changes nothing")
    assert adapter(write_suite, own).digest() == first
    digests = {first, adapter(write_suite, {**own, "scheduler": "DDIMScheduler"}).digest()}
    scheduler = folder / "scheduler" / "scheduler_config.json"
    scheduler.write_text(json.dumps({**json.loads(scheduler.read_text()), "beta_end": 0.02}))
    assert len({*digests, adapter(write_suite, own).digest()}) == 3


def test_a_folder_with_a_pipeline_is_recognized(miniature: Callable) -> None:
    folder = miniature("sdxl")
    expected = {"adapter": "diffusers", "folder": str(folder), "label": folder.name, "sampling": {}}
    assert model_section(str(folder)) == expected


@pytest.mark.slow
@needs_packages
def test_a_folder_with_a_pipeline_is_a_model(cli: Callable, write_suite: Callable, miniature: Callable) -> None:
    write_suite(scorers=[], prompts={"entries": ["a cat"]}, sampling={"num_frames": 1, "motion_flow": 5})
    small = ("--set", "sampling.num_inference_steps=2", "--set", "sampling.height=64", "--set", "sampling.width=64")
    result = cli("run", "suite.yaml", "--model", miniature("sdxl"), *small)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize(
    ("name", "cut"),
    [
        ("sd15", ["tokenizer's 77"]),
        ("sdxl", ["tokenizer's 77", "tokenizer_2's 77"]),
        ("pixart_alpha", ["tokenizer's 120"]),
        ("sd3_medium", ["tokenizer's 77", "tokenizer_2's 77"]),
        ("hunyuan_dit", ["tokenizer's 77"]),
    ],
)
def test_prompts_that_a_tokenizer_cuts_are_named(
    name: str, cut: list[str], miniature: Callable, write_suite: Callable
) -> None:
    """The miniatures' tokenizers read letter by letter."""
    from nova_bench.models.pipeline_prompts import notice_prompts

    model = adapter(write_suite, section(name, miniature(name)))
    told: list[str] = []
    notice_prompts(model._options, ["a cat", "abc " * 55], lambda text, *_: told.append(text))
    assert [text.partition(" tokens")[0] for text in told] == [f"1 of 2 prompts cut at {limit}" for limit in cut]


def test_clips_old_files_are_read_as_transformers_reads_them(tmp_path: Path) -> None:
    """Stable Diffusion's repository has a vocabulary and merges, and no tokenizer.json."""
    from transformers import CLIPTokenizer

    from nova_bench.models.prompt_notices import open_tokenizer

    tokens = [
        "c",
        "a",
        "t</w>",
        "at</w>",
        "1</w>",
        ",</w>",
        "d",
        "o",
        "g</w>",
        "a</w>",
        "<|startoftext|>",
        "<|endoftext|>",
    ]
    vocab = {token: index for index, token in enumerate(tokens)}
    (tmp_path / "vocab.json").write_text(json.dumps(vocab))
    (tmp_path / "merges.txt").write_text("#version: 0.2\na t</w>\n")
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "CLIPTokenizer"}))
    texts = ["a Cat, 11  dog", "cat"]
    theirs = CLIPTokenizer(vocab=vocab, merges=[("a", "t</w>")])(texts)["input_ids"]
    ours = open_tokenizer(tmp_path)
    assert ours is not None
    assert ours(texts, None) == theirs
    assert (
        ours(texts, 4)
        == CLIPTokenizer(vocab=vocab, merges=[("a", "t</w>")])(texts, truncation=True, max_length=4)["input_ids"]
    )


@needs_packages
def test_t5s_old_file_is_read_as_sentencepiece_reads_it(tmp_path: Path) -> None:
    """PixArt's repository has T5's vocabulary in sentencepiece's own format, and no tokenizer.json."""
    from sentencepiece import SentencePieceProcessor, SentencePieceTrainer

    from nova_bench.models.prompt_notices import open_tokenizer

    SentencePieceTrainer.train(
        sentence_iterator=iter(["a red cat on a red mat", "two cats and a dog"] * 20),
        model_prefix=str(tmp_path / "spiece"),
        vocab_size=30,
        hard_vocab_limit=False,
        pad_id=0,
        eos_id=1,
        unk_id=2,
        bos_id=-1,
        minloglevel=2,
    )
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "T5Tokenizer"}))
    pieces = SentencePieceProcessor(model_file=str(tmp_path / "spiece.model"))
    ours = open_tokenizer(tmp_path)
    assert ours is not None
    texts = ["a cat", "two red dogs on a mat"]
    whole = [[*pieces.encode(text), 1] for text in texts]
    assert ours(texts, None) == whole
    assert len(whole[1]) > 6
    assert ours(texts, 6) == [whole[0], [*whole[1][:5], 1]]
