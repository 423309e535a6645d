"""Checkpoints whose files others wrote: giants, garbage and variants are refused at once, in one line."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nova_bench.nova import NOVAError, NOVAPipeline
from nova_bench.nova.checkpoint import WEIGHTS_NAME

PIPELINE = Path(__file__).parents[1] / "parity" / "vectors" / "t2v_abs_mixer" / "pipeline"
CONFIGS = {
    "transformer": "config.json",
    "vae": "config.json",
    "text_encoder": "config.json",
    "scheduler": "scheduler_config.json",
}


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return shutil.copytree(PIPELINE, tmp_path / "checkpoint")


def changed(folder: Path, part: str, change: Callable[[dict[str, Any]], Any]) -> Path:
    """The folder, with a configuration of the original's changed by ``change``."""
    config = json.loads((PIPELINE / part / CONFIGS[part]).read_text())
    change(config)
    path = folder / part / CONFIGS[part]
    path.write_text(json.dumps(config))
    return folder


def refusal(folder: Path) -> str:
    with pytest.raises(NOVAError) as caught:
        NOVAPipeline.from_pretrained(folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def arch(*names: str) -> Callable[[dict[str, Any]], None]:
    return lambda config: config.update(arch=list(names))


@pytest.mark.parametrize(
    ("part", "change", "message"),
    [
        ("text_encoder", lambda config: config.update(num_hidden_layers=10**9), "text encoder: 1,000,000,000 blocks"),
        ("text_encoder", lambda config: config.update(vocab_size=10**15), "GiB in half precision; this machine has"),
        ("text_encoder", lambda config: config.update(hidden_size=10**12), "GiB in half precision; this machine has"),
        ("transformer", arch("vit_d99999w192h6", "vit_d2w192h6", "mlp_d2w32"), "99,999 blocks (at most 4,096)"),
        ("transformer", arch("vit_d2w96h1", "vit_d2w96h1", "mlp_d999999999w1"), "999,999,999 blocks"),
        ("transformer", arch("vit_d64w999936h1", "vit_d1w999936h1", "mlp_d1w1"), "GiB in half precision; this"),
        ("vae", lambda config: config.update(layers_per_block=10**9), "blocks (at most 4,096)"),
        ("vae", lambda config: config.update(block_out_channels=[10**8] * 4), "GiB in half precision; this"),
    ],
)
def test_a_giant_is_refused_at_once_with_its_size_and_what_is_there(checkpoint, part, change, message) -> None:
    began = time.process_time()
    assert message in refusal(changed(checkpoint, part, change))
    assert time.process_time() - began < 5


@pytest.mark.parametrize("part", CONFIGS)
@pytest.mark.parametrize("text", ['{"a":' * 30_000, "[1]", "", "\ud800", '{"x": ' + "9" * 5000 + "}", "{'a': 1}"])
def test_a_configuration_that_is_no_json_object_is_named(checkpoint, part, text) -> None:
    path = checkpoint / part / CONFIGS[part]
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    assert refusal(checkpoint).startswith(f"{path}: ")


@pytest.mark.parametrize("share", [2, 1.3])
def test_a_text_encoder_that_could_not_compute_is_refused(checkpoint, share) -> None:
    folder = changed(checkpoint, "text_encoder", lambda config: config.update(partial_rotary_factor=share))
    assert "text encoder: rotary positions of " in refusal(folder)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=st.data(), part=st.sampled_from(sorted(CONFIGS)))
def test_any_value_of_any_key_loads_or_is_refused(checkpoint, data, part) -> None:
    values = st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**70), 2**70),
        st.floats(),
        st.text(max_size=5),
        st.lists(st.one_of(st.integers(-5, 10**10), st.text(max_size=3)), max_size=5),
        st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
        st.sampled_from(["vit_d9w9", "vit_d0w0h0", "mlp_d" + "9" * 400 + "w1", "AutoencoderKL", "DDPMScheduler"]),
    )

    def change(config: dict[str, Any]) -> None:
        key = data.draw(st.sampled_from(sorted(config)), "key")
        if data.draw(st.integers(0, 9)) == 0:
            del config[key]
        elif isinstance(config[key], list) and data.draw(st.booleans()):
            config[key][data.draw(st.integers(0, len(config[key]) - 1))] = data.draw(values)
        else:
            config[key] = data.draw(values, "value")

    for other in CONFIGS:
        changed(checkpoint, other, lambda config: None)
    try:
        pipeline = NOVAPipeline.from_pretrained(changed(checkpoint, part, change))
        pipeline("a", num_inference_steps=1, num_diffusion_steps=1, output_type="latent", disable_progress_bar=True)
    except NOVAError as error:
        problem = str(error)
    else:
        problem = ""
    assert "\n" not in problem


@pytest.mark.parametrize(
    ("there", "hint"),
    [
        ("diffusion_pytorch_model.fp16.safetensors", f"is there, a variant: rename it to {WEIGHTS_NAME}"),
        ("diffusion_pytorch_model.safetensors.index.fp16.json", f"rename it to {WEIGHTS_NAME}.index.json"),
        ("model.safetensors", f"rename it to {WEIGHTS_NAME} if"),
        ("diffusion_pytorch_model.bin", "is a pickle and isn't read"),
    ],
)
def test_what_lies_beside_missing_weights_is_named(checkpoint, there, hint) -> None:
    folder = checkpoint / "transformer"
    (folder / WEIGHTS_NAME).rename(folder / there)
    told = refusal(checkpoint)
    assert f"{folder}: neither {WEIGHTS_NAME} nor {WEIGHTS_NAME}.index.json is there; {there} is" in told
    assert hint in told
