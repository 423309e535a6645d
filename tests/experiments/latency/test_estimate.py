"""Expected time of a measurement: exact for a clock that is linear in frames and steps."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova_bench.experiments.latency import estimate
from nova_bench.experiments.latency.spec import MeasureSpec, Setting

FRAMES, STEPS = st.integers(0, 8), st.integers(1, 200)


@given(FRAMES, STEPS, st.floats(0.01, 5), st.floats(0.01, 50), st.integers(1, 5))
def test_it_is_what_a_linear_clock_will_show(frames, steps, step, once, repeats):
    def seconds(setting: Setting) -> float:
        return (1 + (setting.num_frames - 1) // 4) * (once + step * setting.num_inference_steps)

    setting = Setting(num_frames=1 + 4 * frames, num_inference_steps=steps)
    how = MeasureSpec(warmup=1, warmup_frames=1, repeats=repeats, seconds=1e9)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(estimate, "generate", lambda *_: None)
        patch.setattr(estimate, "_seconds", lambda pipeline, call: seconds(call))
        patch.setattr(estimate, "latent_frames", lambda pipeline, count: 1 + (count - 1) // 4)
        expected = estimate.expected_seconds(SimpleNamespace(pipeline=lambda _: None), setting, how)
    warmup = seconds(setting.model_copy(update={"num_frames": 1}))
    assert expected == pytest.approx(warmup + repeats * seconds(setting))
