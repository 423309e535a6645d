"""nova_bench: benchmark and ablation harness for autoregressive video generation (NOVA, arXiv 2412.14169)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from os import PathLike

    import pandas

__version__ = "0.1.0"


def load(run: str | PathLike[str], store: str | PathLike[str] | None = None) -> pandas.DataFrame:
    """What a run measured as a data frame: a row for each sample and metric, or for each timed call.

    ``run`` is the run's name or folder; ``store`` is the folder that holds the runs, by default the one around that
    folder, or ``runs``. Rows of a study name their arm, those of a collection their part. Raises StoreError for a run
    that isn't there.
    """
    from pathlib import Path

    from nova_bench.experiments.registry import frame_run
    from nova_bench.store import Store

    folder = Path(run)
    root = Path(store) if store is not None else folder.parent if folder.is_dir() else Path("runs")
    with Store.reader(root) as opened:
        return frame_run(opened.run(folder.name), opened)
