"""A training measures its loss on unseen clips, once, and the record keeps it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from nova_bench.train.record import read_record

ASKED = (
    "transformer.optimization.steps=4",
    "held_out={clips: 3, mask_ratios: [1.0, 0.5], repeat: 2, num_inference_steps: 2, num_diffusion_steps: 2}",
)


def test_the_record_has_a_loss_for_each_clip_ratio_and_frame(micro, finish, tmp_path: Path) -> None:
    folder = finish(micro(*ASKED), tmp_path)
    record = read_record(folder)
    assert record.held_out is not None
    true, own = (np.array(losses) for losses in (record.held_out.true_context, record.held_out.own_context))
    assert true.shape == own.shape == (3, 2, 2)
    assert (true > 0).all()
    np.testing.assert_allclose(true[..., 0], own[..., 0], err_msg="the first frame has no context")
    before = (folder / "record.json").read_bytes()
    finish(micro(*ASKED), tmp_path)
    assert (folder / "record.json").read_bytes() == before, "and isn't measured again"


def test_clips_may_be_longer_than_in_training(micro, finish, tmp_path: Path) -> None:
    folder = finish(micro(*ASKED), tmp_path)
    finish(micro(*ASKED, "held_out.num_frames=17"), tmp_path)  # asked for later, and measured then
    record = read_record(folder).held_out
    assert record is not None
    assert record.num_frames == 17
    assert record.extrapolation == "extend"
    true = np.array(record.true_context)
    assert true.shape == np.array(record.own_context).shape == (3, 2, 5)
    finish(micro(*ASKED, "held_out.num_frames=17", "held_out.extrapolation=interpolate"), tmp_path)
    other = read_record(folder).held_out
    assert other is not None
    assert other.extrapolation == "interpolate"


def test_without_temporal_autoregression_only_the_true_context(micro, finish, tmp_path: Path) -> None:
    record = read_record(finish(micro(*ASKED, "transformer.config.temporal_autoregressive=false"), tmp_path))
    assert record.held_out is not None
    assert np.array(record.held_out.true_context).shape == (3, 2, 2)
    assert record.held_out.own_context == ()


def test_nothing_is_measured_that_is_not_asked_for(trained: Path) -> None:
    assert read_record(trained).held_out is None
