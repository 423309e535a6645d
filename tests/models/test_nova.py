"""The nova adapter and `generate`, through the command line, on a small pipeline with random weights.

Random weights make noise: what is tested is which video comes out, never how good it is.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

PIPELINE = Path(__file__).parents[1] / "parity" / "vectors" / "t2v_abs_mixer" / "pipeline"
IMAGE_PIPELINE = PIPELINE.parents[1] / "t2i_abs" / "pipeline"
SAMPLING = {"num_inference_steps": 4, "num_diffusion_steps": 3, "num_frames": 5, "lossless": True}
FAST = ("--steps", 4, "--diffusion-steps", 3)
# float32 on the CPU: matrix products of another batch size round differently; bytes may differ by one level.
BATCH_TOLERANCE = 1


def nova_suite(write_suite, **keys):
    suite = {
        "model": {"adapter": "nova", "folder": str(PIPELINE)},
        "prompts": {"entries": ["a red cube", "two cats", "a house by the sea"]},
        "sampling": SAMPLING,
        "scorers": ["temporal_flickering"],
        **keys,
    }
    return write_suite(**suite)


def frames_of(path: Path) -> np.ndarray:
    from nova_bench.video import read_clip

    return read_clip(path).frames.numpy()


def videos(root: Path) -> dict[tuple[str, int], np.ndarray]:
    """(prompt, sample index) -> frames of the only run in a store."""
    from nova_bench.pipeline.record import plan_of
    from nova_bench.store import Store

    with Store.reader(root) as store:
        ((name, *_),) = store.run_names()
        units = plan_of(store.run(name)).units
        made = store.artifacts(unit.digest for unit in units)
        return {(unit.prompt, unit.sample_index): frames_of(made[unit.digest].path) for unit in units}


def test_generate_makes_the_video_that_the_pipeline_makes(cli, tmp_path):
    import torch

    from nova_bench.nova import NOVAPipeline

    result = cli("generate", "a red cube", "--model", PIPELINE, "--out", "x.mkv", "--frames", 9, "--seed", 5, *FAST)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("x.mkv: 9 frames")
    expected = NOVAPipeline.from_pretrained(PIPELINE)(
        "a red cube",
        num_inference_steps=4,
        num_diffusion_steps=3,
        max_latent_length=3,
        generator=torch.Generator().manual_seed(5),
        output_type="np",
        disable_progress_bar=True,
    )
    difference = frames_of(tmp_path / "x.mkv").astype(int) - expected.frames[0].astype(int)
    assert np.abs(difference).max() <= BATCH_TOLERANCE


def test_generate_continues_a_first_frame_and_names_the_parts_of_its_time(cli, tmp_path):
    from nova_bench.video import write_image

    frame = np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)
    write_image(tmp_path / "first.png", frame)
    result = cli("generate", "a cat", "--model", PIPELINE, "--image", "first.png", "--frames", 5, "--profile", *FAST)
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "nova.mp4").stat().st_size > 0
    lines = [line.split() for line in result.stderr.splitlines() if line.endswith(tuple("0123456789"))]
    shares = {words[0]: float(words[2]) for words in lines if len(words) == 3}
    assert {"text", "temporal", "spatial", "head", "vae", "total"} <= set(shares)
    assert sum(share for name, share in shares.items() if name != "total") == pytest.approx(100, abs=0.5)


def broken(tmp_path: Path, part: str, key: str, entry: int | None = None, value: float = float("nan")) -> Path:
    """A copy of the pipeline in which a weight (or one row of it) is ``value``."""
    from safetensors.torch import load_file, save_file

    folder = tmp_path / f"broken-{part}"
    shutil.copytree(PIPELINE, folder)
    (path,) = (folder / part).glob("*.safetensors")
    weights = load_file(path)
    (weights[key] if entry is None else weights[key][entry]).fill_(value)
    save_file(weights, path, metadata={"format": "pt"})
    return folder


@pytest.mark.parametrize(
    ("part", "key", "what"),
    [
        ("vae", "decoder.conv_out.bias", "decoded pixels"),
        ("transformer", "image_decoder.head.bias", "latents"),
        ("text_encoder", "model.final_layernorm.bias", "latents"),
    ],
)
def test_pixels_and_latents_that_are_not_finite_are_failed_samples(cli, tmp_path, write_suite, part, key, what):
    folder = broken(tmp_path, part, key)
    nova_suite(write_suite, model={"adapter": "nova", "folder": str(folder), "dtype": "bfloat16"})
    result = cli("run", "suite.yaml")
    assert result.returncode == 3, result.stderr
    assert "Traceback" not in result.stderr
    problem = f"the model's {what} are not finite (NaN or infinity), and neither are its weights {part}/{key}: "
    problem += "half precision (bfloat16) is the likely cause (try --set model.dtype=float32)"
    samples = next(tmp_path.glob("runs/*/report/samples.csv")).read_text()
    assert samples.count(problem) == 3
    result = cli("generate", "a cat", "--model", folder, "--out", "x.png", *FAST)
    assert result.returncode == 3
    assert result.stderr.splitlines()[-2:] == [
        f"error: the model's {what} are not finite (NaN or infinity), and neither are its weights {part}/{key}",
        "  try: get the checkpoint again, or use an earlier one of its training",
    ]
    assert not (tmp_path / "x.png").exists()


def test_one_sample_that_is_not_finite_fails_alone(cli, tmp_path, write_suite):
    """The tokens of one prompt have features that are infinite; the videos of the others are what they are alone."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(str(PIPELINE / "tokenizer"))
    prompts = ["a red cube", "two cats", "a house by the sea"]
    tokens = [set(tokenizer(prompt)["input_ids"]) for prompt in prompts]
    own = next(iter(tokens[1] - tokens[0] - tokens[2]))
    folder = broken(tmp_path, "text_encoder", "model.embed_tokens.weight", own, float("inf"))
    nova_suite(write_suite, model={"adapter": "nova", "folder": str(folder)}, execution={"batch_size": 3})
    assert cli("run", "suite.yaml", "--store", "broken").returncode == 3
    with (tmp_path / "suite.yaml").open("a") as stream:
        stream.write(f"model: {{adapter: nova, folder: '{PIPELINE}'}}\n")
    nova_suite(write_suite, execution={"batch_size": 3})
    assert cli("run", "suite.yaml", "--store", "sound").returncode == 0
    sound = videos(tmp_path / "sound")
    from nova_bench.pipeline.record import plan_of
    from nova_bench.store import Artifact, Store

    with Store.reader(tmp_path / "broken") as store:
        ((name, *_),) = store.run_names()
        units = plan_of(store.run(name)).units
        made = store.artifacts(unit.digest for unit in units)
        for unit in units:
            artifact = made[unit.digest]
            if unit.prompt == "two cats":
                assert "latents are not finite" in artifact.error
            else:
                assert isinstance(artifact, Artifact)
                assert (frames_of(artifact.path) == sound[unit.prompt, 0]).all()


