"""How extreme a statistic must be, at one look at the data or at several."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


class Boundary:
    """Thresholds from the joint distribution of all looks' statistics under the same flips.

    The flips that exceed the first threshold are the error probability spent at the first look. Those that exceed the
    second and did not exceed the first are the error probability spent at the second, and so on. No normal
    approximation is involved: the correlation of looks and metrics is that of the flips.
    """

    def __init__(self) -> None:
        self._inside: np.ndarray | None = None

    def next(self, values: np.ndarray, spent: float) -> np.ndarray:
        """The threshold of the next look, [..., families], from its statistics [..., flips, families].

        ``spent`` is the error probability up to and including this look. At most this share of all flips, counting the
        observed data as one of them, exceeds the threshold of some look. A row must hold the same flip at every look.
        """
        import numpy as np

        inside = np.ones(values.shape, dtype=bool) if self._inside is None else self._inside
        count = values.shape[-2]
        allowed = int(spent * count + 1e-9) - (count - inside.sum(axis=-2, keepdims=True))
        ranked = -np.sort(np.where(inside, -values, np.inf), axis=-2)
        threshold = np.take_along_axis(ranked, np.clip(allowed, 0, count - 1), axis=-2)
        self._inside = inside & (values <= threshold)
        return threshold[..., 0, :]
