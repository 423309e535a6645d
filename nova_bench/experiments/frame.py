"""What a run of any kind measured, as a data frame."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from nova_bench.experiments.registry import frame_run
from nova_bench.store import Store

if TYPE_CHECKING:
    import pandas


def load(run: str | PathLike[str], store: str | PathLike[str] | None = None) -> pandas.DataFrame:
    """What a run measured as a data frame: a row for each sample and metric, or for each timed call.

    ``run`` is the run's name or folder; ``store`` is the folder that holds the runs, by default the one around that
    folder, or ``runs``. Rows of a study name their arm, those of a collection their part. Raises StoreError for a run
    that isn't there.
    """
    folder = Path(run)
    root = Path(store) if store is not None else folder.parent if folder.is_dir() else Path("runs")
    with Store.reader(root) as opened:
        return frame_run(opened.run(folder.name), opened)
