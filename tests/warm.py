"""The command line in processes that have their imports behind them: most of what a short command costs.

A server that has imported the heavy libraries forks a process per command, which is otherwise what
`python -m nova_bench` is: own working directory, environment, outputs and exit code, and it can be killed.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import tempfile
from collections.abc import Mapping, Sequence
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from subprocess import CompletedProcess

from nova_bench.config.catalog import ADAPTERS, COMPOSITES, EXPERIMENTS, PROMPT_SOURCES, SCORERS

# The hub's library is imported with transformers, and reads HF_HOME and the like only then: who sets such a variable
# needs a fresh process.
PRELOADED = [
    "av",
    "cv2",
    "fontTools.subset",
    "matplotlib.backends.backend_agg",
    "matplotlib.backends.backend_pdf",
    "matplotlib.backends.backend_svg",
    "matplotlib.pyplot",
    "scipy.optimize",
    "scipy.stats",
    "tabulate",
    "torch",
    "transformers",
    "transformers.models.codegen.tokenization_codegen",
    "transformers.models.phi.modeling_phi",
    "nova_bench.cli",
    "nova_bench.experiments.registry",
    "nova_bench.models.nova",
    "nova_bench.nova",
    "nova_bench.render.export",
    "nova_bench.render.figures",
    "nova_bench.render.html.report",
    "nova_bench.pipeline.run",
    "nova_bench.train.run",
    "nova_bench.video",
    "nova_bench_testkit",
    "tests.train.conftest",
    *{
        path.partition(":")[0]
        for registry in (ADAPTERS, COMPOSITES, PROMPT_SOURCES, SCORERS)
        for path in registry.built_in.values()
    },
    *{path.partition(":")[0] for kind in EXPERIMENTS.own().values() for path in (kind.run, kind.preview, kind.report)},
    "tests.frozen",
]
# Only something that hangs takes longer, however slow or busy the machine; below pytest's own limit for a test.
PATIENCE_SECONDS = 300


def server() -> ForkServerContext:
    """Where warm processes come from; started by the first of them."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    return context


def start(
    arguments: Sequence[object],
    folder: Path,
    output: Path,
    errors: Path | None = None,
    environment: Mapping[str, str] | None = None,
    crash_at: int | None = None,
) -> BaseProcess:
    """Start `nova_bench ARGUMENTS` in ``folder``; its standard output and error go to the file ``output``.

    Its standard error goes to a file of its own with ``errors``. With ``crash_at``, it kills itself before the
    so-manieth sync or rename, counted from 0.
    """
    texts = [str(argument) for argument in arguments]
    variables = dict(os.environ if environment is None else environment)
    process = server().Process(target=_command, args=(texts, folder, output, errors or output, variables, crash_at))
    process.start()
    return process


def finish(arguments: Sequence[object], folder: Path, output: Path) -> tuple[int, str]:
    """Run to the end; exit code and what it said."""
    process = start(arguments, folder, output)
    return _end(process), output.read_text()


def run(arguments: Sequence[object], folder: Path, environment: Mapping[str, str]) -> CompletedProcess[str]:
    """Run to the end, as `subprocess.run` does."""
    with tempfile.TemporaryDirectory() as scratch:
        output, errors = Path(scratch, "output"), Path(scratch, "errors")
        code = _end(start(arguments, folder, output, errors, environment))
        return CompletedProcess(arguments, code, output.read_text(), errors.read_text())


def _end(process: BaseProcess) -> int:
    process.join(PATIENCE_SECONDS)
    if process.exitcode is None:
        process.kill()
        process.join()
        raise AssertionError(f"still running after {PATIENCE_SECONDS} s")
    return process.exitcode


def _command(
    arguments: list[str], folder: Path, output: Path, errors: Path, environment: dict[str, str], crash_at: int | None
) -> None:
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.path.insert(0, str(folder))  # as `python -m` does
    for path, standard in ((output, 1), (errors, 2)):
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | (0 if standard == 2 and errors == output else os.O_TRUNC)
        handle = os.open(path, flags)
        os.dup2(handle, standard)
        os.close(handle)
    if crash_at is not None:
        _crash_at(crash_at)
    sys.argv = ["nova_bench", *arguments]
    from nova_bench.cli import main

    main()


def _crash_at(step: int) -> None:
    """Replace what makes things durable by the same with a count, and SIGKILL at ``step``."""
    import itertools

    count = itertools.count()

    def counted(function):
        def call(*arguments, **options):
            if next(count) == step:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*arguments, **options)

        return call

    os.fsync, os.replace = counted(os.fsync), counted(os.replace)
