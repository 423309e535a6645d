"""Several suites as one: run in turn, shown on one page."""

from nova_bench.experiments.base import Experiment

EXPERIMENT = Experiment(
    name="collection",
    spec=f"{__name__}.spec:Collection",
    run=f"{__name__}.run:run_collection",
    preview=f"{__name__}.preview:preview_collection",
    report=f"{__name__}.report:report_collection",
    frame=f"{__name__}.frame:collection_frame",
)
