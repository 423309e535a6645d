"""Human action's rule: which labels count, at which probability, for which words in the prompt."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from nova_bench.config.catalog import SCORERS
from nova_bench.core.errors import UserError
from nova_bench.scorers.base import Sample, Score, ScorerContext
from nova_bench.scorers.vbench.human_action import Action, official_label, read_actions
from tests.scorers.conftest import clip_of

PROBABILITIES = {"action 7": 0.95, "action 3": 0.9, "high kick": 0.84996, "action 5": 0.8499, "action 6": 0.5}


class Certain(nn.Module):
    """A classifier with fixed probabilities; notes the shape of what it sees."""

    bytes_per_video = 1.0

    def __init__(self, probabilities: list[float]):
        super().__init__()
        self.logits = torch.tensor([math.log(p / (1 - p)) for p in probabilities], dtype=torch.float64)

    def forward(self, frames: Tensor) -> Tensor:
        assert frames.shape[1:] == (16, 3, 224, 224)
        return self.logits.expand(len(frames), -1)


@pytest.fixture
def actions(tmp_path: Path) -> Path:
    names = [f"Action {number}" for number in range(400)]
    names[4] = "high kick"
    path = tmp_path / "actions.txt"
    path.write_text("".join(f"{name}\t{number}\n" for number, name in enumerate(names)))
    return path


@pytest.fixture
def score(actions: Path, monkeypatch: pytest.MonkeyPatch):
    by_number = [PROBABILITIES.get(name, 0.01) for name in read_actions(actions)]
    monkeypatch.setattr("nova_bench.networks.weights.load_network", lambda *_: Certain(by_number))
    info = SCORERS.get("human_action")
    scorer = info.build(info.settings(), ScorerContext("cpu", lambda name: actions))
    clip = clip_of(np.zeros((3, 40, 30, 3), np.uint8))

    def of(action: str) -> Score:
        return scorer.score([Sample(clip, metadata=Action(action=action))])[0]

    return of


@pytest.mark.parametrize(
    ("action", "value"),
    [
        ("action 7", 1.0),
        ("ACTION 3", 1.0),
        ("a person is action 7", 1.0),
        ("high kick", 1.0),  # 0.84996 is 0.85 after rounding
        ("action 5", 0.0),  # 0.8499
        ("action 6", 0.0),
        ("action 8", 0.0),  # not among the five
    ],
)
def test_an_action_counts_among_the_five_from_085_on(score, action: str, value: float) -> None:
    result = score(action)
    assert result.value == value
    assert result.details["top"] == [[name, pytest.approx(round(p, 4))] for name, p in PROBABILITIES.items()]


def test_an_action_outside_the_list_is_not_measurable(score) -> None:
    result = score("high kicks")
    assert result.value is None
    assert result.reason == "'high kicks' is not one of Kinetics-400's actions; did you mean 'high kick'?"


def test_the_label_is_read_as_from_official_file_names() -> None:
    assert official_label("A person is Playing Harp-3") == "playing harp"
    assert official_label("A person is playing harp_0001") == "playing harp"


@pytest.mark.parametrize("content", ["", "a\t0\nb\t1\n", "a\n", "a\tone\n"])
def test_another_list_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "list.txt"
    path.write_text(content)
    with pytest.raises(UserError, match="not the list of Kinetics-400's actions"):
        read_actions(path)
