"""Turns stored pixels into an upright picture, for all eight orientations that a file can state."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Orientation:
    """Degrees counter-clockwise, a multiple of 90, by which stored pixels are turned; then mirrored left to right."""

    rotation: int = 0
    mirrored: bool = False

    def upright(self, picture: np.ndarray) -> np.ndarray:
        """A view of stored pixels [H, W, 3] as they are shown."""
        import numpy as np

        turned = np.rot90(picture, self.rotation // 90)
        return turned[:, ::-1] if self.mirrored else turned


# (a, b, c, d) of a display matrix: stored (x, y), y downwards, is shown at (a x + c y, b x + d y).
_MATRICES = {
    (1, 0, 0, 1): Orientation(),
    (0, -1, 1, 0): Orientation(90),
    (-1, 0, 0, -1): Orientation(180),
    (0, 1, -1, 0): Orientation(270),
    (-1, 0, 0, 1): Orientation(0, True),
    (0, -1, -1, 0): Orientation(90, True),
    (1, 0, 0, -1): Orientation(180, True),
    (0, 1, 1, 0): Orientation(270, True),
}
EXIF = {
    2: Orientation(0, True),
    3: Orientation(180),
    4: Orientation(180, True),
    5: Orientation(270, True),
    6: Orientation(270),
    7: Orientation(90, True),
    8: Orientation(90),
}
"""Value of the EXIF tag 0x0112 -> orientation (Exif 2.32, sec. 4.6.4)."""


def orientation_of(frame: Any) -> Orientation:
    """The orientation in a decoded frame's display matrix; none for an oblique angle, as in OpenCV.

    The matrix is 3x3 in fixed point (ISO/IEC 14496-12, sec. 6.2.2).
    """
    from av.sidedata.sidedata import Type

    data = frame.side_data.get(Type.DISPLAYMATRIX)
    if data is None or len(raw := bytes(data)) < 36:
        return Orientation()
    a, b, _, c, d, *_ = struct.unpack("=9i", raw[:36])
    size = max(map(abs, (a, b, c, d)))
    if size == 0:
        return Orientation()
    # Angles are stored as rounded sines and cosines: a right angle's zero may be a few units off.
    return _MATRICES.get(tuple(round(value / size, 3) for value in (a, b, c, d)), Orientation())