def test_a_first_frame_of_another_size_fails_alone(cli, tmp_path, write_suite):
    from nova_bench.video import write_image

    rng = np.random.default_rng(0)
    write_image(tmp_path / "right.png", rng.integers(0, 256, (64, 96, 3), dtype=np.uint8))
    write_image(tmp_path / "wrong.png", rng.integers(0, 256, (64, 64, 3), dtype=np.uint8))
    entries = [{"text": "a cat", "image": "right.png"}, {"text": "a dog", "image": "wrong.png"}, "a cow"]
    nova_suite(write_suite, prompts={"entries": entries})
    result = cli("run", "suite.yaml")
    assert result.returncode == 3, result.stderr
    assert [prompt for prompt, _ in videos_made(tmp_path / "runs")] == ["a cat", "a cow"]
    assert "wrong.png: the first frame is 64x64, but this checkpoint makes 96x64" in result.stderr


def videos_made(root: Path) -> list[tuple[str, int]]:
    """(prompt, sample index) of what a store's only run could make."""
    from nova_bench.pipeline.record import plan_of
    from nova_bench.store import Artifact, Store

    with Store.reader(root) as store:
        ((name, *_),) = store.run_names()
        units = plan_of(store.run(name)).units
        made = store.artifacts(unit.digest for unit in units)
        return [(unit.prompt, unit.sample_index) for unit in units if isinstance(made[unit.digest], Artifact)]


@pytest.mark.parametrize("option", ["--motion", "--guidance"])
@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "1e999"])
def test_an_option_that_is_not_finite_is_refused(cli, option, value):
    result = cli("generate", "a cat", "--model", PIPELINE, f"{option}={value}", *FAST)
    assert (result.returncode, result.stdout) == (2, "")
    assert option in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("out", "frames", "kind", "count"),
    [
        ("X.PNG", (), b"\x89PNG", 1),
        ("x.Mkv", ("--frames", 5), b"\x1aE\xdf\xa3", 5),
        ("x.MP4", ("--frames", 1), b"ftyp", 1),
        ("x.png", ("--frames", 1), b"\x89PNG", 1),
    ],
)
def test_the_file_that_is_asked_for_is_made(cli, tmp_path, out, frames, kind, count):
    result = cli("generate", "a cat", "--model", PIPELINE, "--out", out, *frames, *FAST)
    assert result.returncode == 0, result.stderr
    assert kind in (tmp_path / out).read_bytes()[:12]
    assert len(frames_of(tmp_path / out)) == count
    assert [path.name for path in tmp_path.iterdir()] == [out]


