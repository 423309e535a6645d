from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from nova_bench.nova import InputError, NotFiniteError, NOVAPipeline, Observer
from tests.nova.small import CONFIG, IMAGE_CONFIG, QUICK, generators, pipeline

ROUNDING = {"rtol": 1e-4, "atol": 2e-5}  # float32, other batch sizes use other kernels
PROMPTS = ("one", "two words", "three little words", "")
ARRANGEMENTS = {
    "published": {},
    "rotary": {"rotary_pos_embed": True},
    "without_tam": {"temporal_autoregressive": False},
    "without_tam_mixer": {"temporal_autoregressive": False, "video_mixer_rank": None},
    "pre_norm": {"norm_placement": "pre"},
    "post_norm": {"norm_placement": "post_after_residual"},
    "full_rank": {"video_mixer_rank": -1},
}


def latents(pipe: NOVAPipeline, prompt=None, **options) -> torch.Tensor:
    options = {"max_latent_length": 3, "output_type": "latent", **QUICK, **options}
    return pipe(prompt, **options).frames


@pytest.mark.parametrize("arrangement", ARRANGEMENTS)
@pytest.mark.parametrize("scheduler", ["ddpm", "flow"])
def test_a_sample_is_the_same_in_any_batch(arrangement, scheduler):
    pipe = pipeline(CONFIG.with_arrangement(**ARRANGEMENTS[arrangement]), scheduler)
    together = latents(pipe, list(PROMPTS[:3]), generator=generators(3, 4, 5), motion_flow=[1, 5, 9])
    assert together.isfinite().all()
    assert together.std() > 0.1
    for i, flow in enumerate((1, 5, 9)):
        alone = latents(pipe, PROMPTS[i], generator=generators(3 + i), motion_flow=flow)
        torch.testing.assert_close(together[i : i + 1], alone, **ROUNDING)
    reordered = latents(
        pipe, [PROMPTS[2], PROMPTS[0]], generator=generators(5, 3), motion_flow=[9, 1], negative_prompt=""
    )
    torch.testing.assert_close(reordered, together[[2, 0]], **ROUNDING)


