"""Inference time of NOVA, part by part (App. D, Table 1): the suites of the kind `latency`."""

from nova_bench.experiments.base import Experiment

EXPERIMENT = Experiment(
    name="latency",
    spec=f"{__name__}.spec:LatencySuite",
    run=f"{__name__}.run:run_latency",
    preview=f"{__name__}.preview:preview_latency",
    report=f"{__name__}.report:report_latency",
    frame=f"{__name__}.frame:latency_frame",
)
