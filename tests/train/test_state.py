"""Logs and states after a kill."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from nova_bench.core.errors import UserError
from nova_bench.train.state import TrainingLog, load_state, read_log, save_state


def test_log_forgets_steps_after_the_resumed_one(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    log = TrainingLog(path, 0)
    for step in range(1, 6):
        log.write(step=step, loss=1.0 / step)
    log.close()
    log = TrainingLog(path, 3)
    log.write(step=4, loss=7.0)
    log.close()
    assert [(record["step"], record["loss"]) for record in read_log(path)][2:] == [(3, 1 / 3), (4, 7.0)]


def test_torn_last_line_is_dropped(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text('{"step": 1, "loss": 2.0}\n{"step": 2, "lo')
    assert read_log(path) == [{"step": 1, "loss": 2.0}]
    log = TrainingLog(path, 1)
    log.write(step=2, loss=3.0)
    log.close()
    assert [record["step"] for record in read_log(path)] == [1, 2]


def test_state_of_other_settings_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "stage.pt"
    save_state(path, {"identity": '{"seed": 1, "data": {"clips": 3}}', "weights": {"w": torch.ones(2)}})
    assert load_state(path, {"seed": 1, "data": {"clips": 3}})["weights"]["w"].tolist() == [1.0, 1.0]
    with pytest.raises(UserError, match=r"begun with another data\.clips"):
        load_state(path, {"seed": 1, "data": {"clips": 4}})


def test_no_state_yet(tmp_path: Path) -> None:
    assert load_state(tmp_path / "stage.pt", {}) is None