@given(st.data())
@settings(deadline=None, max_examples=10)
def test_batches_under_any_guidance(data):
    options = data.draw(
        st.fixed_dictionaries(
            {
                "guidance_scale": st.sampled_from([1.0, 3.0]),
                "guidance_renorm": st.sampled_from([1.0, 0.5]),
                "guidance_trunc": st.sampled_from([0, 400]),
                "num_inference_steps": st.integers(1, 9),
                "num_images_per_prompt": st.sampled_from([1, 2]),
            }
        )
    )
    if options["guidance_scale"] > 1:
        options["image_guidance_scale"] = data.draw(st.sampled_from([0.0, 1.5]))
    prompts = data.draw(st.lists(st.sampled_from(PROMPTS), min_size=1, max_size=3))
    count = len(prompts) * options["num_images_per_prompt"]
    seeds = data.draw(st.lists(st.integers(0, 2**31), min_size=count, max_size=count))
    together = latents(pipeline(), prompts, generator=generators(*seeds), **options)
    chosen = data.draw(st.integers(0, count - 1))
    options["num_images_per_prompt"], prompt = 1, prompts[chosen // (count // len(prompts))]
    alone = latents(pipeline(), prompt, generator=generators(seeds[chosen]), **options)
    torch.testing.assert_close(together[chosen : chosen + 1], alone, **ROUNDING)


def test_random_draws_are_those_of_the_official_pipeline():
    """Order first, then noise per spatial step, and for DDPM noise after every diffusion step but the last."""
    pipe, generator, replay = pipeline(), *generators(11, 11)
    counts = [n for n in _counts(pipe) if n]
    latents(pipe, ["a", "b"], generator=generator)
    torch.rand(2, CONFIG.num_image_tokens, generator=replay)
    for _ in range(3 * len(counts)):
        for _ in range(1 + QUICK["num_diffusion_steps"] - 1):
            torch.randn(2, 4, *CONFIG.latent_size, generator=replay)
    assert torch.equal(generator.get_state(), replay.get_state())


def _counts(pipe):
    from nova_bench.nova.guidance import autoregressive_schedule

    return autoregressive_schedule(pipe.transformer.config.num_image_tokens, QUICK["num_inference_steps"])


def test_a_list_of_one_generator_is_that_generator():
    a, b = generators(1, 1)
    assert torch.equal(latents(pipeline(), "x", generator=a), latents(pipeline(), "x", generator=[b]))


@pytest.mark.parametrize("rule", ["interpolate", "extend", "window"])
def test_extrapolation_rules(rule):
    pipe, base = pipeline(), CONFIG.video_base_size[0]
    short = latents(pipe, "a", max_latent_length=base, generator=generators(2), extrapolation=rule)
    assert torch.equal(short, latents(pipe, "a", max_latent_length=base, generator=generators(2)))
    long = latents(pipe, "a", max_latent_length=2 * base, generator=generators(2), extrapolation=rule)
    assert long.shape[2] == 2 * base
    begins_alike = torch.allclose(long[:, :, :base], short, **ROUNDING)
    assert begins_alike == (rule != "interpolate")


@pytest.mark.parametrize("arrangement", ["published", "rotary", "post_norm"])
@pytest.mark.parametrize("rule", ["interpolate", "extend", "window"])
@pytest.mark.parametrize("options", [{}, {"guidance_scale": 1.0}, {"image_guidance_scale": 1.5}])
def test_the_cache_saves_work_and_changes_nothing(arrangement, rule, options):
    pipe = pipeline(CONFIG.with_arrangement(**ARRANGEMENTS[arrangement]))
    options = {"max_latent_length": 5, "extrapolation": rule, **options}
    expected = latents(pipe, "a", generator=generators(4), **options)
    torch.testing.assert_close(
        latents(pipe, "a", generator=generators(4), kv_cache=False, **options), expected, **ROUNDING
    )


def test_window_forgets_what_left_it():
    """A frame depends on text and the last `window` frames only."""
    pipe = pipeline()
    frames = [torch.randn(1, 4, *CONFIG.latent_size, generator=g) for g in generators(1, 2, 3, 4)]
    options = {"extrapolation": "window", "extrapolation_window": 1, "max_latent_length": 2}

    def last(known):
        return latents(pipe, "a", latents=known, generator=generators(9), **options)[:, :, -1]

    reference = last(frames)
    torch.testing.assert_close(last([frames[3], frames[0], frames[1], frames[3]]), reference, **ROUNDING)
    assert not torch.allclose(last([*frames[:3], frames[0]]), reference, atol=1e-2)


@pytest.mark.parametrize("dtype", ["int16", "uint16", "int32", "int64"])
def test_a_first_frame_may_be_integers_of_any_width(dtype):
    image = np.random.default_rng(0).integers(0, 256, (32, 64, 3), np.uint8)
    same = [latents(pipeline(), "a", image=frame, generator=generators(1)) for frame in (image, image.astype(dtype))]
    assert torch.equal(*same)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("output_type", ["np", "pil", "pt", "latent"])
@pytest.mark.parametrize("config", [CONFIG, IMAGE_CONFIG], ids=["video", "image"])
def test_a_sample_that_is_not_finite_costs_the_others_nothing(config, output_type, value):
    pipe, length = pipeline(config), config.video_base_size[0]
    embeds = [torch.zeros(3, 24), torch.zeros(3, 24), torch.full((3, 24), value)]
    options = {"max_latent_length": length, "output_type": output_type, "guidance_scale": 1.0, **QUICK}
    call = {"prompt_embeds": embeds, "generator": generators(1, 2, 3), **options}
    with pytest.raises(NotFiniteError, match=r"the latents of sample 2 are not finite .* 1 of 3 failed") as caught:
        pipe(**call)
    assert caught.value.faults == {2: "latents"}
    sound = pipe(prompt_embeds=embeds[:2], generator=generators(1, 2), **options)
    sound = sound.images if sound.frames is None else sound.frames
    for index, expected in enumerate(sound):
        found, expected = (
            torch.as_tensor(item if isinstance(item, torch.Tensor) else np.array(item)).float()
            for item in (caught.value.finished[index], expected)
        )
        torch.testing.assert_close(found, expected, atol=1.01, rtol=0)


def test_images_of_several_prompts():
    pipe = pipeline()
    images = [np.full((32, 64, 3), value, np.uint8) for value in (10, 200)]
    each = latents(pipe, ["a", "b"], image=images, generator=generators(1, 2))
    for i in range(2):
        one = latents(pipe, "ab"[i], image=images[i], generator=generators(1 + i))
        torch.testing.assert_close(each[i : i + 1], one, **ROUNDING)
    shared = latents(pipe, ["a", "b"], image=Image.fromarray(images[0]), generator=generators(1)[0])
    assert torch.equal(shared[0, :, 0], shared[1, :, 0])
    tensor = latents(pipe, ["a", "b"], image=torch.from_numpy(images[0]), generator=generators(1)[0])
    assert torch.equal(tensor, shared)


@pytest.mark.parametrize("arrangement", ["published", "without_tam"])
def test_continuation_keeps_what_is_given(arrangement):
    pipe = pipeline(CONFIG.with_arrangement(**ARRANGEMENTS[arrangement]))
    given_frames = [torch.randn(2, 4, *CONFIG.latent_size)]
    out = latents(pipe, ["a", "b"], latents=given_frames, generator=generators(1)[0])
    assert len(given_frames) == 1
    assert out.shape == (2, 4, 3, *CONFIG.latent_size)
    assert torch.equal(out[:, :, 0], given_frames[0])
    other = latents(pipe, ["a", "b"], latents=[given_frames[0] + 1], generator=generators(1)[0])
    assert not torch.allclose(out[:, :, 1:], other[:, :, 1:], atol=1e-3)
    stacked = latents(pipe, ["a", "b"], latents=out[:, :, :1], generator=generators(1)[0])
    assert torch.equal(stacked, out)


def test_outputs():
    pipe = pipeline()
    options = {"max_latent_length": 2, **QUICK}
    frames = {
        kind: pipe("a", output_type=kind, generator=generators(1), **options).frames for kind in ("pil", "np", "pt")
    }
    assert frames["np"].shape == (1, 5, 32, 64, 3)
    assert frames["np"].dtype == np.uint8
    assert np.array_equal(frames["pil"], frames["np"])
    pixels = (frames["pt"].movedim(1, -1) * 127.5 + 127.5).clamp(0, 255).byte().numpy()
    assert np.array_equal(pixels, frames["np"])
    both = pipe(["a", "b"], output_type="np", generator=generators(1, 2), vae_batch_size=2, **options).frames
    assert np.abs(both[:1].astype(int) - frames["np"]).max() <= 1


def test_images_are_pil():
    pipe = pipeline(IMAGE_CONFIG, "flow")
    pipe = NOVAPipeline(pipe.transformer, pipe.scheduler, _image_vae(), pipe.text_encoder, pipe.tokenizer)
    images = pipe("a", num_images_per_prompt=2, generator=generators(1, 2), **QUICK).images
    assert [image.size for image in images] == [(64, 32)] * 2
    with pytest.raises(InputError, match="an image model makes one frame"):
        pipe("a", max_latent_length=2, **QUICK)


def _image_vae():
    from nova_bench.nova.vae import vae_from_config

    blocks = {"down_block_types": ["DownEncoderBlock2D"] * 4, "up_block_types": ["UpDecoderBlock2D"] * 4}
    sizes = {"block_out_channels": [8] * 4, "norm_num_groups": 4, "layers_per_block": 1, "scaling_factor": 0.2}
    return vae_from_config({"_class_name": "AutoencoderKL", "latent_channels": 4, **blocks, **sizes})


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_follows_float32(dtype):
    reference = latents(pipeline(), "a", generator=generators(1), guidance_scale=2.0)
    torch.manual_seed(0)
    half = NOVAPipeline.from_config(CONFIG, dtype, vae=None)
    half.transformer.load_state_dict(pipeline().transformer.state_dict())
    half.text_encoder.load_state_dict(pipeline().text_encoder.state_dict())
    out = latents(half, "a", generator=generators(1), guidance_scale=2.0)
    assert out.dtype == dtype
    error = (out.float() - reference).std() / reference.std()
    assert error < (0.1 if dtype == torch.bfloat16 else 0.02)


class Regions(Observer):
    def __init__(self):
        self.entered, self.depth = [], 0

    def region(self, name):
        self.entered.append(name)
        return self

    def __enter__(self):
        self.depth += 1
        assert self.depth == 1, "regions overlap"

    def __exit__(self, *_):
        self.depth -= 1


@pytest.mark.parametrize("arrangement", ["published", "without_tam"])
def test_observer_sees_every_part(arrangement):
    regions = Regions()
    pipe = pipeline(CONFIG.with_arrangement(**ARRANGEMENTS[arrangement]))
    image = np.zeros((32, 64, 3), np.uint8)
    pipe("a", image=image, max_latent_length=2, observer=regions, generator=generators(1), **QUICK)
    assert set(regions.entered) == {"text", "temporal", "spatial", "head", "vae"}
    assert regions.entered[0] == "text"
    assert regions.entered[-1] == "vae"


def test_offload_changes_nothing_and_leaves_the_device_free():
    torch.manual_seed(0)
    pipe = pipeline()
    expected = latents(pipe, "a", generator=generators(1))
    offloaded = NOVAPipeline(pipe.transformer, pipe.scheduler, pipe.vae, pipe.text_encoder, pipe.tokenizer)
    offloaded.enable_model_cpu_offload("cpu")
    assert torch.equal(latents(offloaded, "a", generator=generators(1)), expected)
    assert {p.device.type for p in offloaded.transformer.parameters()} == {"cpu"}


def test_identical_prompts_are_encoded_once():
    pipe, seen = pipeline(), []
    hook = pipe.text_encoder.register_forward_hook(lambda _, args, out: seen.append(args[0]))
    try:
        rows = pipe.encode_prompt(["ab", "ab", "c"], None, num_images_per_prompt=2)
    finally:
        hook.remove()
    assert [len(ids) for ids in seen[0]] == [2, 1, 0]
    assert rows.shape == (12, CONFIG.text_token_len, CONFIG.text_token_dim)
    assert torch.equal(rows[0], rows[3])
    assert torch.equal(rows[6:], pipe.transformer.text_embed.weight[: CONFIG.text_token_len].expand(6, -1, -1))


def test_embeddings_stand_for_their_prompt():
    pipe = pipeline()
    features = pipe.text_encoder(pipe.tokenizer(["ab", "cde"])["input_ids"])
    for scale in (1.0, 4.0):
        a = latents(pipe, ["ab", "cde"], generator=generators(1)[0], guidance_scale=scale)
        b = latents(pipe, prompt_embeds=features, generator=generators(1)[0], guidance_scale=scale)
        torch.testing.assert_close(a, b, **ROUNDING)


def test_unknown_keywords_are_named_but_do_no_harm():
    with pytest.warns(UserWarning, match="ignores preset, seed"):
        latents(pipeline(), "a", seed=1, preset="x", generator=generators(1))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"prompt": None}, "give a prompt"),
        ({"prompt": []}, "give a prompt"),
        ({"prompt": [1]}, "a prompt is a string"),
        ({"prompt": ["a", "b", "c"], "negative_prompt": ["x", "y"]}, "2 negative prompts for 3 prompts"),
        ({"generator": generators(1, 2, 3)}, "3 generators for 1 samples"),
        ({"generator": 7}, "expected torch.Generator, not int"),
        ({"output_type": "mp4"}, "output_type 'mp4'"),
        ({"max_latent_length": 0}, "at least one latent frame"),
        ({"image": np.zeros((8, 8, 3), np.uint8)}, r"image has shape \(8, 8, 3\), expected \(32, 64, 3\)"),
        ({"image": [np.zeros((32, 64, 3), np.uint8)] * 2}, "2 images for 1 prompts"),
        ({"latents": [torch.zeros(1, 4, 3, 3)]}, r"a frame has shape \(1, 4, 3, 3\)"),
        ({"latents": [torch.zeros(1, 4, 4, 8)], "image": np.zeros((32, 64, 3))}, "not both"),
        ({"prompt_embeds": [torch.zeros(3, 5)]}, r"expected \[tokens, 24\]"),
        ({"motion_flow": [1.0, 2.0]}, "2 motion_flow values for 1 samples"),
        ({"num_images_per_prompt": 0}, "num_images_per_prompt must be"),
        ({"num_inference_steps": 0}, "num_inference_steps must be"),
        ({"extrapolation": "guess"}, "extrapolation 'guess'"),
        ({"extrapolation": "window", "extrapolation_window": 3}, "from 1 to 2"),
        ({"image_guidance_scale": 1, "spatiotemporal_guidance_scale": 1}, "can't be combined"),
        ({"guidance_scale": float("nan")}, "guidance: scale must be a finite number, not nan"),
        ({"guidance_trunc": float("inf")}, "guidance: truncation must be a finite number"),
        ({"motion_flow": float("nan")}, "motion_flow must be finite numbers"),
        ({"motion_flow": [float("-inf")]}, "motion_flow must be finite numbers"),
        ({"image": np.zeros((32, 64, 3), np.float32)}, "image holds float32, whose scale is unknown: give integers"),
        ({"image": torch.zeros(32, 64, 3).half()}, "image holds float16, whose scale is unknown"),
        ({"image": torch.zeros(32, 64, 3, dtype=torch.bool)}, "image holds bool"),
        ({"image": np.full((32, 64, 3), np.nan)}, "image holds float64, whose scale is unknown"),
        ({"image": np.full((32, 64, 3), 256)}, "image holds integers from 256 to 256: give integers 0..255"),
        ({"image": np.full((32, 64, 3), -1, np.int8)}, "image holds integers from -1 to -1"),
        ({"image": Image.new("F", (64, 32))}, "image has mode F, whose scale is unknown"),
        ({"image": Image.new("I;16", (64, 32))}, "image has mode I;16, whose scale is unknown"),
    ],
)
def test_impossible_calls_are_one_line_errors(options, message):
    with pytest.raises(InputError, match=message) as caught:
        latents(pipeline(), **{"prompt": "a", **options})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "options", [{"image_guidance_scale": 1.0}, {"extrapolation": "window", "max_latent_length": 5}]
)
def test_what_needs_temporal_autoregression_says_so(options):
    pipe = pipeline(CONFIG.with_arrangement(temporal_autoregressive=False))
    with pytest.raises(InputError, match="needs temporal autoregression"):
        latents(pipe, "a", **options)


def test_a_checkpoint_by_name_gives_an_output_like_those_of_diffusers() -> None:
    output = NOVAPipeline.from_pretrained("nova-tiny")("a red circle", **{**QUICK, "max_latent_length": 1})
    assert output[0] is output.frames is output["frames"]
    assert output["images"] is None
    assert output.to_tuple() == (output.frames,)
