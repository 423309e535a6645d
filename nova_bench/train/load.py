"""Training file -> TrainSpec, with inheritance, `--set` and errors that name file and line, as for suites."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nova_bench.errors import SuiteError
from nova_bench.load import anchor_paths, check_section, inherit, with_assignments
from nova_bench.names import nearest
from nova_bench.train.spec import AutoencoderSpec, TrainSpec

_REMEDY = "nova_bench/train/spec.py documents every key"


def load_training(name: str, assignments: Sequence[str] = ()) -> TrainSpec:
    """Read the training file called ``name``: a path, or the name of one in `suites/train/`.

    ``assignments`` are `--set` options (``a.b=c``), applied in order after inheritance. Raises SuiteError whose
    message begins with ``file:line``.
    """
    source = with_assignments(inherit(_find(name), ()), assignments)
    data = dict(source.data)
    if "autoencoder" in data:
        data["autoencoder"] = anchor_paths(AutoencoderSpec, data["autoencoder"], ("autoencoder",), source)
    return check_section(TrainSpec, data, (), source, _REMEDY)


def _find(name: str) -> Path:
    if (path := Path(name)).is_file():
        return path
    folders = [Path(__file__).parents[2] / "suites" / "train", Path.cwd() / "suites" / "train"]
    known = {file.stem: file for folder in folders for file in sorted(folder.glob("*.yaml"))}
    if name in known:
        return known[name]
    raise SuiteError(
        f"{name}: no such training file{nearest(path.stem, known)}",
        f"a YAML file, or one of: {', '.join(sorted(known)) or 'none here'}",
    )
