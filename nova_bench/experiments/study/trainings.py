"""The trainings of a study, setting by setting."""

from __future__ import annotations

from dataclasses import dataclass

from nova_bench.experiments.study.results import Setting
from nova_bench.train.record import TrainingRecord


@dataclass(frozen=True)
class Trainings:
    """The records of one setting by their seed."""

    setting: Setting
    records: dict[int, TrainingRecord]

    @property
    def label(self) -> str:
        """The setting's label."""
        return self.setting.label
