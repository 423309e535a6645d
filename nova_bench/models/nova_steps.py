"""Reports the parts of a generation as steps, so that who watches the process knows that it doesn't hang."""

from __future__ import annotations

from contextlib import AbstractContextManager

from torch import Tensor

from nova_bench.core.steps import report_step
from nova_bench.nova.observe import Observer, Watcher


class ReportedSteps(Observer):
    """Passes everything on to ``watcher``, and reports each region of ``what`` as a step."""

    def __init__(self, what: str, watcher: Watcher | None = None):
        self._what, self._watcher = what, watcher or Observer()

    def region(self, name: str) -> AbstractContextManager[None]:
        """Report the region's beginning."""
        report_step(f"{name} of {self._what}")
        return self._watcher.region(name)

    def record(self, name: str, value: Tensor) -> None:
        """Only passed on."""
        self._watcher.record(name, value)
