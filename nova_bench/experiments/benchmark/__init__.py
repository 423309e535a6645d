"""One model, scored: a suite of the kind `benchmark`, the default kind."""

from nova_bench.experiments.base import Experiment

EXPERIMENT = Experiment(
    name="benchmark",
    spec="nova_bench.config.suite:Suite",
    run=f"{__name__}.run:run_benchmark",
    preview=f"{__name__}.preview:preview_benchmark",
    report=f"{__name__}.report:report_benchmark",
    frame=f"{__name__}.frame:benchmark_frame",
)
