"""Where suite files are: in the current folder, in folders that the user adds, and inside nova_bench."""

from __future__ import annotations

import os
from pathlib import Path

from nova_bench.core.errors import SuiteError
from nova_bench.core.registry import nearest
from nova_bench.core.regular_files import NOT_REGULAR, is_regular

FOLDERS = "NOVA_BENCH_SUITES"
"""Environment variable: folders with the user's suites, separated as in PATH. `--suites` sets it."""
TRAININGS = "train"
"""Folder for training files inside a folder of suites."""
MODELS = "models"
"""Folder for model sections inside a folder of suites."""


def bundled_folder() -> Path:
    """The suites that come with nova_bench: in the installed package, or beside pyproject.toml in a source tree."""
    package = Path(__file__).parents[1]
    installed = package / "suites"
    return installed if installed.is_dir() else package.parent / "suites"


def suite_folders() -> list[Path]:
    """All folders of suites; if two suites share a name, the one in the earlier folder counts."""
    own = [Path(folder).expanduser() for folder in os.environ.get(FOLDERS, "").split(os.pathsep) if folder]
    return [Path.cwd() / "suites", *own, bundled_folder()]


def known_suites(kind: str = "") -> dict[str, Path]:
    """Files by name. ``kind`` is a folder inside those of suites (:data:`TRAININGS`, :data:`MODELS`), or empty."""
    return {path.stem: path for folder in reversed(suite_folders()) for path in sorted((folder / kind).glob("*.yaml"))}


def find_suite(name: str, kind: str = "") -> Path:
    """The file called ``name``: a path, or the name of a file in a folder of suites: `vbench` or `suites/vbench.yaml`.

    A file in the current folder takes precedence. Raises SuiteError with the nearest name if there is none.
    """
    path = Path(name)
    if is_regular(path):
        return path
    if os.path.exists(path) and not os.path.isdir(path):
        raise SuiteError(f"{name}: {NOT_REGULAR}", "copy its content to a YAML file")
    known = known_suites(kind)
    if (stem := _stem(path, kind)) is not None:
        if path.suffix == "" and path.parent == Path() and is_regular(here := Path(f"{name}.yaml")):
            return here
        if stem in known:
            return known[stem]
    what = {TRAININGS: "training file", MODELS: "model"}.get(kind, "suite")
    names = ", ".join(sorted(known)) or "none here"
    raise SuiteError(f"{name}: no such {what}{nearest(path.stem, known)}", f"give a YAML file, or one of: {names}")


def replaced_suite(path: Path) -> Path | None:
    """The bundled suite that a file of the same name replaces; None if there is none."""
    bundled = bundled_folder() / path.name
    return bundled if bundled.is_file() and not bundled.samefile(path) else None


def _stem(path: Path, kind: str) -> str | None:
    """The suite name in `vbench`, `vbench.yaml` and `suites/vbench.yaml`; None for a path to somewhere else."""
    is_name = path.parent in (Path(), Path("suites", kind)) and path.suffix in ("", ".yaml")
    return path.stem if is_name else None
