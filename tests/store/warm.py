"""The command line in a process that has its imports behind it: killing it many times costs little."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path

PRELOADED = [
    "av",
    "matplotlib.pyplot",
    "torch",
    "nova_bench.cli",
    "nova_bench.run",
    "nova_bench.render.export",
    "nova_bench.render.figures",
    "nova_bench.render.html.report",
    "nova_bench.scorers.catalog",
    "nova_bench.video",
    "nova_bench_testkit",
]


def start(arguments: Sequence[object], folder: Path, output: Path, crash_at: int | None = None) -> BaseProcess:
    """Start `nova_bench ARGUMENTS` in ``folder``; its standard output and error go to the file ``output``.

    With ``crash_at``, it kills itself before the so-manieth sync or rename, counted from 0.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    process = context.Process(target=_command, args=([str(a) for a in arguments], folder, output, crash_at))
    process.start()
    return process


def finish(arguments: Sequence[object], folder: Path, output: Path) -> tuple[int, str]:
    """Run to the end; exit code and what it said."""
    process = start(arguments, folder, output)
    process.join(60)
    assert process.exitcode is not None, "still running"
    return process.exitcode, output.read_text()


def _command(arguments: list[str], folder: Path, output: Path, crash_at: int | None) -> None:
    os.chdir(folder)
    handle = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
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
