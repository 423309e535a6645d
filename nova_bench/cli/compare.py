"""`nova_bench compare`."""

from __future__ import annotations

from typing import Annotated

import typer

from nova_bench.cli import options, speed
from nova_bench.cli import verdict as shown
from nova_bench.config.suite import GateSpec
from nova_bench.core.errors import ExitCode, UserError
from nova_bench.core.progress import Progress
from nova_bench.experiments.base import Request
from nova_bench.experiments.benchmark.load import load_benchmark
from nova_bench.gate.compare import Options, compare_sides
from nova_bench.gate.media import Samples, media_of
from nova_bench.gate.noise import noise_of, with_noise
from nova_bench.gate.operands import Comparison, resolve_operands
from nova_bench.gate.verdict_file import Noise
from nova_bench.store import Store


def compare(
    a: Annotated[str, typer.Argument(metavar="A", help="A run, a store, a checkpoint, or a folder of media: the old.")],
    b: Annotated[str, typer.Argument(metavar="B", help="The same: the new one.")],
    suite: Annotated[str | None, typer.Option("--suite", metavar="SUITE", help="The suite that models run.")] = None,
    metrics: Annotated[
        str | None, typer.Option("--metrics", metavar="A,B", help="Scorers for two folders; default: all that can.")
    ] = None,
    accept: shown.Accept = None,
    missing: shown.Missing = None,
    strict: shown.Strict = False,
    noise: shown.Seeds = 0,
    json: shown.Json = None,
    junit: shown.JUnit = None,
    html: shown.Html = None,
    markdown: shown.Markdown = None,
    limit: options.Limit = None,
    set_: options.Assignments = None,
    device: options.Device = None,
    store: options.StoreFolder = options.DEFAULT_STORE,
    quiet: options.Quiet = False,
    suites: options.Suites = None,
    speed_: speed.Speed = False,
    python_a: speed.PythonA = None,
    python_b: speed.PythonB = None,
    starts: speed.Starts = None,
    pairs: speed.Pairs = None,
    seconds: speed.Seconds = None,
    speed_margin: speed.Margin = None,
    stall_seconds: speed.StallSeconds = None,
    clock: speed.ClockOption = None,
) -> ExitCode:
    """Compare two runs, models or folders: paired statistics, and a verdict for each metric."""
    execution = options.given(device=device or None)
    request = Request(suite or "", store, None, set_ or (), execution, limit)
    progress = Progress(quiet)
    timing = speed.Timing(python_a, python_b, starts, pairs, seconds, speed_margin, stall_seconds, clock)
    if speed_:
        speed.refuse(
            {
                "--metrics": metrics,
                "--accept": accept,
                "--missing": missing,
                "--noise": noise,
                "--junit": junit,
                "--html": html,
                "--markdown": markdown,
                "--limit": limit,
            },
            "not for times (--speed)",
            "leave it out",
        )
        return speed.show_speed(timing.request(a, b, request, strict), json, progress)
    speed.refuse(timing.given, "only for times", "add --speed")
    old, new = resolve_operands(Comparison(a, b, request, options.names(metrics, "--metrics")), progress)
    gate = load_benchmark(request).gate if suite else new.gate
    rule = shown.missing_rule(missing)
    gate = GateSpec.model_validate({**gate.model_dump(), "missing": rule}) if rule else gate
    floor: dict[str, Noise] = {}
    if noise:
        if new.suite is None:
            raise UserError(
                f"--noise: {b} is not a model that can be run with other seeds", "a checkpoint, and --suite"
            )
        with Store.writer(store) as opened:
            floor = noise_of(new.suite, new.side, gate, noise, opened, progress)
    file = with_noise(compare_sides(old.side, new.side, Options(gate, shown.accepted(accept), strict)), floor)
    files = shown.Files(json, junit, html, markdown)
    media = media_of(Samples(new.store, new.run), Samples(old.store, old.run), new.side, old.side)
    return shown.show_verdict(file, files, media)
