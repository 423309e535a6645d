"""The measurements of a run of any kind, as a data frame."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from nova_bench.experiments.registry import frame_run
from nova_bench.store import Store

if TYPE_CHECKING:
    import pandas


def load(run: str | PathLike[str], store: str | PathLike[str] | None = None) -> pandas.DataFrame:
    """Load a run's measurements as a data frame: one row per sample and metric, or per timed call.

    ``run`` is the run's name or folder; ``store`` is the folder that holds the runs, by default the one around that
    folder, or ``runs``. Rows of a study name their arm, those of a collection their part. Raises StoreError if the
    run doesn't exist.
    """
    folder = Path(run)
    root = Path(store) if store is not None else folder.parent if folder.is_dir() else Path("runs")
    with Store.reader(root) as opened:
        return frame_run(opened.run(folder.name), opened)
