"""Suites of the kind `study`: several models or settings measured alike, in one store, with a joint report."""

from nova_bench.experiments.base import Experiment

EXPERIMENT = Experiment(
    name="study",
    spec=f"{__name__}.spec:Study",
    run=f"{__name__}.run:run_study",
    preview=f"{__name__}.preview:preview_study",
    report=f"{__name__}.report:report_study",
    frame=f"{__name__}.frame:study_frame",
)