def test_generate_makes_an_image_with_an_image_model(cli, tmp_path):
    result = cli("generate", "a cat", "--model", IMAGE_PIPELINE, "--out", "x.png", *FAST)
    assert result.returncode == 0, result.stderr
    assert frames_of(tmp_path / "x.png").shape == (1, 64, 64, 3)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("--model", "nothing-here"), "no such folder, manifest or checkpoint"),
        (("--model", "someone/something"), "isn't on this machine"),
        (("--model", PIPELINE, "--frames", 10), "nearest: 9 or 13"),
        (("--model", PIPELINE, "--out", "x.avi"), "unknown file type"),
        (("--model", PIPELINE, "--out", "x"), "unknown file type"),
        (("--model", PIPELINE, "--out", "x.png", "--frames", 9), "a picture holds one frame"),
        (("--model", PIPELINE, "--out", "gone/x.mp4"), "no folder gone"),
        (("--model", PIPELINE, "--seed", 10**23), "--seed"),
        (("--model", PIPELINE, "--seed", -1), "--seed"),
        (("--model", PIPELINE, "--frames", 10**18), "--frames"),
        (("--model", "~nosuchuser/x"), "no such folder"),
        (("--model", PIPELINE, "--image", "gone.png"), "gone.png"),
        (("--model", PIPELINE, "--dtype", "int8"), "dtype"),
        (("--model", PIPELINE, "--extrapolation", "magic"), "extrapolation"),
        (("--model", IMAGE_PIPELINE, "--frames", 5), "nearest: 1"),
    ],
)
def test_a_mistake_is_one_line_with_a_remedy(cli, arguments, problem):
    result = cli("generate", "a cat", *arguments, *FAST)
    assert result.returncode in (2, 3)
    assert problem in result.stderr
    assert "Traceback" not in result.stderr


def test_a_damaged_checkpoint_is_named(cli, tmp_path):
    broken = shutil.copytree(PIPELINE, tmp_path / "broken")
    weights = broken / "transformer" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    result = cli("generate", "a cat", "--model", broken, *FAST)
    assert result.returncode == 2
    assert "diffusion_pytorch_model.safetensors" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_samples_video_does_not_depend_on_its_batch(cli, write_suite, tmp_path):
    made = {}
    for size in (1, 3):
        root = tmp_path / f"runs{size}"
        result = cli("run", nova_suite(write_suite), "--batch-size", size, "--store", root, "--device", "cpu")
        assert result.returncode == 0, result.stderr
        made[size] = videos(root)
    assert made[1].keys() == made[3].keys()
    for key, frames in made[1].items():
        assert np.abs(frames.astype(int) - made[3][key].astype(int)).max() <= BATCH_TOLERANCE
    first, second, _ = made[1].values()
    assert np.abs(first.astype(int) - second.astype(int)).max() > 10, "two prompts must not give one video"


def test_text_and_image_prompts_share_a_batch(cli, write_suite, tmp_path):
    from nova_bench.video import write_image

    frame = np.full((64, 96, 3), 128, dtype=np.uint8)
    write_image(tmp_path / "first.png", frame)
    prompts = {"entries": ["a cat", {"text": "a dog", "image": "first.png"}]}
    result = cli("run", nova_suite(write_suite, prompts=prompts), "--device", "cpu")
    assert result.returncode == 0, result.stderr
    assert {frames.shape for frames in videos(tmp_path / "runs").values()} == {(5, 64, 96, 3)}


def test_another_checkpoint_or_setting_makes_other_units_and_the_same_files_elsewhere_the_same(write_suite, tmp_path):
    from nova_bench.config.loading import load_suite
    from nova_bench.core.identity import file_digest
    from nova_bench.pipeline.generate_worker import build_adapter
    from nova_bench.pipeline.plan import make_plan

    def units(folder: Path, *assignments: str) -> list[str]:
        suite = load_suite(
            str(nova_suite(write_suite, model={"adapter": "nova", "folder": str(folder)})),
            ["execution.device=cpu", *assignments],
        )
        plan = make_plan(suite, build_adapter(suite, file_digest, print), file_digest, lambda name: "")
        return [unit.digest for unit in plan.units]

    copy = shutil.copytree(PIPELINE, tmp_path / "copy")
    reference = units(PIPELINE)
    assert units(copy) == reference
    assert units(PIPELINE, "model.vae_batch_size=4", "execution.batch_size=2") == reference
    for change in ("model.dtype=bfloat16", "model.vae_tiling=true", "sampling.guidance_scale=3", "seed=2"):
        assert set(units(PIPELINE, change)).isdisjoint(reference), change
    config = copy / "scheduler" / "scheduler_config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "clip_sample": True}))
    assert set(units(copy)).isdisjoint(reference)


def test_a_suite_for_another_size_is_refused(cli, write_suite):
    result = cli("run", nova_suite(write_suite, sampling={**SAMPLING, "height": 480, "width": 768}))
    assert result.returncode == 2
    assert "this checkpoint makes 96x64" in result.stderr
