"""Every scorer by name: the built-in ones and those that installed packages offer. Needs neither torch nor OpenCV."""

from __future__ import annotations

import warnings
from difflib import get_close_matches
from importlib.metadata import EntryPoint, entry_points

from nova_bench.errors import UserError
from nova_bench.scorers.base import ScorerInfo
from nova_bench.scorers.fidelity import psnr, ssim
from nova_bench.scorers.flow import dynamic_degree_dis
from nova_bench.scorers.vbench import temporal_flickering

ENTRY_POINT_GROUP = "nova_bench.scorers"

SCORERS: dict[str, ScorerInfo] = {
    info.name: info
    for info in (
        temporal_flickering.INFO,
        dynamic_degree_dis.INFO,
        psnr.INFO,
        ssim.SSIM_INFO,
        ssim.MS_SSIM_INFO,
    )
}
"""The built-in scorers. Another package can't take one of these names."""


def get_scorer(name: str) -> ScorerInfo:
    """The scorer called ``name``: built in, or offered by an installed package under ``nova_bench.scorers``.

    Such an entry point is named like the scorer and points to its :class:`ScorerInfo`; it is imported only when asked
    for. Raises :class:`UserError` with the nearest names if there is none, or if the package's scorer is unusable.
    """
    if name in SCORERS:
        return SCORERS[name]
    offered = _offered()
    if name in offered:
        return _load(offered[name])
    known = [*SCORERS, *offered]
    near = get_close_matches(name, known, n=3, cutoff=0.5)
    remedy = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(sorted(known))}"
    raise UserError(f"no scorer is called {name!r}", remedy)


def all_scorers() -> dict[str, ScorerInfo]:
    """Built-in and third-party scorers by name. A third-party one that is unusable is left out with a warning."""
    scorers = dict(SCORERS)
    for name, entry_point in _offered().items():
        try:
            scorers[name] = _load(entry_point)
        except UserError as error:
            warnings.warn(str(error), stacklevel=2)
    return scorers


def _offered() -> dict[str, EntryPoint]:
    found = {point.name: point for point in entry_points(group=ENTRY_POINT_GROUP)}
    return {name: point for name, point in sorted(found.items()) if name not in SCORERS}


def _load(entry_point: EntryPoint) -> ScorerInfo:
    owner = f"scorer {entry_point.name!r} of package {entry_point.dist.name if entry_point.dist else '?'}"
    remedy = "update or uninstall that package"
    try:
        info = entry_point.load()
    except Exception as error:  # whatever a third party's import raises
        raise UserError(f"{owner} can't be imported: {type(error).__name__}: {error}", remedy) from error
    if not isinstance(info, ScorerInfo) or info.name != entry_point.name:
        raise UserError(f"{owner} is not a ScorerInfo of that name", remedy)
    return info
