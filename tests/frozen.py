"""Imported last by the warm processes: what each of them would prepare in the same way is prepared here, once."""

import gc
from functools import cache
from importlib.resources import files

import typer.main

from nova_bench.cli import app
from nova_bench.gate.outputs.page import PACKAGE as VERDICT
from nova_bench.pipeline.failures import _code
from nova_bench.render.figure_spec import Group, MetricDistribution, Panel
from nova_bench.render.figures import figure_bytes
from nova_bench.render.html.page import HOME, _environment

typer.main.get_command = cache(typer.main.get_command)
typer.main.get_command(app)
for package in (HOME, VERDICT):
    for template in files(package).joinpath("templates").iterdir():
        if template.name.endswith(".j2"):
            _environment(package).get_template(template.name)
figure_bytes(MetricDistribution(id="warm", title="warm", panels=(Panel("warm", (Group("warm", (0, 1)),)),)), "svg")
_code()

gc.collect()  # so that no garbage collection looks at what was there before a fork
gc.freeze()
