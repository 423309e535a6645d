"""`nova_bench report`."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import typer

from nova_bench.cli import options
from nova_bench.cli.run import show_report
from nova_bench.config.catalog import FILE_NAMES
from nova_bench.core.errors import ExitCode, UserError
from nova_bench.core.progress import Progress
from nova_bench.core.registry import unknown_name
from nova_bench.core.standard_streams import print_line
from nova_bench.experiments.registry import report_run
from nova_bench.experiments.study.report import write_study_report
from nova_bench.experiments.study.together import study_of_runs
from nova_bench.pipeline.imported import import_results
from nova_bench.render.figures import write_figure
from nova_bench.report.reported import Reported
from nova_bench.report.writing import FOLDER
from nova_bench.store import Store


class Width(StrEnum):
    """Width of a figure in a paper of two columns."""

    SINGLE = "single"
    DOUBLE = "double"


WIDTHS: dict[Width, Literal["column", "page"]] = {Width.SINGLE: "column", Width.DOUBLE: "page"}


def _import(path: Path, suite: str, label: str, store: Path) -> str:
    """Import results into the store; the name of their run."""
    form = FILE_NAMES.get("vbench").results_file()
    assert form is not None, "VBench has results files"
    with Store.writer(store) as opened:
        return import_results(path, form, suite or form.suite, label, opened).run_name


def _redraw(reported: Reported, name: str, width: Width | None, folder: Path) -> ExitCode:
    """Draw one figure again, in another width; print where it is."""
    found = next((spec for spec in reported.figures if spec.id == name), None)
    if found is None:
        raise unknown_name("figure", name, [spec.id for spec in reported.figures])
    spec = found if width is None else replace(found, width=WIDTHS[width])
    for path in write_figure(spec, folder / FOLDER / "figures"):
        print_line(str(path))
    return ExitCode.PASS


def report(
    runs: Annotated[
        list[str] | None,
        typer.Argument(metavar="[RUN]...", help="Names or folders of runs; the newest if none is given."),
    ] = None,
    store: options.StoreFolder = options.DEFAULT_STORE,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder to write to instead of the run's own; one run only.")
    ] = None,
    import_: Annotated[
        Path | None,
        typer.Option(
            "--import",
            metavar="PATH",
            help="Results of VBench's own evaluator, NAME_eval_results.json or a folder of them: import them as a run.",
        ),
    ] = None,
    together: Annotated[
        bool,
        typer.Option(
            "--together", help="One report of all RUNs: their models in one table, compared on the prompts they share."
        ),
    ] = False,
    suite: Annotated[
        str, typer.Option("--suite", help="Suite whose final scores imported results are for; vbench if absent.")
    ] = "",
    label: Annotated[str, typer.Option("--label", help="The model's name in the tables of imported results.")] = "",
    figure: Annotated[
        str, typer.Option("--figure", metavar="NAME", help="Only redraw this figure of one run, as PDF, SVG and PNG.")
    ] = "",
    width: Annotated[
        Width | None,
        typer.Option("--width", help="With --figure: a column (3.3 in) or a page (6.8 in)."),
    ] = None,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
    open_: options.Open = False,
) -> ExitCode:
    """Rebuild tables, figures and the page of runs from the store. Needs no model and no GPU."""
    progress = Progress(quiet)
    names = [Path(name).name for name in runs or []]
    if import_ is not None:
        if names:
            raise UserError("--import takes no RUN", "import first, then report the other runs")
        names = [_import(import_, suite, label, store)]
    if together and len(names) < 2:
        raise UserError("--together needs two runs or more", "name them: nova_bench report RUN RUN --together")
    if out is not None and len(names) > 1 and not together:
        raise UserError("--out takes one run", "give a single RUN, add --together, or leave out --out")
    if figure and (len(names) > 1 or together):
        raise UserError("--figure takes one run", "give a single RUN")
    if width is not None and not figure:
        raise UserError("--width belongs to --figure", "report RUN --figure NAME --width single")
    code = ExitCode.PASS
    with Store.reader(store) as opened:
        if not names:
            names = [name for name, *_ in opened.run_names()[:1]]
        if not names:
            raise UserError(f"{store}: no runs yet", "python -m nova_bench run SUITE")
        if together:
            record = study_of_runs([opened.run(name) for name in names])
            folder = out or store / record.run_name
            return show_report(write_study_report(record, opened, folder, progress), progress, verbose, open_)
        for name in names:
            run = opened.run(name)
            folder = out or store / run.name
            reported = report_run(run, opened, folder, progress)
            if figure:
                return _redraw(reported, figure, width, folder)
            code = max(code, show_report(reported, progress, verbose, open_))
    return code
