"""Which CUDA devices this process may use, found without torch, and how a child is given one of them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

VISIBLE = "CUDA_VISIBLE_DEVICES"
DRIVER = Path("/proc/driver/nvidia/gpus")
"""A folder for each device of NVIDIA's driver."""


def visible_cards(device: str, environment: Mapping[str, str] = os.environ, driver: Path = DRIVER) -> tuple[str, ...]:
    """Each CUDA device as a child's CUDA_VISIBLE_DEVICES has to name it; empty if ``device`` is no choice of several.

    A value that is set already, by Slurm or by hand, is split: its numbers and its GPU or MIG identifiers stay as they
    are. Like CUDA, this ignores what follows a number below zero. ``cuda:N`` names one device for everybody.
    """
    if device != "cuda":
        return ()
    if (value := environment.get(VISIBLE)) is None:
        return tuple(str(number) for number in range(len(list(driver.iterdir()) if driver.is_dir() else [])))
    cards: list[str] = []
    for name in map(str.strip, value.split(",")):
        if not name or name.startswith("-"):
            break
        cards.append(name)
    return tuple(cards)


def probable_device(wanted: str, driver: Path = DRIVER) -> str:
    """What ``auto`` will be once torch is asked: ``cuda`` where NVIDIA's driver has a device, else ``cpu``."""
    if wanted != "auto":
        return wanted
    return "cuda" if driver.is_dir() and os.environ.get(VISIBLE, "0").strip() not in ("", "-1") else "cpu"


@contextmanager
def started_with(card: str | None) -> Iterator[None]:
    """A process started inside sees that CUDA device alone; None: those of this process."""
    before = os.environ.get(VISIBLE)
    if card is not None:
        os.environ[VISIBLE] = card
    try:
        yield
    finally:
        if card is not None:
            os.environ.pop(VISIBLE) if before is None else os.environ.update({VISIBLE: before})
