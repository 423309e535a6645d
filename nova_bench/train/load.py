"""Training file -> TrainSpec, with inheritance, `--set` and errors that name file and line, as for suites."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from nova_bench.config.loading import anchor_paths, check_section, inherit, named_file, with_assignments
from nova_bench.config.paths import beside
from nova_bench.config.suite_files import TRAININGS, find_suite
from nova_bench.config.yaml_source import Origin, Source, key_path, parse_assignment
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
    rest = [text for text in assignments if text not in own]
    specs = _sweep(with_assignments(source, own), path, rest, (path,))
    names = [spec.name for spec in specs]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise SuiteError(f"{path}: two trainings are called {twice}", "give each file a `name` of its own")
    return specs


def _sweep(source: Source, path: Path, assignments: Sequence[str], above: tuple[Path, ...]) -> tuple[TrainSpec, ...]:
    """All trainings of a sweep; ``above`` are the sweeps that it is part of, and itself."""
    sweep = check_section(SweepSpec, source.data, (), source, _REMEDY)
    specs: list[TrainSpec] = []
    for index, name in enumerate(sweep.trainings):
        origin = source.origin(("trainings", index))
        file = _file(name, origin, path)
        inner = inherit(file, ())
        if file in above:
            raise SuiteError(f"{origin.where}: {name} is part of itself", "name training files")
        if "trainings" in inner.data:
            if sweep.learning_rates or sweep.set or sweep.suffix:
                raise SuiteError(
                    f"{origin.where}: {name} is a sweep, which only `seeds` may change",
                    "move learning_rates, set and suffix into its own file",
                )
            if sweep.seeds:
                place = source.origin(("seeds",))
                inner = inner.with_value(("seeds",), list(sweep.seeds), place.where, place.base)
            specs += _sweep(inner, file, assignments, (*above, file))
            continue
        if not sweep.seeds:
            where = source.origin(("seeds",)).where
            raise SuiteError(f"{where}: a sweep of training files needs seeds", "such as seeds: [1, 2, 3]")
        for key, value in sweep.set.items():
            place = source.origin(("set", key))
            inner = inner.with_value(key_path(key), value, place.where, place.base)
        spec = _training(inner, assignments)
        specs += [
            _variant(spec, sweep.suffix, rate, seed) for rate in sweep.learning_rates or (None,) for seed in sweep.seeds
        ]
    return tuple(specs)


def _variant(spec: TrainSpec, suffix: str, rate: float | None, seed: int) -> TrainSpec:
    name = f"{spec.name}{suffix}" if rate is None else f"{spec.name}{suffix}-lr{rate:g}"
    changed = {"name": f"{name}-s{seed}", "seed": seed}
    if rate is None:
        return spec.model_copy(update=changed)
    optimization = spec.transformer.optimization.model_copy(update={"learning_rate": rate})
    transformer = spec.transformer.model_copy(update={"optimization": optimization})
    return spec.model_copy(update={**changed, "transformer": transformer})


def load_training(name: str, assignments: Sequence[str] = ()) -> TrainSpec:
    """Load the only training of a file; arguments and errors as for :func:`load_trainings`."""
    spec, *others = load_trainings(name, assignments)
    if others:
        raise SuiteError(f"{name}: holds {1 + len(others)} trainings", "name the file of one of them")
    return spec


def _file(name: str, origin: Origin, sweep: Path) -> Path:
    """The training file ``name``; `--set trainings=[...]` may also name files beside the sweep, from any folder."""
    beside_it = sweep.parent / name
    prefers_beside_it = os.path.isfile(beside_it) and not os.path.isfile(beside(name, origin.base))
    return beside_it if prefers_beside_it else named_file(name, origin)


def _training(source: Source, assignments: Sequence[str]) -> TrainSpec:
    source = with_assignments(source, assignments)
    data = dict(source.data)
    for name, section in (("autoencoder", AutoencoderSpec), ("transformer", TransformerSpec)):
        if name in data:
            data[name] = anchor_paths(section, data[name], (name,), source)
    return check_section(TrainSpec, data, (), source, _REMEDY)
