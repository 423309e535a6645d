"""Training file -> TrainSpec, with inheritance, `--set` and errors that name file and line, as for suites."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nova_bench.config.loading import anchor_paths, check_section, inherit, named_file, with_assignments
from nova_bench.config.paths import beside
from nova_bench.config.suite_files import TRAININGS, find_suite
from nova_bench.config.yaml_source import Origin, Source, parse_assignment
from nova_bench.core.errors import SuiteError
from nova_bench.train.spec import AutoencoderSpec, SweepSpec, TrainSpec, TransformerSpec

_REMEDY = "nova_bench/train/spec.py documents every key"


def load_trainings(name: str, assignments: Sequence[str] = ()) -> tuple[TrainSpec, ...]:
    """Load the training ``name`` (a path, or a file name in `suites/train/`), or all trainings of a sweep.

    ``assignments`` are `--set` options (``a.b=c``), applied in order after inheritance. In a sweep, keys of the sweep
    itself change the sweep; all other keys change each training. Raises SuiteError with a message that begins with
    ``file:line``.
    """
    path = find_suite(name, TRAININGS)
    source = inherit(path, ())
    if "trainings" not in source.data:
        return (_training(source, assignments),)
    own = [text for text in assignments if parse_assignment(text)[0][0] in SweepSpec.model_fields]
    source = with_assignments(source, own)
    sweep = check_section(SweepSpec, source.data, (), source, _REMEDY)
    rest = [text for text in assignments if text not in own]
    files = [_file(name, source.origin(("trainings", index)), path) for index, name in enumerate(sweep.trainings)]
    specs = [(_training(inherit(file, ()), rest), seed) for file in files for seed in sweep.seeds]
    return tuple(spec.model_copy(update={"name": f"{spec.name}-s{seed}", "seed": seed}) for spec, seed in specs)


def load_training(name: str, assignments: Sequence[str] = ()) -> TrainSpec:
    """Load the only training of a file; arguments and errors as for :func:`load_trainings`."""
    spec, *others = load_trainings(name, assignments)
    if others:
        raise SuiteError(f"{name}: holds {1 + len(others)} trainings", "name the file of one of them")
    return spec


def _file(name: str, origin: Origin, sweep: Path) -> Path:
    """The training file ``name``; `--set trainings=[...]` may also name files beside the sweep, from any folder."""
    beside_it = sweep.parent / name
    return beside_it if beside_it.is_file() and not beside(name, origin.base).is_file() else named_file(name, origin)


def _training(source: Source, assignments: Sequence[str]) -> TrainSpec:
    source = with_assignments(source, assignments)
    data = dict(source.data)
    for name, section in (("autoencoder", AutoencoderSpec), ("transformer", TransformerSpec)):
        if name in data:
            data[name] = anchor_paths(section, data[name], (name,), source)
    return check_section(TrainSpec, data, (), source, _REMEDY)
